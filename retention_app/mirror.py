"""The one way into the mirror, for webhooks, imports and reconciliation alike.

Every function takes a batch of rows as `retention_app.shopify.mapping` makes them, runs inside the shop's scope and is
one short transaction of a fixed number of statements. A row never goes backwards: an older `updated_at` is ignored, an
equal one is decided by the read that began later (`read_at`). What really changed is told as events.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from django.db import connection, transaction

from retention_app import search, setwise, sign_ins
from retention_app.events import Fact, events_record
from retention_app.folding import number_of
from retention_app.models import Customer, DomainEvent, Order, Product, Refund
from retention_app.privacy import tombstones
from retention_app.tenancy import current_shop_id

_NEWER = (
    "(excluded.updated_at > {table}.updated_at"
    " OR (excluded.updated_at = {table}.updated_at AND excluded.read_at > {table}.read_at))"
)

_CUSTOMER: setwise.Columns = {
    "shopify_id": "bigint",
    "first_name": "text",
    "last_name": "text",
    "email": "text",
    "locale": "text",
    "account_state": "text",
    "verified_email": "boolean",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "read_at": "timestamptz",
}
_PRODUCT: setwise.Columns = {
    "shopify_id": "bigint",
    "title": "text",
    "handle": "text",
    "status": "text",
    "product_type": "text",
    "is_gift_card": "boolean",
    "updated_at": "timestamptz",
    "read_at": "timestamptz",
}
_ORDER: setwise.Columns = {
    "shopify_id": "bigint",
    "customer_shopify_id": "bigint",
    "name": "text",
    "number": "text",
    "currency": "text",
    "processed_at": "timestamptz",
    "created_at": "timestamptz",
    "updated_at": "timestamptz",
    "read_at": "timestamptz",
    "digest": "text",
    "cancelled_at": "timestamptz",
    "test": "boolean",
    "financial_status": "text",
    "paid": "boolean",
    "paid_at": "timestamptz",
    "fulfilled_at": "timestamptz",
    "taxes_included": "boolean",
    "total_minor": "bigint",
    "refunded_minor": "bigint",
}
_LINE: setwise.Columns = {
    "order_id": "bigint",
    "shopify_id": "bigint",
    "product_shopify_id": "bigint",
    "title": "text",
    "sku": "text",
    "quantity": "integer",
    "current_quantity": "integer",
    "gift_card": "boolean",
    "net_minor": "bigint",
}
_REFUND: setwise.Columns = {
    "order_id": "bigint",
    "shopify_id": "bigint",
    "processed_at": "timestamptz",
    "total_minor": "bigint",
    "unlined_minor": "bigint",
}
_REFUND_LINE: setwise.Columns = {
    "refund_shopify_id": "bigint",
    "line_shopify_id": "bigint",
    "quantity": "integer",
    "net_minor": "bigint",
}
_LABELS_STATE: setwise.Columns = {"shopify_id": "bigint", "changed_at": "timestamptz", "first": "boolean"}
_LABEL: setwise.Columns = {"shopify_id": "bigint", "label": "text"}
_DISCOUNT_CODE: setwise.Columns = {"order_id": "bigint", "code": "text"}
_TRANSACTION: setwise.Columns = {
    "order_id": "bigint",
    "shopify_id": "bigint",
    "kind": "text",
    "status": "text",
    "gateway": "text",
    "amount_minor": "bigint",
    "processed_at": "timestamptz",
}


def customers_upsert(rows: Iterable[dict[str, Any]], *, read_at: dt.datetime, origin: DomainEvent.Origin) -> list[int]:
    """Bring customers up to date; answers the Shopify ids that were written. A new one is told as an event, and so is
    one whose account was opened since; one who was erased is left out."""
    full = {row["shopify_id"]: {**row, "read_at": read_at} for row in rows}
    with transaction.atomic():
        for erased in tombstones.erased_for_writing(full):
            del full[erased]
        written = _upsert(
            "retention_app_customer",
            list(full.values()),
            _CUSTOMER,
            returning="id, shopify_id, signed_in_at = updated_at",
            begins_with={"orders_count": "0", "spent_minor": "0", "signed_in_at": sign_ins.of_new()},
            becomes={
                "gone_at": "NULL",
                "signed_in_at": sign_ins.of_known(),
                # Whoever changes after an order was given away is there: that was no merge.
                "orders_went_to_id": "CASE WHEN excluded.updated_at = retention_app_customer.updated_at"
                " THEN retention_app_customer.orders_went_to_id END",
            },
            only="retention_app_customer.merged_into_id IS NULL",  # a slow copy may still know one merged away
        )
        search.words_write({id_: _names(full[shopify_id]) for id_, shopify_id, _ in written})
        events_record(
            [
                fact
                for customer_id, shopify_id, signed_in in written
                for fact in _customer_facts(customer_id, full[shopify_id], bool(signed_in), origin)
            ],
            origin=origin,
        )
    return [shopify_id for _, shopify_id, _ in written]


def _customer_facts(customer_id: int, row: setwise.Row, signed_in: bool, origin: DomainEvent.Origin) -> list[Fact]:
    """What a written customer tells, each once. `signed_in`: that state may be the first with an account. An import
    doesn't tell whose account is as old as the customer."""
    registered = Fact(
        type="customer.registered",
        key=f"customer.registered:{row['shopify_id']}",
        subject_id=customer_id,
        customer_id=customer_id,
        occurred_at=row["created_at"],
    )
    if not signed_in or (origin == DomainEvent.Origin.BACKFILL and row["created_at"] == row["updated_at"]):
        return [registered]
    return [registered, sign_ins.fact(customer_id, row["shopify_id"], row["updated_at"])]


