"""Reading resources by id, whole: as many at a time as one query's 1,000 points allow, long orders page by page."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from retention_app.shopify import mapping
from retention_app.shopify.client import Session
from retention_app.shopify.errors import QueryTooCostly, TransientError
from retention_app.shopify.mapping import Kind, Node, Row

# How many fit under 1,000 points: a customer costs 2, a product 1, an order with its first pages 103.
CUSTOMERS_PER_READ = 250
PRODUCTS_PER_READ = 250
ORDERS_PER_READ = 9
LINES_PER_PAGE = 90  # a line costs 10, a line of a refund with one of shipping 11
READS_OF_A_MOVING_ORDER = 5  # an order that changes between two of its pages is read again this often


def read_customers(shop_id: int, ids: Iterable[int]) -> dict[int, Row | None]:
    """Customers by Shopify id as `mapping.customer` rows; None for one that is gone. Raises as `Session.graphql`."""
    nodes = _read(Session(shop_id), "CustomersByIds", "Customer", ids, CUSTOMERS_PER_READ)
    return {id_: mapping.customer(node) if node else None for id_, node in nodes}


def read_products(shop_id: int, ids: Iterable[int]) -> dict[int, Row | None]:
    """Products by Shopify id as `mapping.product` rows; None for one that is gone. Raises as `Session.graphql`."""
    nodes = _read(Session(shop_id), "ProductsByIds", "Product", ids, PRODUCTS_PER_READ)
    return {id_: mapping.product(node) if node else None for id_, node in nodes}


def read_orders(
    shop_id: int, ids: Iterable[int], *, after_each: Callable[[], object] = lambda: None
) -> dict[int, Row | None]:
    """Orders by Shopify id as `mapping.order` aggregates; None for one that is gone. Raises as `Session.graphql`.

    Many orders may take minutes of waiting for cost points: `after_each` is called after each order, to keep a lease.
    """
    session = Session(shop_id)
    orders: dict[int, Row | None] = {}
    for id_, node in _read(session, "OrdersByIds", "Order", ids, ORDERS_PER_READ):
        orders[id_] = _whole(session, id_, node) if node else None
        after_each()
    return orders


def _read(
    session: Session, operation_name: str, kind: Kind, ids: Iterable[int], per_read: int
) -> Iterator[tuple[int, Node | None]]:
    """Each id once with its node, None for one that is null or of another kind."""
    rest = iter(dict.fromkeys(ids))
    while batch := list(itertools.islice(rest, per_read)):
        yield from zip(batch, _read_batch(session, operation_name, kind, batch), strict=True)


def _read_batch(session: Session, operation_name: str, kind: Kind, ids: Sequence[int]) -> list[Node | None]:
    """One query; halved when the platform finds it too costly after all."""
    try:
        nodes = session.graphql(operation_name, {"ids": [mapping.gid(kind, id_) for id_ in ids]})["nodes"]
    except QueryTooCostly:
        if len(ids) == 1:
            raise
        middle = len(ids) // 2
        return [
            *_read_batch(session, operation_name, kind, ids[:middle]),
            *_read_batch(session, operation_name, kind, ids[middle:]),
        ]
    return [node if node and "id" in node else None for node in nodes]


def _whole(session: Session, shopify_id: int, node: Node) -> Row | None:
    """The order with all its lines. Read again from the start when it changed while its pages were read."""
    for _ in range(READS_OF_A_MOVING_ORDER):
        for refund in node["refunds"]:
            _complete_refund(session, refund)
        lines = _all_lines(session, node)
        if lines is not None:
            return mapping.order(node, lines)
        again = _read_batch(session, "OrdersByIds", "Order", [shopify_id])[0]
        if again is None:
            return None
        node = again
    raise TransientError(f"Order {shopify_id} kept changing while it was read.")


def _all_lines(session: Session, node: Node) -> list[Node] | None:
    """All line items; None when the order changed after its first page."""
    lines, page = list(node["lineItems"]["nodes"]), node["lineItems"]["pageInfo"]
    while page["hasNextPage"]:
        order = session.graphql(
            "OrderLinesPage", {"id": node["id"], "first": LINES_PER_PAGE, "after": page["endCursor"]}
        )["order"]
        if order is None or order["updatedAt"] != node["updatedAt"]:
            return None
        lines += order["lineItems"]["nodes"]
        page = order["lineItems"]["pageInfo"]
    return lines


def _complete_refund(session: Session, refund: Node) -> None:
    """Fetch what the refund's first pages left out (a refund never changes)."""
    lines, shipping = refund["refundLineItems"], refund["refundShippingLines"]
    while lines["pageInfo"]["hasNextPage"] or shipping["pageInfo"]["hasNextPage"]:
        more = session.graphql(
            "RefundLinesPage",
            {
                "id": refund["id"],
                "first": LINES_PER_PAGE,
                "afterLine": lines["pageInfo"]["endCursor"],
                "afterShipping": shipping["pageInfo"]["endCursor"],
            },
        )["refund"]
        if more is None:
            raise TransientError(f"{refund['id']} disappeared while it was read.")
        for page, following in ((lines, more["refundLineItems"]), (shipping, more["refundShippingLines"])):
            page["nodes"] += following["nodes"]
            page["pageInfo"] = following["pageInfo"]
