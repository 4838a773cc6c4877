"""Reads what is known about members into the facts the rules judge. A fixed number of look-ups, whatever the number of
members and orders.

A customer the platform merged away has no facts of their own any more: they are the survivor's.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from loyalty import sql
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
from loyalty.rules.statement import REVISION
from retention_app.labels import of_product
from retention_app.models import Shop
from retention_app.selectors import Label, labels_of
from retention_app.tenancy import current_shop_id

_TABLES = {  # facts beside orders: what their rows are recognised by, and which rows are facts
    "adjustment": ("t.id", ""),
    "tiermove": ("t.id", ""),
    "spending": (
        "t.id || ':' || t.state || coalesce(':' || t.undone_at, '')",
        " AND t.state NOT IN ('asked', 'refused')",
    ),
    "announcement": ("t.id", ""),
}
_CLAIM = "claim:"  # a customer's first sign-in; of those who were merged, the earliest counts
_SIGNED_IN = (
    "(SELECT id AS customer_id, shop_id, signed_in_at FROM retention_app_customer WHERE signed_in_at IS NOT NULL)"
)


def keepers(customer_ids: Iterable[int]) -> dict[int, int]:
    """Who keeps the facts of these customers, of those they were merged into, and of all who were merged with them: the
    survivor, or they themselves."""
    parties = "t.id, coalesce(t.merged_into_id, t.id)"
    own = dict(sql.look_up(parties, "retention_app_customer", "id", customer_ids))
    merged = dict(sql.look_up(parties, "retention_app_customer", "merged_into_id", set(own.values())))
    return {keeper: keeper for keeper in own.values()} | own | merged


class Late(NamedTuple):
    """The orders that began after an instant (the platform's ids), and what all facts since are recognised by."""

    since: dt.datetime
    orders: list[int]
    states: set[str]


def members_states(kept_by: Mapping[int, int]) -> dict[int, list[str]]:
    """What the facts of each customer who has any are recognised by: equal lists, equal facts. `kept_by` is `keepers`'
    answer. One look-up."""
    states: dict[int, list[str]] = defaultdict(list)
    claims = (f"t.customer_id, '{_CLAIM}' || t.signed_in_at, NULL", _SIGNED_IN, "")
    for customer_id, state, _ in sql.look_up_all([*_states(), claims], "customer_id", kept_by):
        states[kept_by[customer_id]].append(state)
    return {customer_id: sorted(of_customer) for customer_id, of_customer in states.items()}


def tell_more_than_a_claim(states: Iterable[str]) -> bool:
    """Whether these facts are something to judge a customer by whom the programme hasn't seen: more than a claim."""
    return not all(state.startswith(_CLAIM) for state in states)


def states_after(since: dt.datetime, customer_ids: Iterable[int]) -> Late:
    """Which of these customers' facts began after an instant. One look-up."""
    found = sql.look_up_all(_states(f" > '{sql.stored(since)}'"), "customer_id", customer_ids)
    return Late(
        since,
        orders=[order_id for _, _, order_id in found if order_id is not None],
        states={state for _, state, _ in found},
    )


def _states(when: str = "") -> list[tuple[str, str, str]]:
    """Look-ups of (customer, state, order's Shopify id) of facts; `when` compares the instants at which they began."""

    def then(only: str, instant: str) -> str:
        return f"{only} AND {instant}{when}" if when else only

    orders = ("t.customer_id, t.shopify_id || ':' || t.digest, t.shopify_id", "retention_app_order")
    return [
        (*orders, then("", "t.processed_at")),
        *(
            (f"t.customer_id, '{table}:' || {state}, NULL", f"loyalty_{table}", then(only, "t.at"))
            for table, (state, only) in _TABLES.items()
        ),
    ]


def fingerprint(programme: Programme, states: Iterable[str]) -> str:
    """What these facts under a programme are recognised by."""
    rules = (
        f"revision {REVISION}, versions {[version.number for version in programme.versions]},"
        f" {programme.currency}, {programme.timezone}, {len(programme.backfills)} back-fills"
    )
    told = "\n".join([rules, *states])
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def members_facts(
    customer_ids: Iterable[int],
    kept_by: Mapping[int, int] | None = None,
    states: Iterable[Iterable[str]] | None = None,
    late: Mapping[int, Late] | None = None,
) -> dict[int, MemberFacts]:
    """All that is known about these customers, by the mirror's id; of those in `late` no more than it names.

    Who knows them already hands in what `keepers` answers, and their states: what those don't name isn't looked up.
    """
    ids, late = list(customer_ids), late or {}
    kept_by = keepers(ids) if kept_by is None else kept_by
    named = set(_TABLES)
    if states is not None:
        named = {state.partition(":")[0] for of_one in states for state in of_one}
    orders = orders_of_customers(id_ for id_ in ids if id_ not in late)
    for customer_id, one in late.items():
        orders[customer_id] = [order for _, _, order in _orders("shopify_id", one.orders)]

    def rows(table: str, columns: str) -> dict[int, list[Any]]:
        return _of_keepers(kept_by, table, columns) if table in named else {}

    adjustments = rows("adjustment", "t.at, t.points, t.counts, t.expires_at")
    moves = rows("tiermove", "t.at, t.level, t.until")
    spendings = rows("spending", "t.at, t.points, t.state, t.undone_at")
    announcements = rows("announcement", "t.subject, t.at")
    claims = _claims(kept_by)
    found = {
        customer_id: MemberFacts(
            orders=tuple(orders.get(customer_id, ())),
            adjustments=tuple(
                AdjustmentFact(
                    id=id_,
                    at=sql.instant(at),
                    points=points,
                    counts=bool(counts),
                    expires_at=sql.instant_if_any(expires_at),
                )
                for id_, at, points, counts, expires_at in adjustments.get(customer_id, ())
            ),
            tier_moves=tuple(
                TierMoveFact(id=id_, at=sql.instant(at), level=level, until=sql.instant_if_any(until))
                for id_, at, level, until in moves.get(customer_id, ())
            ),
            spendings=tuple(
                SpendingFact(
                    id=id_,
                    at=sql.instant(at),
                    points=points,
                    held=state in ("held", "released"),
                    undone_at=sql.instant_if_any(undone_at),
                )
                for id_, at, points, state, undone_at in spendings.get(customer_id, ())
            ),
            announcements=_by_subject(announcements.get(customer_id, ())),
            claimed_at=claims.get(customer_id),
        )
        for customer_id in ids
    }
    return found | {customer_id: found[customer_id].after(one.since) for customer_id, one in late.items()}


def _of_keepers(kept_by: Mapping[int, int], table: str, columns: str) -> dict[int, list[Any]]:
    """The rows of a table of facts by the customer they belong to, oldest first; each begins with its id."""
    found: dict[int, list[Any]] = defaultdict(list)
    _, only = _TABLES[table]
    for customer_id, *row in sorted(
        sql.look_up(f"t.customer_id, t.id, {columns}", f"loyalty_{table}", "customer_id", kept_by, only),
        key=lambda row: row[1],
    ):
        found[kept_by[customer_id]].append(row)
    return found


def _claims(kept_by: Mapping[int, int]) -> dict[int, dt.datetime]:
    """When each customer's e-mail first signed in, or one of those they were merged with."""
    claims: dict[int, dt.datetime] = {}
    for customer_id, signed_in_at in sql.look_up("t.customer_id, t.signed_in_at", _SIGNED_IN, "customer_id", kept_by):
        at, keeper = sql.instant(signed_in_at), kept_by[customer_id]
        claims[keeper] = min(at, claims.get(keeper, at))
    return claims


def _by_subject(announcements: Iterable[Any]) -> dict[str, tuple[dt.datetime, ...]]:
    by_subject: dict[str, tuple[dt.datetime, ...]] = {}
    for _, subject, at in announcements:
        by_subject[subject] = (*by_subject.get(subject, ()), sql.instant(at))
    return by_subject


def orders_of_customers(customer_ids: Iterable[int]) -> dict[int, list[OrderFact]]:
    """All orders of these customers as facts, by customer (the mirror's ids)."""
    orders: dict[int, list[OrderFact]] = defaultdict(list)
    for customer_id, _, order in _orders("customer_id", customer_ids):
        assert customer_id is not None
        orders[customer_id].append(order)
    return orders


def orders_by_id(order_ids: Iterable[int]) -> dict[int, OrderFact]:
    """These orders as facts, by the mirror's id."""
    return {order_id: order for _, order_id, order in _orders("id", order_ids)}


def _orders(
    column: Literal["customer_id", "id", "shopify_id"], ids: Iterable[int]
) -> list[tuple[int | None, int, OrderFact]]:
    """(customer, order, facts) of the orders whose column is one of the ids."""
    found = sql.look_up(
        "t.customer_id, t.id, t.shopify_id, t.name, t.currency, t.paid, t.test,"
        " t.processed_at, t.cancelled_at, t.paid_at, t.fulfilled_at",
        "retention_app_order",
        column,
        ids,
    )
    instants = {row[1]: sql.instant(row[7]) for row in found}
    lines, refunds = _lines(instants), _refunds(instants)
    return [
        (
            customer_id,
            order_id,
            OrderFact(
                id=shopify_id,
                name=name,
                processed_at=instants[order_id],
                currency=currency,
                paid=bool(paid),
                paid_at=sql.instant_if_any(paid_at),
                fulfilled_at=sql.instant_if_any(fulfilled_at),
                test=bool(test),
                cancelled_at=sql.instant_if_any(cancelled_at),
                lines=tuple(lines.get(order_id, ())),
                refunds=tuple(refunds.get(order_id, ())),
            ),
        )
        for (
            customer_id,
            order_id,
            shopify_id,
            name,
            currency,
            paid,
            test,
            _,
            cancelled_at,
            paid_at,
            fulfilled_at,
        ) in found
    ]


def _lines(orders: Mapping[int, dt.datetime]) -> dict[int, list[LineFact]]:
    """The lines of orders (with their instants), in the order they were placed in."""
    found = sql.look_up(
        "t.order_id, t.shopify_id, t.product_shopify_id, t.title, t.quantity, t.current_quantity, t.net_minor,"
        " t.gift_card",
        "retention_app_orderline",
        "order_id",
        orders,
    )
    labels = labels_of({row[2] for row in found if row[2] is not None})
    lines: dict[int, list[LineFact]] = defaultdict(list)
    for order_id, shopify_id, product_id, title, quantity, current_quantity, net_minor, gift_card in sorted(
        found, key=lambda row: row[:2]
    ):
        lines[order_id].append(
            LineFact(
                id=shopify_id,
                title=title,
                quantity=quantity,
                current_quantity=current_quantity,
                net_minor=net_minor,
                gift_card=bool(gift_card),
                labels=labels_at(orders[order_id], product_id, labels),
            )
        )
    return lines


def labels_at(instant: dt.datetime, product_id: int | None, labels: Mapping[int, Sequence[Label]]) -> frozenset[str]:
    """What a product was called at an instant, its own id included."""
    if product_id is None:
        return frozenset()
    called = {
        label
        for label, since, until in labels[product_id]
        if (since is None or since <= instant) and (until is None or instant < until)
    }
    return frozenset({of_product(product_id), *called})


def _refunds(order_ids: Iterable[int]) -> dict[int, list[RefundFact]]:
    found = sql.look_up(
        "t.shopify_id, t.order_id, t.processed_at, t.unlined_minor, t.id", "retention_app_refund", "order_id", order_ids
    )
    pieces: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for refund_id, line_shopify_id, quantity in sql.look_up(
        "t.refund_id, t.line_shopify_id, t.quantity",
        "retention_app_refundline",
        "refund_id",
        (row[-1] for row in found),
    ):
        pieces[refund_id].append((line_shopify_id, quantity))
    refunds: dict[int, list[RefundFact]] = defaultdict(list)
    for shopify_id, order_id, processed_at, unlined_minor, refund_id in sorted(found):
        refunds[order_id].append(
            RefundFact(
                id=shopify_id,
                processed_at=sql.instant(processed_at),
                lines=tuple(sorted(pieces.get(refund_id, ()))),
                unlined_minor=unlined_minor,
            )
        )
    return refunds


def programme() -> Programme | None:
    """The programme of the shop in scope as the rules see it; None until version 1 is published. Two statements."""
    found = sql.rows(
        "SELECT v.number, v.effective_from, v.document, p.earn_from, s.currency, s.timezone"
        " FROM loyalty_programmeversion v CROSS JOIN loyalty_programme p CROSS JOIN retention_app_shop s"
        " WHERE v.shop_id = %s AND p.shop_id = v.shop_id AND s.id = v.shop_id"
        " AND NOT EXISTS (SELECT 1 FROM loyalty_programmewithdrawal w WHERE w.version_id = v.id) ORDER BY v.number",
        current_shop_id(),
    )
    if not found:
        return None
    backfills = sql.rows(
        "SELECT starts, version, decided_at FROM loyalty_backfill WHERE shop_id = %s ORDER BY id", current_shop_id()
    )
    *_, earn_from, currency, timezone = found[0]
    return Programme(
        versions=tuple(
            Version(number=number, effective_from=sql.instant(effective_from), document=completed(json.loads(document)))
            for number, effective_from, document, *_ in found
        ),
        earn_from=sql.instant(earn_from),
        currency=currency,
        timezone=timezone,
        backfills=tuple(
            Backfill(starts=sql.instant(starts), version=version, decided_at=sql.instant(decided_at))
            for starts, version, decided_at in backfills
        ),
    )


def shop_currency() -> str:
    return Shop.objects.values_list("currency", flat=True).get(id=current_shop_id())