def _names(row: setwise.Row) -> tuple[str, str, str]:
    return row["first_name"], row["last_name"], row["email"]


def products_upsert(rows: Iterable[dict[str, Any]], *, read_at: dt.datetime, origin: DomainEvent.Origin) -> list[int]:
    """Bring products and their labels up to date; answers the Shopify ids that were written. Changed labels are told.

    The labels of a product's first state hold for all time before it. Others begin and end with the `updated_at` of the
    state that brings or lacks them, or, where the platform left that as it was, when the state was read.
    """
    full = {row["shopify_id"]: {**row, "read_at": read_at} for row in rows}
    with transaction.atomic():
        before = dict(Product.objects.filter(shopify_id__in=full).values_list("shopify_id", "updated_at"))
        written = _upsert(
            "retention_app_product",
            list(full.values()),
            _PRODUCT,
            returning="id, shopify_id, labels_from = read_at",
            begins_with={"labels_from": "read_at"},
            becomes={"labels_from": "coalesce(retention_app_product.labels_from, excluded.read_at)"},
        )
        states = {}
        for product_id, shopify_id, first in written:
            updated_at = full[shopify_id]["updated_at"]
            changed_at = read_at if before.get(shopify_id) == updated_at else updated_at
            states[shopify_id] = {"id": product_id, "shopify_id": shopify_id, "changed_at": changed_at, "first": first}
        labels = [{"shopify_id": id_, "label": label} for id_ in states for label in full[id_]["labels"]]
        labelled = _labels_write(list(states.values()), labels)
        events_record(
            [
                Fact(
                    type="product.labelled",
                    key=f"product.labelled:{shopify_id}:{state['changed_at'].isoformat()}",
                    subject_id=state["id"],
                    occurred_at=state["changed_at"],
                )
                for shopify_id, state in states.items()
                if shopify_id in labelled
            ],
            origin=origin,
        )
    return list(states)


