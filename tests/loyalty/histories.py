"""Generated members and programmes as the oracle's plain dicts, and how they look as facts and as mapped rows.

A history is a dict of lists:

    orders         {"id", "at", "paid", "paid_at" | None, "fulfilled_at" | None, "cancelled_at" | None, "test",
                    "currency", "lines": [{"id", "quantity", "removed", "net", "gift_card", "labels"}],
                    "refunds": [{"id", "at", "lines": {line id: quantity}, "unlined"}]}
    adjustments    {"id", "at", "points", "counts", "expires_at" | None}
    spendings      {"id", "at", "points", "undone_at" | None, "held"}
    tier_moves     {"id", "at", "level": a key, "" for no tier, None for automatic, "until" | None}
    announcements  {"subject", "at"}

and `claimed_at`, when the member's e-mail first signed in, or None. `removed` pieces were taken off by an edit. A
programme is {"versions": [{"number", "from", "rules": a document}], "earn_from", "backfills": [{"from", "version",
"decided_at"}], "currency", "timezone"}. Instants are UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from loyalty.rules.facts import (
    AdjustmentFact,
    LineFact,
    MemberFacts,
    OrderFact,
    RefundFact,
    SpendingFact,
    TierMoveFact,
)
from loyalty.rules.programme import Backfill, Programme, Version, completed
from tests.loyalty.oracle import oracle

Plain = dict[str, Any]
Moments = Sequence[dt.datetime]

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
END = START + dt.timedelta(days=100)
NEVER = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
LONG_AGO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

ZONES = ("UTC", "America/Sao_Paulo", "Europe/Berlin", "Asia/Taipei", "America/New_York")
LABELS = ("product:1", "tag:tea", "collection:9")
LEVELS = ("bronze", "silver", "gold")
BYTE = 256
PICKS = 400  # enough for most members, their programme and what is announced to them
FIRST_DAY = dt.date(2016, 1, 1)
AFTER_ALL = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
# Half days after which a thing happens that another is likely to be due, or to have happened, at.
STEPS = (0, 0, 0, 1, 2, 6, 14, 20, 28, 60, 62, 360, 720, 730, 732)
# Year ends, 29 February, and days on which clocks change: at midnight in São Paulo, at night in Berlin and New York.
TURNS = tuple(
    (dt.date(year, month, day) - FIRST_DAY).days
    for year, days in {
        2016: ((2, 21), (2, 29), (3, 27), (10, 16), (11, 6), (12, 31)),
        2017: ((1, 1), (2, 19), (2, 28), (3, 12), (3, 26), (10, 15), (10, 29), (12, 31)),
        2018: ((1, 1), (2, 28), (11, 4), (12, 31)),
    }.items()
    for month, day in days
)


def day(number: float) -> dt.datetime:
    return START + dt.timedelta(days=number)


DAYS = tuple(day(number) for number in range(100))
instants = st.sampled_from(DAYS)


class Pick:
    """Makes choices by bytes: one draw of Hypothesis stands for hundreds and shrinks towards the first choices."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def __call__(self, *choices: Any) -> Any:
        number = next(self._bytes, 0)
        if len(choices) > BYTE:
            number = number * BYTE + next(self._bytes, 0)
        return choices[number % len(choices)]

    def rarely(self) -> bool:
        return next(self._bytes, 0) > BYTE * 15 // 16


picks = st.binary(min_size=PICKS, max_size=PICKS).map(Pick)


# --- members ----------------------------------------------------------------------------------------------------------


def _order(pick: Pick, id_: int, moments: Moments) -> Plain:
    """An order of which neither payment nor fulfilment is known by instant."""
    lines = []
    for position in range(pick(1, 1, 1, 1, 2, 2, 3, 0)):
        quantity = pick(1, 1, 2, 3)
        line = {"id": id_ * 100 + position, "quantity": quantity, "removed": pick(0, 0, 0, 0, 0, 0, 0, 1, quantity)}
        line |= {"net": pick(500, 1000, 2000, 333, 250, 700, 499, 100, 0), "gift_card": pick.rarely()}
        lines.append(line | {"labels": pick((), LABELS[:1], LABELS[1:])})
    left = {line["id"]: line["quantity"] - line["removed"] for line in lines}
    at = pick(*moments)
    refunds: list[Plain] = []
    for position in range(pick(0, 0, 1, 1, 2, 3)):
        whole = pick(True, False)
        returned = {id_: pieces if whole else pick(*range(pieces + 1)) for id_, pieces in left.items() if pieces}
        left = {id_: pieces - returned.get(id_, 0) for id_, pieces in left.items()}
        refund = {"id": id_ * 100 + 50 + position, "at": _after(pick, at, moments)}
        refund["lines"] = {id_: pieces for id_, pieces in returned.items() if pieces}
        refunds.append(refund | {"unlined": pick(0, 0, 0, 1, 100, 12_345)})
    return {
        "id": id_,
        "at": at,
        "paid": not pick.rarely(),
        "paid_at": None,
        "fulfilled_at": None,
        "test": pick.rarely(),
        "currency": "EUR" if pick.rarely() else "USD",
        "cancelled_at": pick(None, None, None, None, None, _after(pick, at, moments)),
        "lines": lines,
        "refunds": refunds,
    }


