"""Generated members and programmes as the oracle's plain dicts, and how they look as facts and as mapped rows.

A history is a dict of lists:

    orders         {"id", "at", "paid", "paid_at" | None, "fulfilled_at" | None, "cancelled_at" | None, "test",
                    "currency", "lines": [{"id", "quantity", "removed", "net", "gift_card", "labels"}],
                    "refunds": [{"id", "at", "lines": {line id: quantity}, "unlined"}]}
    adjustments    {"id", "at", "points", "counts", "expires_at" | None}
    spendings      {"id", "at", "points", "undone_at" | None, "held"}
    tier_moves     {"id", "at", "level": a key, "" for no tier, None for automatic, "until" | None}
    announcements  {"subject", "at"}

`removed` pieces were taken off by an edit. A programme is {"versions": [{"number", "from", "rules": a document}],
"earn_from", "backfills": [{"from", "version", "decided_at"}], "currency", "timezone"}. Instants are UTC.
"""

from __future__ import annotations

import datetime as dt
import functools
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

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
END = START + dt.timedelta(days=100)
NEVER = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)

ZONES = ("UTC", "America/Sao_Paulo", "Europe/Berlin", "Asia/Taipei", "America/New_York")
LABELS = ("product:1", "tag:tea", "collection:9")
LEVELS = ("bronze", "silver", "gold")
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


instants = st.integers(0, 99).map(day)