def _labels_write(states: Sequence[setwise.Row], labels: Sequence[setwise.Row]) -> set[int]:
    """End the labels that written states of products lack, begin those they bring; answers whose labels changed."""
    if not states:
        return set()
    shop_id = current_shop_id()
    states_json, labels_json = setwise.rows_json(states, _LABELS_STATE), setwise.rows_json(labels, _LABEL)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE retention_app_productlabel SET until = s.changed_at FROM {setwise.rows_from(_LABELS_STATE, 's')}"
            " WHERE shop_id = %s AND product_shopify_id = s.shopify_id AND until IS NULL"
            f" AND (product_shopify_id, label) NOT IN (SELECT r.shopify_id, r.label FROM {setwise.rows_from(_LABEL)})"
            " RETURNING product_shopify_id",
            [states_json, shop_id, labels_json],
        )
        ended = {shopify_id for (shopify_id,) in cursor.fetchall()}
        cursor.execute(
            "INSERT INTO retention_app_productlabel (shop_id, product_shopify_id, label, since)"
            " SELECT %s, r.shopify_id, r.label, CASE WHEN s.first AND NOT EXISTS (SELECT 1"
            " FROM retention_app_productlabel k WHERE k.shop_id = %s AND k.product_shopify_id = r.shopify_id)"
            f" THEN NULL ELSE s.changed_at END FROM {setwise.rows_from(_LABEL)}"
            f" JOIN {setwise.rows_from(_LABELS_STATE, 's')} ON s.shopify_id = r.shopify_id WHERE true"
            " ON CONFLICT (shop_id, product_shopify_id, label) WHERE until IS NULL DO NOTHING"
            " RETURNING product_shopify_id",
            [shop_id, shop_id, labels_json, states_json],
        )
        return ended | {shopify_id for (shopify_id,) in cursor.fetchall()}


def orders_upsert(
    orders: Iterable[dict[str, Any]],
    *,
    read_at: dt.datetime,
    origin: DomainEvent.Origin,
    defer_events: bool = False,
) -> list[int]:
    """Bring whole orders (lines, refunds, transactions, codes) up to date; answers the Shopify ids that were written.

    Each written order is marked `event_due`; its facts are told in the same transaction, or, with `defer_events`, later
    by `due_events_tell`: an import writes all aggregates first and tells their facts in chronological order.
    An order whose customer isn't in the mirror is kept without one; one of a customer merged away is the survivor's,
    one of an erased customer stays with the row that keeps their orders, and one whose customer the platform withholds
    stays with whom it was.
    """
    aggregates = {order["shopify_id"]: order for order in orders}
    if not aggregates:
        return []
    rows = [
        {**order, "number": number_of(order["name"]), "read_at": read_at, "digest": _digest(order)}
        for order in aggregates.values()
    ]
    with transaction.atomic():
        buyers = tombstones.buyers_for_writing((row["shopify_id"], row["customer_shopify_id"]) for row in rows)
        buyers |= _buyers_known(order_id for order_id, order in aggregates.items() if order.get("customer_withheld"))
        rows = [{**row, "customer_shopify_id": buyers[row["shopify_id"]]} for row in rows]
        _customers_lock(aggregates.keys(), [row["customer_shopify_id"] for row in rows])
        former = _customers_of(aggregates.keys())
        order_ids = {shopify_id: order_id for order_id, shopify_id in _orders_write(rows)}
        if order_ids:
            _children_write(order_ids, aggregates)
            present = _customers_of(order_ids)
            summaries_refresh({*former.values(), *present.values()})
            _moves_note(former, present)
            events_record(_moves_facts(former, present, order_ids, aggregates, read_at), origin=origin)
            if not defer_events:
                _events_tell(Order.objects.filter(event_due=True, id__in=order_ids.values()), origin)
    return list(order_ids)


def due_events_tell(*, origin: DomainEvent.Origin, limit: int) -> int:
    """Tell the facts of up to `limit` written orders still marked due, oldest business first; answers how many."""
    with transaction.atomic():
        return _events_tell(Order.objects.filter(event_due=True).order_by("processed_at", "shopify_id")[:limit], origin)