def _after(pick: Pick, at: dt.datetime, moments: Moments) -> dt.datetime:
    """An instant that is seldom before `at`."""
    instant: dt.datetime = pick(*moments)
    return instant if instant >= at or pick.rarely() else at + dt.timedelta(days=pick(0, 1, 20, 70))


@st.composite
def order_histories(draw: st.DrawFn, id_: int) -> Plain:
    return _order(draw(picks), id_, DAYS)


@st.composite
def histories(draw: st.DrawFn) -> list[Plain]:
    """A few orders."""
    pick = draw(picks)
    return [_order(pick, id_, DAYS) for id_ in range(1, pick(1, 2, 3, 4, 5) + 1)]


def member(orders: list[Plain], claimed_at: dt.datetime | None = LONG_AGO, **others: list[Plain]) -> Plain:
    """A history in which only these things happened."""
    facts = {"orders": orders, "adjustments": [], "spendings": [], "tier_moves": [], "announcements": []} | others
    return facts | {"claimed_at": claimed_at}


def _member(pick: Pick, moments: Moments) -> Plain:
    """A member to whom nothing was announced."""
    orders = [_order(pick, id_, moments) for id_ in range(1, pick(0, 1, 2, 2, 3, 3, 4, 6) + 1)]
    for order in orders:
        for known in ("paid_at", "fulfilled_at"):
            order[known] = max(order["at"], pick(*moments)) if pick(True, False) else order["at"]
        order["paid_at"] = order["paid_at"] if pick(True, False) else None
        order["fulfilled_at"] = None if pick.rarely() else order["fulfilled_at"]
    spendings, adjustments, tier_moves = [], [], []
    for id_ in range(1, pick(0, 1, 1, 2, 3) + 1):
        earned = pick(*orders)["at"] if orders else moments[0]
        at, points = _after(pick, earned, moments), pick(30, 50, 100, 200)
        undone_at = max(at, _after(pick, at, moments)) if pick(True, True, False) else None
        spendings.append({"id": id_, "at": at, "points": points, "undone_at": undone_at, "held": pick.rarely()})
    for id_ in range(1, pick(0, 0, 1, 2) + 1):
        at, points, counts = pick(*moments), pick(5, 30, 100, -10, -60), pick(True, False)
        expires_at = at + dt.timedelta(days=pick(1, 30, 400)) if pick(True, False) else None
        adjustments.append({"id": id_, "at": at, "points": points, "counts": counts, "expires_at": expires_at})
    for id_ in range(1, pick(0, 0, 0, 1, 2, 3) + 1):
        at, until = pick(*moments), pick(*moments) if pick(True, False) else None
        level = pick(*LEVELS, *LEVELS, "", None, "platinum")
        tier_moves.append({"id": id_, "at": at, "level": level, "until": until if until and until > at else None})
    claimed_at = pick(LONG_AGO, LONG_AGO, LONG_AGO, pick(*moments), pick(*moments), None)
    return member(orders, claimed_at, adjustments=adjustments, spendings=spendings, tier_moves=tier_moves)


# --- programmes -------------------------------------------------------------------------------------------------------


def _document(pick: Pick, moments: Moments) -> Plain:
    """Rules of every kind, with figures that orders often reach."""
    points, per_minor = pick((1, 10), (1, 10), (1, 100), (3, 7))
    multipliers = []
    for number in range(pick(0, 0, 1, 2)):
        span = sorted([pick(*moments), pick(*moments)]) if pick(True, False) else []
        start, end = [instant.isoformat() for instant in span] or [None, None]
        rule = {"key": f"m{number}", "label": pick(*LABELS), "name": "", "percent": pick(50, 150, 200, 300)}
        multipliers.append(rule | {"from": start, "until": end})
    return {
        "earn": {"points": points, "per_minor": per_minor},
        "worth": {"points": 100, "minor": 500},
        "waiting": {"days": pick(0, 0, 1, 14), "after": pick("payment", "payment", "fulfilment")},
        "expiry_months": pick(None, 1, 1, 3, 12),
        "short": pick("owed", "floored", "floored"),
        "bonuses": {
            "order": {"from_minor": 500, "points": 15} if pick(True, False, False) else None,
            "first_order": pick(None, 25),
        },
        "order_max": pick(None, None, 60),
        "multipliers": multipliers,
        "tiers": _tiers(pick, moments) if pick(True, True, True, False) else None,
    }


