"""What a draft changes, line by line, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from django.utils.translation import gettext as _

from loyalty.rules.programme import Document
from loyalty.sentences import given_back, sentences
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
    after = sentences(draft, words)
    before = sentences(live, words) if live else None
    lines = [
        (_("Earning points"), before.earn if before else "", after.earn),
        (_("What points are worth"), before.worth if before else "", after.worth),
    ]
    if live is None or given_back(live) != given_back(draft):
        share = words.percent(given_back(live)) if live else ""
        lines.append((_("Gives back"), share, words.percent(given_back(draft))))
    return [
        Difference("changed" if before else "added", label, was, becomes)
        for label, was, becomes in lines
        if was != becomes
    ]
