"""The API keeps what its OpenAPI schema says, whatever is sent: schemathesis makes requests up from the schema."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from config.env import ROOT
from loyalty.rest_urls import urlpatterns as loyalty_urls
from retention_app.api import view
from retention_app.api.problems import PROBLEM_TYPES
from retention_app.api.schema import openapi
from retention_app.api.scopes import scopes
from retention_app.api.urls import urlpatterns as retention_urls
from tests.api.conftest import Program
from tests.screens.conftest import see

GUIDE = ROOT / "docs/api.md"

# Left out: a schema can't say which cursors there are, and parameters that nobody knows are ignored.
LEFT_OUT = [positive_data_acceptance, negative_data_rejection]
bounded = settings(deadline=None, suppress_health_check=list(HealthCheck))
modes = pytest.mark.parametrize("mode", list(GenerationMode), ids=str)


@pytest.fixture
def described(program: Program, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The schema as it is served, in front of a shop with customers and points."""
    monkeypatch.setattr(view, "REQUESTS_PER_MINUTE", 10**9)
    served = Client().get("/api/schema/", {"format": "json"}).json()
    schema = schemathesis.openapi.from_dict(served)
    schema.app = get_wsgi_application()
    for signal in (request_started, request_finished):  # the test's transaction outlives its requests
        signal.disconnect(close_old_connections)
    yield schema
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@modes
def test_answers_with_a_key_are_as_documented(described: Any, program: Program, mode: GenerationMode) -> None:
    for found in described.get_all_operations():
        operation = found.ok()

        @settings(bounded, max_examples=5)
        @given(operation.as_strategy(generation_mode=mode))
        def check(case: Case) -> None:
            if mode is GenerationMode.POSITIVE and case.path_parameters:
                case.path_parameters["customer_id"] = 1
            case.call_and_validate(headers=program.headers, excluded_checks=LEFT_OUT)

        check()


def test_answers_without_a_key_are_as_documented(described: Any) -> None:
    for found in described.get_all_operations():

        @settings(bounded, max_examples=3)
        @given(found.ok().as_strategy())
        def check(case: Case) -> None:
            assert case.call_and_validate(headers={"Authorization": ""}, excluded_checks=LEFT_OUT).status_code == 401

        check()


def test_the_schema_is_complete_without_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True)
    assert "warning" not in capsys.readouterr().err.lower()


def test_every_address_is_described_with_its_scope() -> None:
    described = set(openapi()["paths"])
    patterns = [*retention_urls, *loyalty_urls]
    assert len(described) == len(patterns) > 5
    for methods in openapi()["paths"].values():
        for said in methods.values():
            assert said["x-scope"] in {scope.code for scope in scopes()}
            assert said["summary"]
            assert said["security"] == [{"apiKey": []}]


def test_the_schema_comes_as_yaml_and_as_json() -> None:
    yaml, json_ = Client().get("/api/schema/"), Client().get("/api/schema/", headers={"Accept": "application/json"})
    assert yaml.headers["Content-Type"] == "application/vnd.oai.openapi"
    assert yaml.content.startswith(b"openapi: 3.1.0")
    assert json_.json() == Client().get("/api/schema/", {"format": "json"}).json()
    assert Client().get("/api/schema/", headers={"If-None-Match": yaml.headers["ETag"]}).status_code == 304


def test_the_page_says_everything_without_a_script_or_a_foreign_host() -> None:
    answer = Client().get("/api/docs/", headers={"Accept-Language": "zh-Hant"})
    seen = see(answer.content.decode())
    assert len(seen.headings) == 1
    assert len(seen.ids) == len(set(seen.ids))
    assert "style" not in seen.attributes
    for said in [*openapi()["paths"], *openapi()["components"]["schemas"]]:
        assert said in seen.text or said.endswith("Enum") or said == "CountedBy"
    for problem in PROBLEM_TYPES:
        assert f'id="problem-{problem.code}"' in seen.html
    assert "<script" not in seen.html
    assert not re.search(r'(?:src|href)="(?:https?:)?//', seen.html)
    named = set(re.findall(r'href="#([\w-]+)"', seen.html)) - {"main"}
    assert named <= set(seen.ids)


@pytest.mark.parametrize("number", range(9))
def test_the_guides_commands_do_what_they_say(number: int, program: Program) -> None:
    commands = re.findall(r"^curl (.+?)(?<!\\)$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(commands) == 9
    words = shlex.split(commands[number].replace("\\\n", " "))
    headers = dict(word.split(": ", 1) for word in words if re.match(r"[\w-]+: ", word))
    assert headers.pop("Authorization") == "Bearer $ENCORE_KEY"
    path = next(word for word in words if word.startswith("https://")).partition("/api/v1")[2]
    body = next((word for word in words if word.startswith("{")), None)
    path = path.replace("8101000000001", "1")
    if body is None:
        answer = program.get(path, **headers)
    else:
        assert headers.pop("Content-Type") == "application/json"
        answer = program.post(path, body, headers.pop("Idempotency-Key"))
    assert answer.status_code in (200, 201)
