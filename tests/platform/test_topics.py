"""The app's file for the platform agrees with the code."""

from __future__ import annotations

import tomllib
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from config.asgi import RECEIVERS
from config.env import ROOT
from retention_app.shopify.topics import TOPIC_HANDLERS

APP: dict[str, Any] = tomllib.loads((ROOT / "shopify.app.toml").read_text())


def test_subscribed_topics_are_those_we_handle() -> None:
    topics = [topic for entry in APP["webhooks"]["subscriptions"] for topic in entry.get("topics", [])]
    compliance = [topic for entry in APP["webhooks"]["subscriptions"] for topic in entry.get("compliance_topics", [])]
    assert sorted(topics + compliance) == sorted(TOPIC_HANDLERS)
    assert set(compliance) == {"customers/data_request", "customers/redact", "shop/redact"}  # the platform's list


def test_every_subscription_leads_to_the_intake() -> None:
    uris = {entry["uri"] for entry in APP["webhooks"]["subscriptions"]}
    assert all(uri.startswith("https://") for uri in uris)  # relative ones start at the app's home
    assert {urlsplit(uri).path for uri in uris} == {path for path in RECEIVERS if path.startswith("/webhooks/")}


def test_versions_and_scopes_agree_with_the_settings() -> None:
    assert APP["webhooks"]["api_version"] == settings.SHOPIFY_API_VERSION
    assert APP["access_scopes"]["scopes"].split(",") == settings.SHOPIFY_SCOPES


def test_shortened_bodies_keep_what_we_read() -> None:
    for entry in APP["webhooks"]["subscriptions"]:
        if "include_fields" in entry:
            needed = {TOPIC_HANDLERS[topic].id_at[0] for topic in entry["topics"]}
            assert needed <= set(entry["include_fields"])


def test_app_is_named_within_what_the_platform_allows() -> None:
    assert len(APP["name"]) <= 30
    assert (APP["app_proxy"]["prefix"], APP["app_proxy"]["subpath"]) == ("apps", "encore")
