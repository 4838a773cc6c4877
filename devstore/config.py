"""What devstore is started with, and what it reads from the app's own `shopify.app.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin


@dataclass(frozen=True, slots=True)
class Config:
    """`public_url` is where people and the app reach devstore itself; `app_url` where devstore reaches the app;
    `extension` the folder of the app's theme app extension, if it has one."""

    state_dir: Path
    scenario: str
    public_url: str
    app_url: str
    app_toml: Path
    schema: Path
    api_key: str
    api_secret: str
    data_dir: Path
    scenario_file: Path | None = None
    extension: Path | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """`include_fields`: the keys of the payload that are sent; empty means all."""

    topic: str
    uri: str
    include_fields: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The parts of `shopify.app.toml` that a shop acts on."""

    name: str
    handle: str
    scopes: tuple[str, ...]
    redirect_urls: tuple[str, ...]
    webhook_version: str
    subscriptions: tuple[Subscription, ...]
    proxy_url: str
    proxy_prefix: str
    proxy_subpath: str

    @classmethod
    def read(cls, path: Path, app_url: str) -> "AppSettings":
        """Relative URIs, and URIs at the host of `application_url`, are taken relative to `app_url`, as `shopify app
        dev` rewrites them. Raises OSError, KeyError or tomllib.TOMLDecodeError."""
        toml = tomllib.loads(path.read_text())
        published = urljoin(toml["application_url"], "/").rstrip("/")

        def here(uri: str) -> str:
            if uri.startswith(published):
                uri = uri.removeprefix(published) or "/"
            return urljoin(app_url.rstrip("/") + "/", uri.lstrip("/") if uri.startswith("/") else uri)

        entries = toml["webhooks"].get("subscriptions", [])
        subscriptions = [
            Subscription(topic, here(entry["uri"]), frozenset(entry.get("include_fields", ())))
            for entry in entries
            for topic in (*entry.get("topics", ()), *entry.get("compliance_topics", ()))
        ]
        proxy = toml.get("app_proxy", {})
        scopes = (scope.strip() for scope in toml["access_scopes"]["scopes"].split(","))
        return cls(
            name=toml["name"],
            handle=toml.get("handle", toml["name"].lower()),
            scopes=tuple(scope for scope in scopes if scope),
            redirect_urls=tuple(here(url) for url in toml.get("auth", {}).get("redirect_urls", ())),
            webhook_version=toml["webhooks"]["api_version"],
            subscriptions=tuple(subscriptions),
            proxy_url=here(proxy.get("url", "/proxy")),
            proxy_prefix=proxy.get("prefix", "apps"),
            proxy_subpath=proxy.get("subpath", "encore"),
        )
