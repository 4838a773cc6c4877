"""What a programme's document may say: problems that keep it from being published, warnings that don't.

Problems are tied to the editor's fields (`level_2_from` is the third tier's) and speak a merchant's words.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, get_args

from django.utils.translation import get_language, gettext

from loyalty.rules.programme import (
    Document,
    LevelDocument,
    MultiplierDocument,
    Short,
    TierBy,
    TierPeriod,
    WaitingAfter,
    completed,
    given_back,
)
from retention_app import formatting

EARN_POINTS_MAX = 1_000
WORTH_POINTS_MAX = 1_000_000
BONUS_POINTS_MAX = 1_000_000
ORDER_POINTS_MAX = 100_000_000
MINOR_MAX = 100_000_000  # R$1,000,000.00
THRESHOLD_MAX = 100_000_000_000
WAITING_DAYS_MAX = 90
EXPIRY_MONTHS_MAX = 60
GRACE_DAYS_MAX = 180
HOLD_DAYS_MAX = 730
PERCENT_MAX = 1_000
LEVEL_PERCENT_MIN = 100
LEVELS_MAX = 10
MULTIPLIERS_MAX = 50
NAME_MAX = 60  # characters
_KEY = re.compile(r"[a-z0-9_-]{1,32}")
_LABEL = re.compile(r"(product|collection):\d{1,19}|tag:\S(.{0,253}\S)?")

Code = Literal[
    "missing",
    "too_small",
    "too_large",
    "gives_back_too_much",
    "unnamed",
    "name_taken",
    "not_above",
    "unknown",
    "unknown_label",
    "ends_before",
    "too_many",
]
_POINTS = {"earn_points", "worth_points", "order_bonus_points", "first_order_bonus", "order_max"}
_TIMES = {"level_percent", "multiplier_percent"}


def key_new() -> str:
    """A key for a new tier or multiplier; it stays with it."""
    return secrets.token_hex(4)


@dataclass(frozen=True)
class DocumentProblem:
    """What is wrong with a document. `field` is the editor's; `limit` is the number, or the tier, to compare with."""

    field: str
    code: Code
    limit: int | str | None = None

    def message(self) -> str:
        """The problem in a merchant's words, in the active language."""
        match self.code:
            case "missing":
                return gettext("Enter a number.")
            case "too_small" | "too_large":
                return self._bound()
            case "gives_back_too_much":
                return gettext("Points would be worth more than what was spent to earn them. Make points worth less.")
            case "unnamed":
                return gettext("Enter a name of at most %(limit)s characters.") % {"limit": NAME_MAX}
            case "name_taken":
                return gettext("Another tier is called that.")
            case "not_above":
                return gettext("Enter more than what %(tier)s asks for.") % {"tier": self.limit}
            case "unknown":
                return gettext("Choose one of the answers.")
            case "unknown_label":
                return gettext("Choose a product, a collection or a tag.")
            case "ends_before":
                return gettext("The last day can't be before the first.")
            case "too_many":
                return gettext("There can be at most %(limit)s.") % {"limit": self.limit}

    def _bound(self) -> str:
        kind = re.sub(r"_\d+_", "_", self.field)
        limit = f"{self.limit:,}" if isinstance(self.limit, int) else self.limit
        if kind in _TIMES:
            times = {"limit": f"{int(self.limit or 0) / 100:g}×"}
            if self.code == "too_small":
                return gettext("Enter %(limit)s or more.") % times
            return gettext("Enter at most %(limit)s.") % times
        if self.code == "too_small":
            return gettext("Enter more than zero.") if self.limit is None else gettext("Enter zero or more.")
        if kind in _POINTS:
            return gettext("Enter at most %(limit)s points.") % {"limit": limit}
        if kind.endswith("_days"):
            return gettext("Enter at most %(limit)s days.") % {"limit": limit}
        if kind.endswith("_months"):
            return gettext("Enter at most %(limit)s months.") % {"limit": limit}
        return gettext("Enter a smaller amount.")


@dataclass(frozen=True)
class DocumentWarning:
    """What a document may say but maybe shouldn't: the names it is about, a percentage, and the margin it is above."""

    code: Literal["tier_gives_back_too_much", "gives_back_over_margin", "counted_twice"]
    names: tuple[str, ...]
    percent: float
    margin_percent: int | None = None

    def message(self) -> str:
        if self.code == "counted_twice":
            return gettext("Two rules count %(name)s at the same time; together that is %(times)s.") % {
                "name": self.names[0],
                "times": f"{self.percent / 100:g}×",
            }
        percent = formatting.decimal(self.percent, get_language() or "en")
        told = {"tier": "".join(self.names), "percent": percent, "margin": self.margin_percent}
        if self.code == "tier_gives_back_too_much":
            return gettext("In %(tier)s, points are worth %(percent)s%% of what was spent to earn them.") % told
        if self.names:
            return (
                gettext(
                    "In %(tier)s, points are worth %(percent)s%% of what was spent to earn them, "
                    "more than your margin of %(margin)s%%."
                )
                % told
            )
        return (
            gettext(
                "Points are worth %(percent)s%% of what was spent to earn them, more than your margin of %(margin)s%%."
            )
            % told
        )


