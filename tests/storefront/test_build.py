from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

MESSAGES = Path(__file__).parents[2] / "static/storefront/messages"
COMPRESS = "process.stdout.write(String(zlib.brotliCompressSync(fs.readFileSync(process.argv[1])).length))"


def brotli_bytes(path: Path) -> int:
    done = subprocess.run(["node", "-e", COMPRESS, str(path)], capture_output=True, text=True, check=True, timeout=30)
    return int(done.stdout)


@pytest.mark.parametrize(
    ("files", "budget"),
    [(["loader.js"], 2_500), (["loader.js", "panel.js"], 9_000)],
    ids=["loader", "loader and panel"],
)
def test_files_fit_their_budget(built: Path, files: list[str], budget: int) -> None:
    assert sum(brotli_bytes(built / name) for name in files) <= budget


def test_files_import_nothing_at_run_time(built: Path) -> None:
    for name in ("loader.js", "panel.js"):
        source = (built / name).read_text()
        assert not re.search(r"\bimport\s*[\"'{*]|\brequire\(", source)
        assert "http" not in source


def flat(messages: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Message paths to texts: {"panel.points.one": "{n} point"}."""
    texts: dict[str, str] = {}
    for key, value in messages.items():
        texts |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return texts


@pytest.mark.parametrize("path", sorted(MESSAGES.glob("*.json")), ids=lambda path: path.stem)
def test_every_language_has_every_message_with_its_places(path: Path) -> None:
    english, texts = (flat(json.loads(file.read_text())) for file in (MESSAGES / "en.json", path))
    assert texts.keys() == english.keys()
    assert all(texts.values())
    for key, text in texts.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", english[key])), key
