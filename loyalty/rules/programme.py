"""A programme as the rules see it: its immutable versions, where its history begins, the shop's currency and zone.

A version's rules are stored as a JSON `Document` and judged as `Rules`: what a document doesn't say is read as
"not set", so that documents of before a rule existed keep meaning what they meant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, TypedDict
from zoneinfo import ZoneInfo

WaitingAfter = Literal["payment", "fulfilment"]
Short = Literal["owed", "floored"]
TierBy = Literal["spend", "points", "orders"]
TierPeriod = Literal["lifetime", "rolling_year", "calendar_year", "anniversary"]


class EarnDocument(TypedDict):
    """`points` points for every `per_minor` minor units spent."""

    points: int
    per_minor: int


class WorthDocument(TypedDict):
    """`points` points are worth `minor` minor units."""

    points: int
    minor: int


class WaitingDocument(TypedDict):
    """Points can be used `days` days after payment or fulfilment."""

    days: int
    after: WaitingAfter


class OrderBonusDocument(TypedDict):
    """Orders of at least `from_minor` minor units get `points` more."""

    from_minor: int
    points: int


class BonusesDocument(TypedDict):
    """Each is None when there is none; `first_order` is points, once a member."""

    order: OrderBonusDocument | None
    first_order: int | None


# What carries `label` (`product:<id>`, `collection:<id>`, `tag:<tag>`; `name` is what people call it) counts `percent`;
# `from` and `until` are instants in ISO 8601.
MultiplierDocument = TypedDict(
    "MultiplierDocument",
    {"key": str, "label": str, "name": str, "percent": int, "from": str | None, "until": str | None},
)
# A tier, held from `from` on (minor units, points or orders); its members' orders count `percent`.
LevelDocument = TypedDict("LevelDocument", {"key": str, "name": str, "from": int, "percent": int})


class TiersDocument(TypedDict):
    """Levels ascend. `protect_until` (ISO 8601) keeps everybody from moving down before it."""

    by: TierBy
    period: TierPeriod
    grace_days: int
    hold_days: int
    protect_until: str | None
    levels: list[LevelDocument]


class Document(TypedDict):
    """A version's rules, as stored. None is "none": no expiry, no cap, no tiers."""

    earn: EarnDocument
    worth: WorthDocument
    waiting: WaitingDocument
    expiry_months: int | None
    short: Short
    bonuses: BonusesDocument
    order_max: int | None
    multipliers: list[MultiplierDocument]
    tiers: TiersDocument | None


def completed(document: Mapping[str, Any]) -> Document:
    """A stored document with everything it doesn't say yet."""
    unsaid: dict[str, Any] = {
        "waiting": {"days": 0, "after": "payment"},
        "expiry_months": None,
        "short": "owed",
        "bonuses": {"order": None, "first_order": None},
        "order_max": None,
        "multipliers": [],
        "tiers": None,
    }
    return {**unsaid, **document}  # type: ignore[typeddict-item]  # what was stored had been checked


@dataclass(frozen=True, slots=True)
class Multiplier:
    """Lines with this label count `percent` in orders from `starts` until `ends` (exclusive)."""

    label: str
    name: str
    percent: int
    starts: dt.datetime | None
    ends: dt.datetime | None

    def applies(self, labels: frozenset[str], instant: dt.datetime) -> bool:
        return (
            self.label in labels
            and (self.starts is None or self.starts <= instant)
            and (self.ends is None or instant < self.ends)
        )


@dataclass(frozen=True, slots=True)
class Level:
    """A tier, held from `threshold` on."""

    key: str
    name: str
    threshold: int
    percent: int


@dataclass(frozen=True, slots=True)
class Tiers:
    """How members come to a level and lose it. `levels` ascend."""

    by: TierBy
    period: TierPeriod
    grace_days: int
    hold_days: int
    protect_until: dt.datetime | None
    levels: tuple[Level, ...]

    def rank(self, key: str | None) -> int:
        """A level's place from 0; −1 for no tier and for a level that isn't one of these."""
        return next((place for place, level in enumerate(self.levels) if level.key == key), -1)