def _upsert(
    table: str,
    rows: Sequence[setwise.Row],
    columns: setwise.Columns,
    *,
    returning: str,
    begins_with: dict[str, str],
    becomes: dict[str, str],
    only: str = "true",
) -> list[Any]:
    """INSERT … ON CONFLICT (shop_id, shopify_id) for rows that are newer; answers what was written.

    `begins_with` are further columns of a new row, `becomes` those of one that was there, each with its expression;
    `only` is a further condition on a row that was there.
    """
    if not rows:
        return []
    changed = {name: f"excluded.{name}" for name in columns if name != "shopify_id"} | becomes
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (shop_id, {', '.join([*columns, *begins_with])})"
            f" SELECT %s, {', '.join([*columns, *begins_with.values()])} FROM {setwise.rows_from(columns)}"
            f" WHERE true ORDER BY shopify_id ON CONFLICT (shop_id, shopify_id)"
            f" DO UPDATE SET {', '.join(f'{name} = {value}' for name, value in changed.items())}"
            f" WHERE {_NEWER.format(table=table)} AND {only} RETURNING {returning}",
            [current_shop_id(), setwise.rows_json(rows, columns)],
        )
        return list(cursor.fetchall())


def _buyers_known(order_shopify_ids: Iterable[int]) -> dict[int, int | None]:
    """The customers, by the platform's ids, that the mirror has these orders under."""
    wanted = list(order_shopify_ids)
    known = Order.objects.filter(shopify_id__in=wanted).values_list("shopify_id", "customer__shopify_id")
    return dict(known) if wanted else {}


def _orders_write(rows: Sequence[setwise.Row]) -> list[tuple[int, int]]:
    """Write the orders' own columns where they are newer; answers (id, Shopify id) of those whose state differs."""
    own = [name for name in _ORDER if name != "customer_shopify_id"]
    names = ", ".join(own)
    changed = ", ".join(f"{name} = excluded.{name}" for name in own if name != "shopify_id")
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO retention_app_order (shop_id, customer_id, event_due, placed_told, {names})"
            f" SELECT %s, coalesce(c.merged_into_id, c.id), true, false, {', '.join(f'r.{name}' for name in own)}"
            f" FROM {setwise.rows_from(_ORDER)}"
            " LEFT JOIN retention_app_customer c ON c.shop_id = %s AND c.shopify_id = r.customer_shopify_id"
            " WHERE true ORDER BY r.shopify_id"
            " ON CONFLICT (shop_id, shopify_id) DO UPDATE SET event_due = retention_app_order.event_due"
            " OR excluded.digest <> retention_app_order.digest"
            " OR excluded.customer_id IS DISTINCT FROM retention_app_order.customer_id,"
            f" customer_id = excluded.customer_id, {changed}"
            f" WHERE {_NEWER.format(table='retention_app_order')}"
            " RETURNING id, shopify_id, event_due",
            [current_shop_id(), setwise.rows_json(rows, _ORDER), current_shop_id()],
        )
        return [(order_id, shopify_id) for order_id, shopify_id, event_due in cursor.fetchall() if event_due]


def _children_write(order_ids: dict[int, int], aggregates: dict[int, dict[str, Any]]) -> None:
    """Replace the lines, refunds, transactions and discount codes of written orders."""
    lines, refunds, refund_lines, transactions, codes = [], [], [], [], []
    for shopify_id, order_id in order_ids.items():
        order = aggregates[shopify_id]
        lines += [{**line, "order_id": order_id} for line in order["lines"]]
        transactions += [{**row, "order_id": order_id} for row in order["transactions"]]
        codes += [{"order_id": order_id, "code": code} for code in order["discount_codes"]]
        for refund in order["refunds"]:
            refunds.append({**refund, "order_id": order_id})
            refund_lines += [{**line, "refund_shopify_id": refund["shopify_id"]} for line in _summed(refund["lines"])]
    shop_id, ids = current_shop_id(), setwise.ids_json(order_ids.values())
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM retention_app_refundline WHERE shop_id = %s AND refund_id IN"
            f" (SELECT id FROM retention_app_refund WHERE shop_id = %s AND {setwise.ids_in('order_id')})",
            [shop_id, shop_id, ids],
        )
        for table in ("refund", "orderline", "ordertransaction", "orderdiscountcode"):
            cursor.execute(
                f"DELETE FROM retention_app_{table} WHERE shop_id = %s AND {setwise.ids_in('order_id')}", [shop_id, ids]
            )
    _insert("retention_app_orderline", lines, _LINE)
    _insert("retention_app_orderdiscountcode", codes, _DISCOUNT_CODE)
    _insert("retention_app_ordertransaction", transactions, _TRANSACTION)
    _insert("retention_app_refund", refunds, _REFUND)
    if refund_lines:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO retention_app_refundline (shop_id, refund_id, line_shopify_id, quantity, net_minor)"
                " SELECT %s, f.id, r.line_shopify_id, r.quantity, r.net_minor"
                f" FROM {setwise.rows_from(_REFUND_LINE)}"
                " JOIN retention_app_refund f ON f.shop_id = %s AND f.shopify_id = r.refund_shopify_id",
                [shop_id, setwise.rows_json(refund_lines, _REFUND_LINE), shop_id],
            )