class _Inspection:
    """Goes through a document and notes what is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[DocumentProblem] = []

    def problem(self, field: str, code: Code, limit: int | str | None = None) -> None:
        self.problems.append(DocumentProblem(field, code, limit))

    def number(self, field: str, value: Any, least: int, most: int) -> bool:
        """Whether it is a whole number within bounds."""
        if not isinstance(value, int) or isinstance(value, bool):
            self.problem(field, "missing")
        elif value < least:
            self.problem(field, "too_small", None if least == 1 else least)
        elif value > most:
            self.problem(field, "too_large", most)
        else:
            return True
        return False

    def number_or_none(self, field: str, value: Any, most: int) -> None:
        if value is not None:
            self.number(field, value, 1, most)

    def choice(self, field: str, value: Any, of: Any) -> None:
        if value not in get_args(of):
            self.problem(field, "unknown")

    def name(self, field: str, value: Any) -> None:
        if not isinstance(value, str) or not value.strip() or len(value) > NAME_MAX:
            self.problem(field, "unnamed")

    def instant(self, field: str, value: Any) -> dt.datetime | None:
        """The instant a text says; notes a problem unless it is None."""
        if value is None:
            return None
        try:
            found = dt.datetime.fromisoformat(value)
            if found.tzinfo:
                return found
        except (TypeError, ValueError):
            pass
        self.problem(field, "unknown")
        return None

    def keys(self, field: str, rows: list[dict[str, Any]]) -> None:
        """Each row of its own key, as `field` (with the row's number to fill in) names them."""
        seen = set()
        for number, row in enumerate(rows):
            key = row.get("key")
            if not isinstance(key, str) or not _KEY.fullmatch(key) or key in seen:
                self.problem(field.format(number), "unknown")
            seen.add(key if isinstance(key, str) else "")

    # --- parts -------------------------------------------------------------------------------------------------------

    def worth(self, earn: dict[str, Any], worth: dict[str, Any]) -> None:
        sound = [
            self.number("earn_points", earn.get("points"), 1, EARN_POINTS_MAX),
            self.number("earn_per", earn.get("per_minor"), 1, MINOR_MAX),
            self.number("worth_points", worth.get("points"), 1, WORTH_POINTS_MAX),
            self.number("worth_amount", worth.get("minor"), 1, MINOR_MAX),
        ]
        if all(sound) and earn["points"] * worth["minor"] > earn["per_minor"] * worth["points"]:
            self.problem("worth_amount", "gives_back_too_much")

    def limits(self, document: dict[str, Any]) -> None:
        waiting, bonuses = _section(document, "waiting"), _section(document, "bonuses")
        self.number("waiting_days", waiting.get("days"), 0, WAITING_DAYS_MAX)
        self.choice("waiting_after", waiting.get("after"), WaitingAfter)
        self.number_or_none("expiry_months", document.get("expiry_months"), EXPIRY_MONTHS_MAX)
        self.choice("short", document.get("short"), Short)
        self.number_or_none("order_max", document.get("order_max"), ORDER_POINTS_MAX)
        self.number_or_none("first_order_bonus", bonuses.get("first_order"), BONUS_POINTS_MAX)
        if bonuses.get("order") is not None:
            order = _section(bonuses, "order")
            self.number("order_bonus_from", order.get("from_minor"), 1, MINOR_MAX)
            self.number("order_bonus_points", order.get("points"), 1, BONUS_POINTS_MAX)

    def multipliers(self, rows: list[dict[str, Any]]) -> None:
        self.keys("multiplier_{}_key", rows)
        for number, row in enumerate(rows):
            field = f"multiplier_{number}_"
            if number == MULTIPLIERS_MAX:
                self.problem(f"{field}label", "too_many", MULTIPLIERS_MAX)
            if not isinstance(row.get("label"), str) or not _LABEL.fullmatch(row["label"]):
                self.problem(f"{field}label", "unknown_label")
            self.name(f"{field}name", row.get("name"))
            self.number(f"{field}percent", row.get("percent"), 0, PERCENT_MAX)
            starts, ends = (
                self.instant(f"{field}from", row.get("from")),
                self.instant(f"{field}until", row.get("until")),
            )
            if starts and ends and ends <= starts:
                self.problem(f"{field}until", "ends_before")

    def tiers(self, tiers: dict[str, Any]) -> None:
        self.choice("tiers_by", tiers.get("by"), TierBy)
        self.choice("tiers_period", tiers.get("period"), TierPeriod)
        self.number("tiers_grace_days", tiers.get("grace_days"), 0, GRACE_DAYS_MAX)
        self.number("tiers_hold_days", tiers.get("hold_days"), 0, HOLD_DAYS_MAX)
        self.instant("tiers_protect_until", tiers.get("protect_until"))
        rows = _rows(tiers, "levels")
        if not rows:
            self.problem("tiers_by", "unknown")
        self.keys("level_{}_key", rows)
        names: set[str] = set()
        below: tuple[int, str] = (0, "")
        for number, row in enumerate(rows):
            field, name = f"level_{number}_", row.get("name")
            if number == LEVELS_MAX:
                self.problem(f"{field}name", "too_many", LEVELS_MAX)
            self.name(f"{field}name", name)
            if isinstance(name, str) and name.strip().casefold() in names:
                self.problem(f"{field}name", "name_taken")
            names.add(str(name).strip().casefold())
            if self.number(f"{field}from", row.get("from"), 1, THRESHOLD_MAX):
                if row["from"] <= below[0]:
                    self.problem(f"{field}from", "not_above", below[1])
                below = (row["from"], str(name))
            self.number(f"{field}percent", row.get("percent"), LEVEL_PERCENT_MIN, PERCENT_MAX)


def _section(document: Any, name: str) -> dict[str, Any]:
    section = document.get(name)
    return section if isinstance(section, dict) else {}


def _rows(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = document.get(name)
    return [row if isinstance(row, dict) else {} for row in rows] if isinstance(rows, list) else [{}]


def document_problems(document: Any) -> list[DocumentProblem]:
    """What keeps a document from being a programme; empty when it may be published. What it doesn't say is "none"."""
    known: dict[str, Any] = dict(completed(document if isinstance(document, dict) else {}))
    inspection = _Inspection()
    inspection.worth(_section(known, "earn"), _section(known, "worth"))
    inspection.limits(known)
    inspection.multipliers(_rows(known, "multipliers"))
    if known["tiers"] is not None:
        inspection.tiers(_section(known, "tiers"))
    return inspection.problems


def document_known(document: Any) -> Document:
    """A document without problems, complete and without anything we don't know."""
    whole = completed(document)
    tiers, bonuses = whole["tiers"], whole["bonuses"]
    order = bonuses.get("order")
    return {
        "earn": {"points": whole["earn"]["points"], "per_minor": whole["earn"]["per_minor"]},
        "worth": {"points": whole["worth"]["points"], "minor": whole["worth"]["minor"]},
        "waiting": {"days": whole["waiting"]["days"], "after": whole["waiting"]["after"]},
        "expiry_months": whole["expiry_months"],
        "short": whole["short"],
        "bonuses": {
            "order": {"from_minor": order["from_minor"], "points": order["points"]} if order else None,
            "first_order": bonuses.get("first_order"),
        },
        "order_max": whole["order_max"],
        "multipliers": [_multiplier(row) for row in whole["multipliers"]],
        "tiers": tiers
        and {
            "by": tiers["by"],
            "period": tiers["period"],
            "grace_days": tiers["grace_days"],
            "hold_days": tiers["hold_days"],
            "protect_until": tiers.get("protect_until"),
            "levels": [_level(row) for row in tiers["levels"]],
        },
    }


def _multiplier(row: MultiplierDocument) -> MultiplierDocument:
    return {
        "key": row["key"],
        "label": row["label"],
        "name": row["name"],
        "percent": row["percent"],
        "from": row.get("from"),
        "until": row.get("until"),
    }


def _level(row: LevelDocument) -> LevelDocument:
    return {"key": row["key"], "name": row["name"], "from": row["from"], "percent": row["percent"]}


def document_warnings(document: Document, margin_percent: int | None = None) -> list[DocumentWarning]:
    """What a merchant with this margin, if it is known, should know of a sound document before they publish it."""
    warnings = []
    for one, other in combinations(document["multipliers"], 2):
        if one["label"] == other["label"] and _overlap(one, other):
            together = one["percent"] * other["percent"] // 100
            warnings.append(DocumentWarning("counted_twice", (one["name"],), together))
    levels = document["tiers"]["levels"] if document["tiers"] else []
    top = max(levels, key=lambda level: level["percent"], default=None)
    back = given_back(document) * (top["percent"] if top else 100)
    percent, names = float(back), (top["name"],) if top else ()
    if back > 100:
        warnings.append(DocumentWarning("tier_gives_back_too_much", names, percent))
    elif margin_percent is not None and back > margin_percent:
        warnings.append(DocumentWarning("gives_back_over_margin", names, percent, margin_percent))
    return warnings


def _overlap(one: MultiplierDocument, other: MultiplierDocument) -> bool:
    def begins_in_time(first: MultiplierDocument, second: MultiplierDocument) -> bool:
        starts, until = first["from"], second["until"]
        return not starts or not until or dt.datetime.fromisoformat(starts) < dt.datetime.fromisoformat(until)

    return begins_in_time(one, other) and begins_in_time(other, one)
