"""Reading resources by id, whole: as many at a time as one query's 1,000 points allow, long orders page by page."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from retention_app.shopify import mapping
from retention_app.shopify.client import Session
from retention_app.shopify.errors import QueryTooCostly, TransientError
from retention_app.shopify.mapping import Kind, Node, Row

# How many fit under 1,000 points: a customer costs 2, a product with its first collections 13, an order with its first
# pages 104.
CUSTOMERS_PER_READ = 250
PRODUCTS_PER_READ = 76
ORDERS_PER_READ = 9
COLLECTIONS_PER_PAGE = 250
LINES_PER_PAGE = 90  # a line costs 10, a line of a refund with one of shipping 11
READS_OF_WHAT_MOVES = 5  # what changes between two of its pages is read again this often


def read_customers(shop_id: int, ids: Iterable[int]) -> dict[int, Row | None]:
    """Customers by Shopify id as `mapping.customer` rows; None for one that is gone. Raises as `Session.graphql`."""
    nodes = _read(Session(shop_id), "CustomersByIds", "Customer", ids, CUSTOMERS_PER_READ)
    return {id_: mapping.customer(node) if node else None for id_, node in nodes}


def read_products(shop_id: int, ids: Iterable[int]) -> dict[int, Row | None]:
    """Products by Shopify id as `mapping.product` rows; None for one that is gone. Raises as `Session.graphql`."""
    session = Session(shop_id)
    nodes = _read(session, "ProductsByIds", "Product", ids, PRODUCTS_PER_READ)
    return {id_: _whole(session, "ProductsByIds", "Product", id_, node, _product) for id_, node in nodes}


def read_orders(
    shop_id: int, ids: Iterable[int], *, after_each: Callable[[], object] = lambda: None
) -> dict[int, Row | None]:
    """Orders by Shopify id as `mapping.order` aggregates; None for one that is gone. Raises as `Session.graphql`.

    Many orders may take minutes of waiting for cost points: `after_each` is called after each order, to keep a lease.
    """
    session = Session(shop_id)
    orders: dict[int, Row | None] = {}
    for id_, node in _read(session, "OrdersByIds", "Order", ids, ORDERS_PER_READ):
        orders[id_] = _whole(session, "OrdersByIds", "Order", id_, node, _order)
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


def _whole(
    session: Session,
    operation_name: str,
    kind: Kind,
    shopify_id: int,
    node: Node | None,
    complete: Callable[[Session, Node], Row | None],
) -> Row | None:
    """The row that `complete` makes of a node and its further pages. Read again from the start when it answers None:
    the resource changed while its pages were read."""
    for _ in range(READS_OF_WHAT_MOVES):
        if node is None:
            return None
        row = complete(session, node)
        if row is not None:
            return row
        node = _read_batch(session, operation_name, kind, [shopify_id])[0]
    raise TransientError(f"{kind} {shopify_id} kept changing while it was read.")


def _product(session: Session, node: Node) -> Row | None:
    collections = _all(session, node, "collections", "ProductCollectionsPage", COLLECTIONS_PER_PAGE)
    return None if collections is None else mapping.product(node, collections)


def _order(session: Session, node: Node) -> Row | None:
    for refund in node["refunds"]:
        _complete_refund(session, refund)
    lines = _all(session, node, "lineItems", "OrderLinesPage", LINES_PER_PAGE)
    return None if lines is None else mapping.order(node, lines)


def _all(session: Session, node: Node, name: str, operation_name: str, per_page: int) -> list[Node] | None:
    """All nodes of the connection `name`; None when the resource changed after its first page."""
    nodes, page = list(node[name]["nodes"]), node[name]["pageInfo"]
    while page["hasNextPage"]:
        variables = {"id": node["id"], "first": per_page, "after": page["endCursor"]}
        (resource,) = session.graphql(operation_name, variables).values()
        if resource is None or resource["updatedAt"] != node["updatedAt"]:
            return None
        nodes += resource[name]["nodes"]
        page = resource[name]["pageInfo"]
    return nodes


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