def _tiers(pick: Pick, moments: Moments) -> Plain:
    by = pick("spend", "points", "orders")
    ladders = {
        "spend": ((1, 500), (300, 700), (1000, 500)),
        "points": ((1, 20), (10, 30), (50, 50)),
        "orders": ((1, 1),),
    }
    first, step = pick(*ladders[by])
    keys = pick(LEVELS, LEVELS, LEVELS[:2], LEVELS[1:], LEVELS[::2], LEVELS[:1], ("silver", "bronze"))
    return {
        "by": by,
        "period": pick("lifetime", "rolling_year", "calendar_year", "anniversary"),
        "grace_days": pick(0, 0, 1, 30),
        "hold_days": pick(0, 0, 30, 365),
        "protect_until": pick(*moments).isoformat() if pick.rarely() else None,
        "levels": [
            {"key": key, "name": key.title(), "from": first + place * step, "percent": pick(100, 110, 150, 200)}
            for place, key in enumerate(keys)
        ],
    }


def _programme(pick: Pick, zone: ZoneInfo, moments: Moments) -> Plain:
    starts = sorted({pick(*moments) for _ in range(pick(1, 1, 2, 3))})
    backfills = [
        {
            "from": min(pick(*moments), starts[0]),
            "version": pick(*range(1, len(starts) + 1)),
            "decided_at": decided,
        }
        for decided in sorted({pick(*moments) for _ in range(pick(0, 0, 1, 2))})
    ]
    return {
        "versions": [
            {"number": number, "from": start, "rules": _document(pick, moments)}
            for number, start in enumerate(starts, 1)
        ],
        "earn_from": pick(_on_the_wall(zone, 0), _on_the_wall(zone, 0), starts[0]),
        "backfills": backfills,
        "currency": "USD",
        "timezone": zone.key,
    }


@st.composite
def programmes(draw: st.DrawFn) -> Plain:
    """Versions with nothing but a rate."""
    starts = sorted(draw(st.sets(instants, min_size=1, max_size=4)))
    versions = [(at, draw(st.integers(1, 7)), draw(st.sampled_from([1, 7, 100, 250]))) for at in starts]
    return rated(versions, draw(st.sampled_from([START, starts[0]])))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Plain, Plain, dt.datetime]:
    """A member, a programme and an instant: everything there is, on days on which things meet."""
    pick = draw(picks)
    zone = ZoneInfo(pick(*ZONES))
    days = [pick(*TURNS), pick(*TURNS), pick(*range(3 * 365))]
    moments = [_on_the_wall(zone, 2 * day + step) for day in days for step in STEPS]
    history, programme = _member(pick, moments), _programme(pick, zone, moments)
    for _ in range(2):  # what was announced makes more to announce
        announced = {announcement["subject"] for announcement in history["announcements"]}
        for due, subject in oracle(history, programme, AFTER_ALL)["announceable"]:
            if subject not in announced:
                days_before = pick((), (), (7,), (30, 7), (30,), (0,), (7, 0), (30, 1), (-20,), (6.5,), (370,))
                ats = [due - dt.timedelta(days=days) for days in days_before]
                history["announcements"] += [{"subject": subject, "at": at} for at in ats]
    return history, programme, pick(AFTER_ALL, AFTER_ALL, AFTER_ALL, pick(*moments))


