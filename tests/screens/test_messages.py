"""The catalogues hold every text the sources ask for, translated, and nothing else. No database."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from tools.messages import catalogue_paths, messages_used

# What a catalogue can't hold unless a text of its neighbour's slipped in.
FOREIGN = {
    "es": re.compile(r"[ãõçêô]|\b([Ss]eus?|[Ss]uas?|[Vv]ocê|[Mm]embros?|[Qq]uem|os|não)\b"),
    "pt_BR": re.compile(r"[ñ¿¡]|(?<!-)\b([Tt]us?|[Ss]us?|[Ll]os|[Ll]as|[Mm]iembros?|[Qq]uién)\b"),
    "zh_Hans": re.compile("[這們個為來時會顧點額單據應選擇變動開關說讓還過現發給實際設顯號碼啟]"),
    "zh_Hant": re.compile("[这们个为来时会顾点额单据应选择变动开关说让还过现发给实际设显号码启]"),
}
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
            assert not FOREIGN[path.parts[-3]].search(text), text
