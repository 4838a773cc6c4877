"""Rules about the repository itself, without a database."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.env import ROOT

PRODUCT = ("config", "retention_app", "loyalty")

# Who may read or write over all shops, and why.
UNSCOPED_USERS: dict[str, str] = {}


def sources(*folders: str) -> Iterator[tuple[str, str]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()


def users(pattern: str, *folders: str) -> set[str]:
    return {name for name, text in sources(*folders) if re.search(pattern, text)}


def test_only_listed_modules_leave_the_shop_scope() -> None:
    assert users(r"\.unscoped\(\)", *PRODUCT) - {"retention_app/tenancy.py"} == set(UNSCOPED_USERS)


def test_one_module_compares_signatures() -> None:
    assert users(r"^import hmac|^from hmac", *PRODUCT) <= {"retention_app/shopify/signature.py"}


def test_one_module_reads_the_clock() -> None:
    assert users(r"datetime\.now\(|timezone\.now\(|utcnow|date\.today\(|time\.time\(", *PRODUCT) == {
        "retention_app/clock.py"
    }


def test_no_module_is_called_utils() -> None:
    assert not [name for name, _ in sources(*PRODUCT, "devstore") if Path(name).stem in ("utils", "helpers", "common")]


def test_on_commit_never_takes_a_lambda() -> None:
    assert not users(r"on_commit\(\s*lambda", *PRODUCT)


def test_only_the_ledger_writes_entries() -> None:
    writers = users(
        r"INTO loyalty_entry|\bEntry\.objects\.(create|bulk_create)|UPDATE loyalty_(entry|account)", "loyalty"
    )
    assert {Path(name).parts[1].removesuffix(".py") for name in writers} <= {"posting"}


def test_nothing_inline_in_templates() -> None:
    found = [
        str(path.relative_to(ROOT))
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*.html")
        if re.search(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=\"|\son[a-z]+=\"", path.read_text())
    ]
    assert not found


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/decisions/*.md")), ids=lambda path: path.name)
def test_decision_records_are_numbered_and_short(path: Path) -> None:
    assert re.match(r"\d{4}-[a-z0-9-]+\.md$", path.name)
    assert len(path.read_text().splitlines()) <= 60


def test_every_environment_key_is_documented() -> None:
    read = set()
    for _, text in sources("config"):
        read |= set(re.findall(r"(?:env(?:\.\w+)?|secret|url|days|encryption_keys)\(\s*\"([A-Z][A-Z_]+)\"", text))
    documented = set(re.findall(r"^#? ?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert read - {"DJANGO_SETTINGS_MODULE"} <= documented


def test_import_contract_is_declared() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["type"] for contract in contracts} == {"layers", "forbidden"}
