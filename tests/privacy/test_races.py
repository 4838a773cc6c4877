"""An erasure and a writer that began before it, on PostgreSQL: whoever comes first, nobody comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from retention_app import mirror
from retention_app.models import Customer, DomainEvent, Shop, Tombstone
from retention_app.privacy import tombstones
from retention_app.privacy.erasure import customer_erase
from retention_app.tenancy import shop_scope
from tests.conftest import make_shop
from tests.orders import at, customer_row

ID = 8101000000001


@pytest.fixture
def shop_for_threads(transactional_db: None) -> Shop:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer")
    return make_shop("alpha")


def in_thread(work: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def erase(shop: Shop) -> None:
    with shop_scope(shop.id):
        customer_erase(ID, body=None, keep=lambda: None, finish=lambda proof: None)


def write() -> None:
    mirror.customers_upsert([customer_row(ID)], read_at=at(1), origin=DomainEvent.Origin.LIVE)


def test_an_erasure_waits_for_a_writer_that_has_looked(shop_for_threads: Shop) -> None:
    shop = shop_for_threads
    with shop_scope(shop.id), transaction.atomic():
        assert not tombstones.erased_for_writing([ID])
        eraser = in_thread(lambda: erase(shop))
        eraser.join(0.5)
        assert eraser.is_alive()  # it waits for this transaction
        write()
    eraser.join(10)
    with shop_scope(shop.id):
        assert Customer.objects.get().shopify_id < 0
        assert tombstones.erased([ID]) == {ID: Customer.objects.get().shopify_id}


def test_a_writer_waits_for_an_erasure_and_finds_it(shop_for_threads: Shop) -> None:
    shop = shop_for_threads

    def late() -> None:
        with shop_scope(shop.id):
            write()

    with shop_scope(shop.id), transaction.atomic():
        tombstones.erasure_lock()
        Tombstone.objects.create(shop=shop, digest=tombstones.digest_of(ID), at=at(1))
        writer = in_thread(late)
        writer.join(0.5)
        assert writer.is_alive()
    writer.join(10)
    with shop_scope(shop.id):
        assert not Customer.objects.exists()


def test_writers_dont_wait_for_one_another(shop_for_threads: Shop) -> None:
    shop = shop_for_threads

    def other() -> None:
        with shop_scope(shop.id):
            mirror.customers_upsert([customer_row(7)], read_at=at(1), origin=DomainEvent.Origin.LIVE)

    with shop_scope(shop.id), transaction.atomic():
        tombstones.erased_for_writing([ID])
        writer = in_thread(other)
        writer.join(10)
        assert not writer.is_alive()
