from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from retention_app.languages import language_tag

MESSAGES = Path(__file__).parents[2] / "static/storefront/messages"
COMPRESS = "process.stdout.write(String(zlib.brotliCompressSync(fs.readFileSync(process.argv[1])).length))"


def brotli_bytes(path: Path) -> int:
    done = subprocess.run(["node", "-e", COMPRESS, str(path)], capture_output=True, text=True, check=True, timeout=30)
    return int(done.stdout)


LANGUAGES = [path.stem for path in sorted(MESSAGES.glob("*.json"))]


@pytest.mark.parametrize(
    ("files", "budget"),
    [
        (["loader.js"], 2_500),
        (["earn.js"], 1_500),
        *((["loader.js", f"panel.{language}.js"], 9_000) for language in LANGUAGES),
    ],
    ids=["loader", "earn", *LANGUAGES],
)
def test_files_fit_their_budget(built: Path, files: list[str], budget: int) -> None:
    assert sum(brotli_bytes(built / name) for name in files) <= budget


def test_files_import_nothing_at_run_time(built: Path) -> None:
    for path in built.glob("*.js"):
        source = path.read_text()
        assert not re.search(r"\bimport\s*[\"'{*]|\brequire\(", source)
        assert "http" not in source


def flat(messages: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Message paths to texts: {"points.one": "{n} point"}."""
    texts: dict[str, str] = {}
    for key, value in messages.items():
        texts |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return texts


def messages(language: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MESSAGES / f"{language}.json").read_text())
    return found


def test_there_are_messages_in_the_apps_languages() -> None:
    assert set(LANGUAGES) == {language_tag(code) for code, _name in settings.LANGUAGES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_message_with_its_places(language: str) -> None:
    english, texts = flat(messages("en")), flat(messages(language))
    assert texts.keys() == english.keys()
    assert all(texts.values())
    for key, text in texts.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", english[key])), key


def test_every_message_is_used() -> None:
    """The pages' titles are looked up by the page's name; what is used and missing is the type check's to find."""
    source = (MESSAGES.parent / "src/panel.ts").read_text()
    pages = re.findall(r"type Page = (.*);", source)[0].replace('"', "").split(" | ")
    assert set(re.findall(r"\bwords\.(\w+)", source)) | set(pages) == messages("en").keys()