@dataclass(frozen=True, slots=True)
class Rules:
    """A document as the rules judge by it."""

    points: int
    per_minor: int
    waiting_days: int
    waiting_after: WaitingAfter
    expiry_months: int | None
    short: Short
    order_bonus: OrderBonusDocument | None
    first_order_bonus: int | None
    order_max: int | None
    multipliers: tuple[Multiplier, ...]
    tiers: Tiers | None

    @classmethod
    def of(cls, document: Document) -> Rules:
        tiers = document["tiers"]
        return cls(
            points=document["earn"]["points"],
            per_minor=document["earn"]["per_minor"],
            waiting_days=document["waiting"]["days"],
            waiting_after=document["waiting"]["after"],
            expiry_months=document["expiry_months"],
            short=document["short"],
            order_bonus=document["bonuses"]["order"],
            first_order_bonus=document["bonuses"]["first_order"],
            order_max=document["order_max"],
            multipliers=tuple(
                Multiplier(m["label"], m["name"], m["percent"], _instant(m["from"]), _instant(m["until"]))
                for m in document["multipliers"]
            ),
            tiers=tiers
            and Tiers(
                by=tiers["by"],
                period=tiers["period"],
                grace_days=tiers["grace_days"],
                hold_days=tiers["hold_days"],
                protect_until=_instant(tiers["protect_until"]),
                levels=tuple(Level(one["key"], one["name"], one["from"], one["percent"]) for one in tiers["levels"]),
            ),
        )


def _instant(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)


@dataclass(frozen=True, kw_only=True)
class Version:
    """The rules in force from `effective_from` until the next version's."""

    number: int
    effective_from: dt.datetime
    document: Document

    @cached_property
    def rules(self) -> Rules:
        return Rules.of(self.document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A decision to count orders from `starts` up to the programme's `earn_from` after all, by a version's rules."""

    starts: dt.datetime
    version: int
    decided_at: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Programme:
    """At least one version, by number; `currency` and `timezone` are the shop's.

    Orders from `earn_from` up to version 1's `effective_from` are judged by version 1. Earlier ones earn nothing unless
    a back-fill counts them.
    """

    versions: tuple[Version, ...]
    earn_from: dt.datetime
    currency: str
    timezone: str = "UTC"
    backfills: tuple[Backfill, ...] = ()

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def goes_by_labels(self) -> bool:
        """Whether a version multiplies by a tag or a collection."""
        return any(
            not multiplier.label.startswith("product:")
            for version in self.versions
            for multiplier in version.rules.multipliers
        )

    def judge(self, instant: dt.datetime) -> tuple[Version, dt.datetime | None] | None:
        """The version that judges an order of this instant, and the decision to count it when that came later; None
        when such orders earn nothing."""
        if instant >= self.earn_from:
            version = self.version_at(instant)
            return version, version.effective_from if instant < version.effective_from else None
        for backfill in sorted(self.backfills, key=lambda b: b.decided_at):
            if backfill.starts <= instant:
                return self.version(backfill.version), backfill.decided_at
        return None

    def version_at(self, instant: dt.datetime) -> Version:
        """The version in force; before the first there is only the first."""
        for version in reversed(self.versions):
            if version.effective_from <= instant:
                return version
        return self.versions[0]

    def version(self, number: int) -> Version:
        return next(version for version in self.versions if version.number == number)


def worth_minor(points: int, document: Document) -> int:
    """What points are worth in minor units, rounded down."""
    return points * document["worth"]["minor"] // document["worth"]["points"]


def given_back(document: Document) -> Fraction:
    """The share of what was spent that its points are worth: 1/20 for a point a dollar, a hundred worth five."""
    earn, worth = document["earn"], document["worth"]
    return Fraction(earn["points"] * worth["minor"], earn["per_minor"] * worth["points"])
