"""A programme as the rules see it: its immutable versions and where its history begins."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TypedDict


class EarnDocument(TypedDict):
    """`points` points for every `per_minor` minor units spent."""

    points: int
    per_minor: int


class WorthDocument(TypedDict):
    """`points` points are worth `minor` minor units."""

    points: int
    minor: int


class Document(TypedDict):
    """A version's rules, as stored."""

    earn: EarnDocument
    worth: WorthDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The rules in force from `effective_from` until the next version's."""

    number: int
    effective_from: dt.datetime
    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """At least one version, by number; `currency` is the shop's.

    Orders from `earn_from` up to version 1's `effective_from` are judged by version 1, earlier ones earn nothing.
    """

    versions: tuple[Version, ...]
    earn_from: dt.datetime
    currency: str

    def version_at(self, instant: dt.datetime) -> Version | None:
        """The version that judges an order of this instant; None when such orders earn nothing."""
        if instant < self.earn_from:
            return None
        for version in reversed(self.versions):
            if version.effective_from <= instant:
                return version
        return self.versions[0]


def worth_minor(points: int, document: Document) -> int:
    """What points are worth in minor units, rounded down."""
    return points * document["worth"]["minor"] // document["worth"]["points"]
