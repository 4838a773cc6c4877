"""What products are and were called, so that an order is judged by what its products were at its instant."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retention_app import mirror, removals
from retention_app.models import DomainEvent, Product, ProductLabel, Shop
from retention_app.selectors import Label, labels_of
from retention_app.tenancy import shop_scope
from tests.orders import at, product_row

LIVE = DomainEvent.Origin.LIVE


def product(*labels: str, updated: float, read: float | None = None, shopify_id: int = 7) -> list[int]:
    row = product_row(shopify_id, *labels, updated_at=at(updated))
    return mirror.products_upsert([row], read_at=at(updated if read is None else read), origin=LIVE)


def labels(shopify_id: int = 7) -> list[Label]:
    return labels_of([shopify_id])[shopify_id]


def told() -> list[tuple[str, dt.datetime]]:
    events = DomainEvent.objects.filter(type="product.labelled").order_by("id")
    assert set(events.values_list("subject_id", flat=True)) <= set(Product.objects.values_list("id", flat=True))
    return list(events.values_list("key", "occurred_at"))


def test_the_first_labels_hold_for_all_time(shop: Shop) -> None:
    product("tag:tea", "collection:91", updated=5)
    assert labels() == [("collection:91", None, None), ("tag:tea", None, None)]
    assert told() == [(f"product.labelled:7:{at(5).isoformat()}", at(5))]


def test_a_label_that_comes_later_holds_from_then_on(shop: Shop) -> None:
    product(updated=5)
    assert told() == []
    product("tag:tea", updated=8, read=9)
    assert labels() == [("tag:tea", at(8), None)]
    assert [instant for _, instant in told()] == [at(8)]


def test_a_label_that_goes_held_until_then_and_begins_anew(shop: Shop) -> None:
    product("tag:tea", "tag:new", updated=5)
    product("tag:tea", updated=8)
    product("tag:tea", "tag:new", updated=11)
    assert labels() == [("tag:new", None, at(8)), ("tag:tea", None, None), ("tag:new", at(11), None)]
    assert [instant for _, instant in told()] == [at(5), at(8), at(11)]


@pytest.mark.parametrize("again", [{"updated": 8, "read": 8}, {"updated": 8, "read": 12}, {"updated": 9, "read": 12}])
def test_the_same_labels_told_again_change_and_tell_nothing(shop: Shop, again: dict[str, float]) -> None:
    product("tag:a", updated=5)
    product("tag:a", "tag:b", updated=8)
    before = labels(), told()
    product("tag:a", "tag:b", **again)
    assert (labels(), told()) == before


def test_an_older_state_changes_nothing(shop: Shop) -> None:
    product("tag:b", updated=8)
    assert product("tag:a", updated=5, read=20) == []
    assert product("tag:a", updated=8, read=7) == []  # as new, but its read began earlier
    assert labels() == [("tag:b", None, None)]
    assert len(told()) == 1


def test_labels_that_change_without_the_product_change_when_they_are_read(shop: Shop) -> None:
    """Joining a collection may leave a product's `updatedAt` as it was."""
    product("tag:a", updated=5, read=6)
    assert product("tag:b", updated=5, read=20) == [7]
    assert labels() == [("tag:a", None, at(20)), ("tag:b", at(20), None)]
    assert [instant for _, instant in told()] == [at(5), at(20)]


def test_labels_of_a_product_known_before_labels_were_kept_hold_for_all_time(shop: Shop) -> None:
    product(updated=5)
    Product.objects.update(labels_from=None)
    product("tag:tea", updated=5, read=9)
    product("tag:tea", "tag:new", updated=10)
    assert labels() == [("tag:tea", None, None), ("tag:new", at(10), None)]


def test_a_product_that_comes_back_rewrites_no_past(shop: Shop) -> None:
    product("tag:a", updated=5)
    removals.products_gone([7])
    product("tag:b", updated=8)
    assert labels() == [("tag:a", None, at(8)), ("tag:b", at(8), None)]


def test_a_batch_costs_the_same_statements_whatever_its_size(shop: Shop) -> None:
    def cost(ids: range, *labels: str, minute: float) -> int:
        rows = [product_row(id_, *labels, updated_at=at(minute)) for id_ in ids]
        with CaptureQueriesContext(connection) as queries:
            mirror.products_upsert(rows, read_at=at(minute), origin=LIVE)
        return len([query for query in queries if "SAVEPOINT" not in query["sql"]])

    assert cost(range(1, 4), "tag:a", minute=1) == cost(range(1001, 1301), "tag:a", minute=1) <= 10
    assert cost(range(1, 4), "tag:b", minute=2) == cost(range(1001, 1301), "tag:b", minute=2) <= 10
    assert (ProductLabel.objects.filter(until=None).count(), len(told())) == (303, 606)


def test_two_shops_label_the_same_product_apart(alpha: Shop, beta: Shop) -> None:
    for shop, label in ((alpha, "tag:a"), (beta, "tag:b")):
        with shop_scope(shop.id):
            product(label, updated=1)
            product(label, f"{label}2", updated=2)
    with shop_scope(alpha.id):
        assert labels() == [("tag:a", None, None), ("tag:a2", at(2), None)]
        assert labels_of([8]) == {8: []}
