"""The catalogues hold every text the sources ask for, translated, and nothing else. No database."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from tools.messages import catalogue_paths, messages_used

PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")


def test_there_are_catalogues() -> None:
    assert [path.parts[-3] for path in catalogue_paths()] == ["es", "pt_BR", "zh_Hans", "zh_Hant"]


@pytest.mark.parametrize("path", catalogue_paths(), ids=lambda path: path.parts[-3])
def test_catalogue_matches_the_sources(path: Path) -> None:
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.parts[-3])
    used = {message.id for message in messages_used() if message.id}
    known = {message.id: message for message in catalogue if message.id}
    assert not used - known.keys(), "missing: run `make messages`"
    assert not known.keys() - used, "no longer used: run `make messages`"
    assert not [message.id for message in known.values() if message.fuzzy]
    for message in known.values():
        texts = message.string if isinstance(message.string, (tuple, list)) else [message.string]
        assert all(texts), f"not translated: {message.id!r}"
        original = message.id[-1] if isinstance(message.id, (tuple, list)) else message.id
        for text in texts:
            assert set(PLACEHOLDER.findall(text)) == set(PLACEHOLDER.findall(original)), message.id