def _on_the_wall(zone: ZoneInfo, half_days: int) -> dt.datetime:
    """Midnight or noon, so many half days after the first day began."""
    day = FIRST_DAY + dt.timedelta(days=half_days // 2)
    return dt.datetime.combine(day, dt.time(12 * (half_days % 2)), zone).astimezone(dt.UTC)


# --- as the product sees them -----------------------------------------------------------------------------------------


def member_facts(history: Plain) -> MemberFacts:
    announcements: dict[str, tuple[dt.datetime, ...]] = {}
    for one in history["announcements"]:
        announcements[one["subject"]] = (*announcements.get(one["subject"], ()), one["at"])
    return MemberFacts(
        orders=tuple(order_fact(order) for order in history["orders"]),
        adjustments=tuple(AdjustmentFact(**adjustment) for adjustment in history["adjustments"]),
        spendings=tuple(SpendingFact(**spending) for spending in history["spendings"]),
        tier_moves=tuple(TierMoveFact(**move) for move in history["tier_moves"]),
        announcements=announcements,
        claimed_at=history["claimed_at"],
    )


def programme_of(plain: Plain) -> Programme:
    return Programme(
        versions=tuple(
            Version(number=one["number"], effective_from=one["from"], document=completed(one["rules"]))
            for one in plain["versions"]
        ),
        earn_from=plain["earn_from"],
        currency=plain["currency"],
        timezone=plain["timezone"],
        backfills=tuple(
            Backfill(starts=one["from"], version=one["version"], decided_at=one["decided_at"])
            for one in plain["backfills"]
        ),
    )


def order_fact(order: Plain) -> OrderFact:
    returned: dict[int, int] = {}
    for refund in order["refunds"]:
        for line_id, quantity in refund["lines"].items():
            returned[line_id] = returned.get(line_id, 0) + quantity
    return OrderFact(
        id=order["id"],
        name=f"#{order['id']}",
        processed_at=order["at"],
        currency=order["currency"],
        paid=order["paid"],
        paid_at=order["paid_at"],
        fulfilled_at=order["fulfilled_at"],
        test=order["test"],
        cancelled_at=order["cancelled_at"],
        lines=tuple(
            LineFact(
                id=line["id"],
                title=f"Thing {line['id']}",
                quantity=line["quantity"],
                current_quantity=line["quantity"] - line["removed"] - returned.get(line["id"], 0),
                net_minor=line["net"],
                gift_card=line["gift_card"],
                labels=frozenset(line["labels"]),
            )
            for line in order["lines"]
        ),
        refunds=tuple(
            RefundFact(
                id=refund["id"],
                processed_at=refund["at"],
                lines=tuple(refund["lines"].items()),
                unlined_minor=refund["unlined"],
            )
            for refund in order["refunds"]
        ),
    )


def order_row(order: dict[str, Any], *, customer: int, updated_at: dt.datetime) -> dict[str, Any]:
    """The order as `retention_app.mirror.orders_upsert` takes it."""
    fact = order_fact(order)
    return {
        "shopify_id": fact.id,
        "customer_shopify_id": customer,
        "name": fact.name,
        "currency": fact.currency,
        "processed_at": fact.processed_at,
        "created_at": fact.processed_at,
        "updated_at": updated_at,
        "cancelled_at": fact.cancelled_at,
        "test": fact.test,
        "financial_status": "PAID" if fact.paid else "PENDING",
        "paid": fact.paid,
        "paid_at": fact.paid_at,
        "fulfilled_at": fact.fulfilled_at,
        "discount_codes": [],
        "taxes_included": False,
        "total_minor": sum(line.net_minor for line in fact.lines),
        "refunded_minor": 0,
        "lines": [
            {
                "shopify_id": line.id,
                "product_shopify_id": None,
                "title": line.title,
                "sku": "",
                "quantity": line.quantity,
                "current_quantity": line.current_quantity,
                "gift_card": line.gift_card,
                "net_minor": line.net_minor,
            }
            for line in fact.lines
        ],
        "refunds": [
            {
                "shopify_id": refund.id,
                "processed_at": refund.processed_at,
                "total_minor": refund.unlined_minor,
                "unlined_minor": refund.unlined_minor,
                "lines": [
                    {"line_shopify_id": line_id, "quantity": quantity, "net_minor": 0}
                    for line_id, quantity in refund.lines
                ],
            }
            for refund in fact.refunds
        ],
        "transactions": [],
    }


def rules(points: int = 1, per_minor: int = 100) -> Plain:
    return {"earn": {"points": points, "per_minor": per_minor}, "worth": {"points": 100, "minor": 500}}


def rated(
    versions: list[tuple[dt.datetime, int, int]] | None = None,
    earn_from: dt.datetime = START,
    currency: str = "USD",
) -> Plain:
    """A programme whose versions, (from, points, per_minor), have nothing but a rate."""
    return {
        "versions": [
            {"number": number, "from": start, "rules": dict(completed(rules(points, per_minor)))}
            for number, (start, points, per_minor) in enumerate(versions or [(START, 1, 100)], 1)
        ],
        "earn_from": earn_from,
        "backfills": [],
        "currency": currency,
        "timezone": "UTC",
    }


def programme(
    versions: list[tuple[dt.datetime, int, int]] | None = None,
    earn_from: dt.datetime = START,
    currency: str = "USD",
) -> Programme:
    return programme_of(rated(versions, earn_from, currency))