def _insert(table: str, rows: Sequence[setwise.Row], columns: setwise.Columns) -> None:
    if not rows:
        return
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (shop_id, {names}) SELECT %s, {names} FROM {setwise.rows_from(columns)}",
            [current_shop_id(), setwise.rows_json(rows, columns)],
        )


def _summed(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per order line: a refund may name the same line twice (pieces restocked differently)."""
    total: dict[int, dict[str, Any]] = {}
    for line in lines:
        row = total.setdefault(line["line_shopify_id"], {**line, "quantity": 0, "net_minor": 0})
        row["quantity"] += line["quantity"]
        row["net_minor"] += line["net_minor"]
    return list(total.values())


def _customers_lock(order_shopify_ids: Iterable[int], customer_shopify_ids: Iterable[int | None]) -> None:
    """Lock the customers these orders belong to, before and after, in one order, so that batches can't deadlock."""
    if connection.vendor != "postgresql":
        return  # SQLite has one writer
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM retention_app_customer WHERE shop_id = %s AND id = ANY(ARRAY("
            f"SELECT id FROM retention_app_customer WHERE shop_id = %s AND {setwise.ids_in('shopify_id')}"
            f" UNION SELECT customer_id FROM retention_app_order WHERE shop_id = %s AND {setwise.ids_in('shopify_id')}"
            ")) ORDER BY id FOR UPDATE",
            [
                current_shop_id(),
                current_shop_id(),
                setwise.ids_json(id_ for id_ in customer_shopify_ids if id_ is not None),
                current_shop_id(),
                setwise.ids_json(order_shopify_ids),
            ],
        )


def _customers_of(order_shopify_ids: Iterable[int]) -> dict[int, int]:
    """The customers the mirror has these orders under, by the orders' Shopify ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shopify_id, customer_id FROM retention_app_order"
            f" WHERE shop_id = %s AND {setwise.ids_in('shopify_id')} AND customer_id IS NOT NULL",
            [current_shop_id(), setwise.ids_json(order_shopify_ids)],
        )
        return dict(cursor.fetchall())


def _moves_note(former: Mapping[int, int], present: Mapping[int, int]) -> None:
    """Note of customers who got an order of theirs (order → customer, before and after)."""
    moved = {former[order]: customer for order, customer in present.items() if former.get(order, customer) != customer}
    for customer_id, went_to in moved.items():
        Customer.objects.filter(id=customer_id).update(orders_went_to=went_to)


def _moves_facts(
    former: Mapping[int, int],
    present: Mapping[int, int],
    order_ids: Mapping[int, int],
    aggregates: Mapping[int, dict[str, Any]],
    read_at: dt.datetime,
) -> list[Fact]:
    """What customers hear who had a written order before it became another's, or nobody's."""
    return [
        Fact(
            type="order.moved",
            key=f"order.moved:{shopify_id}:{customer_id}:{read_at.isoformat()}",
            subject_id=order_ids[shopify_id],
            customer_id=customer_id,
            occurred_at=aggregates[shopify_id]["updated_at"],
        )
        for shopify_id, customer_id in former.items()
        if shopify_id in order_ids and present.get(shopify_id) != customer_id
    ]


def summaries_refresh(customer_ids: Iterable[int]) -> None:
    """Recompute the customers' summaries from their counted orders (neither cancelled nor test).

    One look into the index a customer: a join would scan the shop's orders until PostgreSQL has statistics.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE retention_app_customer SET (orders_count, spent_minor, first_order_at, last_order_at) ="
            " (SELECT count(*), coalesce(sum(o.total_minor - o.refunded_minor), 0),"
            " min(o.processed_at), max(o.processed_at) FROM retention_app_order o"
            " WHERE o.shop_id = retention_app_customer.shop_id AND o.customer_id = retention_app_customer.id"
            " AND o.cancelled_at IS NULL AND NOT o.test)"
            f" WHERE shop_id = %s AND {setwise.ids_in('id')}",
            [current_shop_id(), setwise.ids_json(customer_ids)],
        )


def _events_tell(due: Any, origin: DomainEvent.Origin) -> int:
    """Record the facts of written orders and take their mark away. `due` is a queryset of marked orders."""
    orders = list(
        due.values(
            "id",
            "shopify_id",
            "customer_id",
            "processed_at",
            "updated_at",
            "read_at",
            "cancelled_at",
            "paid",
            "paid_at",
            "placed_told",
        )
    )
    if not orders:
        return 0
    _returned_mark(orders)
    refunds: dict[int, list[tuple[int, dt.datetime]]] = {}
    ids = setwise.ids_json(order["id"] for order in orders)
    of_orders = Refund.objects.filter(order_id__in=[order["id"] for order in orders]).order_by("shopify_id")
    for order_id, shopify_id, processed_at in of_orders.values_list("order_id", "shopify_id", "processed_at"):
        refunds.setdefault(order_id, []).append((shopify_id, processed_at))
    events_record(
        [fact for order in orders for fact in order_facts(order, refunds.get(order["id"], []))], origin=origin
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE retention_app_order SET event_due = false, placed_told = true"
            f" WHERE shop_id = %s AND {setwise.ids_in('id')}",
            [current_shop_id(), ids],
        )
    return len(orders)


def _returned_mark(orders: Sequence[dict[str, Any]]) -> None:
    """An order that left the mirror and came back was placed once: what is told of it now is an update."""
    keys = {f"order.placed:{order['shopify_id']}": order for order in orders if not order["placed_told"]}
    if keys:
        for key in DomainEvent.objects.filter(key__in=list(keys)).values_list("key", flat=True):
            keys[key]["placed_told"] = True


def order_facts(order: dict[str, Any], refunds: Sequence[tuple[int, dt.datetime]]) -> list[Fact]:
    """What a written state of an order tells: what is new about it, and what can be told only once.

    `order` holds the columns of the mirror's row, `refunds` (Shopify id, processed_at) of each refund.
    """
    shopify_id = order["shopify_id"]

    def fact(type_: str, key: object, occurred_at: dt.datetime) -> Fact:
        return Fact(
            type=type_,
            key=f"{type_}:{key}",
            subject_id=order["id"],
            customer_id=order["customer_id"],
            occurred_at=occurred_at,
        )

    if order["placed_told"]:
        state = f"{shopify_id}:{order['updated_at'].isoformat()}:{order['read_at'].isoformat()}"
        facts = [fact("order.updated", state, order["updated_at"])]
    else:
        facts = [fact("order.placed", shopify_id, order["processed_at"])]
    if order["paid"]:
        facts.append(fact("order.paid", shopify_id, order["paid_at"] or order["processed_at"]))
    if order["cancelled_at"]:
        facts.append(fact("order.cancelled", shopify_id, order["cancelled_at"]))
    facts += [fact("order.refunded", refund_id, processed_at) for refund_id, processed_at in refunds]
    return facts


def _digest(order: dict[str, Any]) -> str:
    """A fingerprint of an order's mapped state, whenever it was updated: an equal one changes nothing."""
    state = {name: value for name, value in order.items() if name != "updated_at"}
    return hashlib.blake2b(orjson.dumps(state, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