@functools.cache
def _among(choices: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(choices)


def pick(draw: st.DrawFn, *choices: Any) -> Any:
    return draw(_among(choices))


def rarely(draw: st.DrawFn) -> bool:
    return draw(_among((False,) * 9 + (True,)))  # type: ignore[no-any-return]


# --- members ----------------------------------------------------------------------------------------------------------


@st.composite
def order_histories(draw: st.DrawFn, id_: int, moments: st.SearchStrategy[dt.datetime] = instants) -> Plain:
    """An order of which neither payment nor fulfilment is known by instant."""
    lines = []
    for position in range(pick(draw, 1, 1, 1, 2, 3, 0)):
        quantity = pick(draw, 1, 1, 2, 3)
        line = {"id": id_ * 100 + position, "quantity": quantity, "removed": pick(draw, 0, 0, 0, 0, 1, quantity)}
        line |= {"net": pick(draw, 500, 1000, 2000, 333, 250, 0), "gift_card": rarely(draw)}
        lines.append(line | {"labels": pick(draw, (), LABELS[:1], LABELS[1:])})
    left = {line["id"]: line["quantity"] - line["removed"] for line in lines}
    at = draw(moments)
    refunds: list[Plain] = []
    for position in range(pick(draw, 0, 0, 1, 1, 2, 3)):
        whole = pick(draw, True, False)
        returned = {id_: pieces if whole else draw(st.integers(0, pieces)) for id_, pieces in left.items() if pieces}
        left = {id_: pieces - returned.get(id_, 0) for id_, pieces in left.items()}
        refund = {"id": id_ * 100 + 50 + position, "at": _after(draw, at, moments)}
        refund["lines"] = {id_: pieces for id_, pieces in returned.items() if pieces}
        refunds.append(refund | {"unlined": pick(draw, 0, 0, 0, 1, 100, 12_345)})
    return {
        "id": id_,
        "at": at,
        "paid": not rarely(draw),
        "paid_at": None,
        "fulfilled_at": None,
        "test": rarely(draw),
        "currency": "EUR" if rarely(draw) else "USD",
        "cancelled_at": _after(draw, at, moments) if rarely(draw) else None,
        "lines": lines,
        "refunds": refunds,
    }


def _after(draw: st.DrawFn, at: dt.datetime, moments: st.SearchStrategy[dt.datetime]) -> dt.datetime:
    """An instant that is seldom before `at`."""
    instant: dt.datetime = draw(moments)
    return instant if instant >= at or rarely(draw) else at + dt.timedelta(days=pick(draw, 0, 1, 20, 70))


@st.composite
def histories(draw: st.DrawFn) -> list[Plain]:
    """A few orders."""
    return [draw(order_histories(id_)) for id_ in range(1, draw(st.integers(1, 5)) + 1)]


def member(orders: list[Plain], **others: list[Plain]) -> Plain:
    """A history in which only these things happened."""
    return {"orders": orders, "adjustments": [], "spendings": [], "tier_moves": [], "announcements": []} | others


@st.composite
def _members(draw: st.DrawFn, moments: st.SearchStrategy[dt.datetime]) -> Plain:
    """A member to whom nothing was announced."""
    orders = [draw(order_histories(id_, moments)) for id_ in range(1, pick(draw, 0, 1, 2, 2, 3, 3, 4, 6) + 1)]
    for order in orders:
        for known in ("paid_at", "fulfilled_at"):
            order[known] = max(order["at"], draw(moments)) if pick(draw, True, False) else order["at"]
        order["paid_at"] = order["paid_at"] if pick(draw, True, False) else None
        order["fulfilled_at"] = None if rarely(draw) else order["fulfilled_at"]
    spendings, adjustments, tier_moves = [], [], []
    for id_ in range(1, pick(draw, 0, 1, 1, 2, 3) + 1):
        at, points = draw(moments), pick(draw, 10, 30, 50, 100, 200)
        undone_at = max(at, draw(moments)) if pick(draw, True, True, False) else None
        spendings.append({"id": id_, "at": at, "points": points, "undone_at": undone_at, "held": rarely(draw)})
    for id_ in range(1, pick(draw, 0, 0, 1, 2) + 1):
        at, points, counts = draw(moments), pick(draw, 5, 30, 100, -10, -60), pick(draw, True, False)
        expires_at = at + dt.timedelta(days=pick(draw, 1, 30, 400)) if pick(draw, True, False) else None
        adjustments.append({"id": id_, "at": at, "points": points, "counts": counts, "expires_at": expires_at})
    for id_ in range(1, pick(draw, 0, 0, 0, 1, 2, 3) + 1):
        at, until = draw(moments), draw(moments) if pick(draw, True, False) else None
        level = pick(draw, *LEVELS, *LEVELS, "", None, "platinum")
        tier_moves.append({"id": id_, "at": at, "level": level, "until": until if until and until > at else None})
    return member(orders, adjustments=adjustments, spendings=spendings, tier_moves=tier_moves)


# --- programmes -------------------------------------------------------------------------------------------------------


@st.composite
def documents(draw: st.DrawFn, moments: st.SearchStrategy[dt.datetime]) -> Plain:
    """Rules of every kind, with figures that orders often reach."""
    points, per_minor = pick(draw, (1, 10), (1, 10), (1, 100), (3, 7))
    multipliers = []
    for number in range(pick(draw, 0, 0, 1, 2)):
        span = sorted([draw(moments), draw(moments)]) if pick(draw, True, False) else []
        start, end = [instant.isoformat() for instant in span] or [None, None]
        rule = {"key": f"m{number}", "label": pick(draw, *LABELS), "name": "", "percent": pick(draw, 50, 150, 200, 300)}
        multipliers.append(rule | {"from": start, "until": end})
    return {
        "earn": {"points": points, "per_minor": per_minor},
        "worth": {"points": 100, "minor": 500},
        "waiting": {"days": pick(draw, 0, 0, 1, 14), "after": pick(draw, "payment", "payment", "fulfilment")},
        "expiry_months": pick(draw, None, 1, 1, 3, 12),
        "short": pick(draw, "owed", "floored"),
        "bonuses": {
            "order": {"from_minor": 500, "points": 15} if pick(draw, True, False, False) else None,
            "first_order": pick(draw, None, 25),
        },
        "order_max": pick(draw, None, None, 60),
        "multipliers": multipliers,
        "tiers": draw(_tiers(moments)) if pick(draw, True, True, True, False) else None,
    }


@st.composite
def _tiers(draw: st.DrawFn, moments: st.SearchStrategy[dt.datetime]) -> Plain:
    by = pick(draw, "spend", "points", "orders")
    ladders = {
        "spend": ((1, 500), (300, 700), (1000, 500)),
        "points": ((1, 20), (10, 30), (50, 50)),
        "orders": ((1, 1),),
    }
    first, step = pick(draw, *ladders[by])
    keys = pick(draw, LEVELS, LEVELS, LEVELS[:2], LEVELS[1:], LEVELS[::2], LEVELS[:1], ("silver", "bronze"))
    return {
        "by": by,
        "period": pick(draw, "lifetime", "rolling_year", "calendar_year", "anniversary"),
        "grace_days": pick(draw, 0, 0, 1, 30),
        "hold_days": pick(draw, 0, 0, 30, 365),
        "protect_until": draw(moments).isoformat() if rarely(draw) else None,
        "levels": [
            {"key": key, "name": key.title(), "from": first + place * step, "percent": pick(draw, 100, 110, 150, 200)}
            for place, key in enumerate(keys)
        ],
    }


@st.composite
def _programmes(draw: st.DrawFn, zone: ZoneInfo, moments: st.SearchStrategy[dt.datetime]) -> Plain:
    starts = sorted({draw(moments) for _ in range(pick(draw, 1, 1, 2, 3))})
    backfills = [
        {
            "from": min(draw(moments), starts[0]),
            "version": pick(draw, *range(1, len(starts) + 1)),
            "decided_at": decided,
        }
        for decided in sorted({draw(moments) for _ in range(pick(draw, 0, 0, 1, 2))})
    ]
    return {
        "versions": [
            {"number": number, "from": start, "rules": draw(documents(moments))}
            for number, start in enumerate(starts, 1)
        ],
        "earn_from": pick(draw, _on_the_wall(zone, 0), starts[0]),
        "backfills": backfills,
        "currency": "USD",
        "timezone": zone.key,
    }


@st.composite
def programmes(draw: st.DrawFn) -> Plain:
    """Versions with nothing but a rate."""
    starts = sorted(draw(st.sets(instants, min_size=1, max_size=4)))
    versions = [(at, draw(st.integers(1, 7)), pick(draw, 1, 7, 100, 250)) for at in starts]
    return rated(versions, pick(draw, START, starts[0]))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Plain, Plain, dt.datetime]:
    """A member, a programme and an instant: everything there is, on days on which things meet."""
    zone = ZoneInfo(pick(draw, *ZONES))
    days = [pick(draw, *TURNS), pick(draw, *TURNS), draw(st.integers(0, 3 * 365))]
    moments = st.sampled_from([_on_the_wall(zone, 2 * day + step) for day in days for step in STEPS])
    history, programme = draw(_members(moments)), draw(_programmes(zone, moments))
    for _ in range(2):  # what was announced makes more to announce
        announced = {announcement["subject"] for announcement in history["announcements"]}
        open_ = [one for one in oracle(history, programme, AFTER_ALL)["announceable"] if one[1] not in announced]
        for due, subject in draw(st.lists(st.sampled_from(open_), max_size=6, unique=True)) if open_ else ():
            for days_before in pick(draw, (30, 7), (7,), (30,), (0,), (7, 0), (30, 1), (-20,), (6.5,), (370,)):
                announcement = {"subject": subject, "at": due - dt.timedelta(days=days_before)}
                history["announcements"].append(announcement)
    return history, programme, pick(draw, AFTER_ALL, AFTER_ALL, draw(moments))


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
