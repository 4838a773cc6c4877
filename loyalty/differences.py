"""What a draft changes, line by line, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.utils.translation import gettext as _

from loyalty.rules.programme import Document, given_back
from loyalty.sentences import Line, sentences
from retention_app.words import Words

Kind = Literal["added", "changed", "removed"]


@dataclass(frozen=True)
class Difference:
    """One changed line: what it is about, its value before and after."""

    kind: Kind
    label: str
    before: str
    after: str

    @property
    def word(self) -> str:
        return {"added": _("added"), "changed": _("changed"), "removed": _("removed")}[self.kind]


def differences(live: Document | None, draft: Document, words: Words) -> list[Difference]:
    """The lines in which the draft differs from what is live; every line when nothing is live."""
    before, after = _lines(live, words) if live else {}, _lines(draft, words)
    found = []
    for key in [*after, *(key for key in before if key not in after)]:
        was, becomes = before.get(key), after.get(key)
        if was is None and becomes:
            found.append(Difference("added", becomes.label, "", becomes.text))
        elif was and becomes is None:
            found.append(Difference("removed", was.label, was.text, ""))
        elif was and becomes and was.text != becomes.text:
            found.append(Difference("changed", becomes.label, was.text, becomes.text))
    return found


def _lines(document: Document, words: Words) -> dict[str, Line]:
    """The document's lines by what they are about."""
    lines = {line.key: line for line in sentences(document, words).lines}
    return lines | {"back": Line("back", "worth", _("Gives back"), words.percent(float(given_back(document))))}
