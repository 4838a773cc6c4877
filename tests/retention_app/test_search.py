"""Search: what people type finds exactly whom a look at everybody would find, on both databases."""

from __future__ import annotations

import contextvars
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from retention_app import mirror, removals, search
from retention_app.customer_list import customer_page, customers_found
from retention_app.folding import WORD_MAX, folded, typed_words, words_of
from retention_app.models import Customer, CustomerWord, DomainEvent, Order, Shop
from retention_app.tenancy import shop_scope
from tests.orders import at, customer_row, order_row

LIVE = DomainEvent.Origin.LIVE
PEOPLE = [
    ("João", "da Silva", "joao.silva@mail.example"),
    ("Joana", "O'Brien", "jo@silva.example"),
    ("Søren", "Ångström", ""),
    ("Zoë", "Müller-Straße", "zoe_m+shop@mail.example"),
    ("太郎", "山田", "taro@mail.example"),
    ("민준", "김", ""),
    ("", "", "1042@mail.example"),
    ("", "", ""),
    ("Ana", "100%_", "ana@mail.example"),
]
NAMES = ["#1", "#10", "#1042", "#10420", "EU1001-B", "#1043"]


def people(*rows: tuple[str, str, str]) -> None:
    told = [
        customer_row(number, first_name=first, last_name=last, email=email)
        for number, (first, last, email) in enumerate(rows, 1)
    ]
    mirror.customers_upsert(told, read_at=at(1), origin=LIVE)


@pytest.fixture
def crowd(shop: Shop) -> Shop:
    """The people above, and orders of the first three of them."""
    people(*PEOPLE)
    orders = [order_row(10 + number, customer=1 + number % 3, name=name) for number, name in enumerate(NAMES)]
    mirror.orders_upsert(orders, read_at=at(99), origin=LIVE)
    return shop


def found(text: str) -> set[int]:
    return set(customers_found({"q": text}).values_list("shopify_id", flat=True))


def naively(text: str) -> set[int]:
    """Everybody looked at, one by one, by what the words say."""
    numbers = {number.removeprefix("#").lower() for number in NAMES}

    def has(person: Customer, word: str) -> bool:
        number = word.removeprefix("#")
        own = {order.name.removeprefix("#").lower() for order in person.orders.all()}
        by_order = any(letter.isdigit() for letter in word) and (
            number in own if number in numbers else any(one.startswith(number) for one in own)
        )
        return by_order or any(
            one.startswith(word) for one in words_of(person.first_name, person.last_name, person.email)
        )

    return {
        person.shopify_id
        for person in Customer.objects.prefetch_related("orders")
        if all(has(person, word) for word in typed_words(text)[: search.WORDS_MAX])
    }


_PIECES = st.sampled_from(
    sorted(
        {word for person in PEOPLE for name in person for word in [*name.split(), *name.split("@")]} | set(NAMES) - {""}
    )
)
_TYPED = st.lists(
    st.one_of(
        st.tuples(_PIECES, st.integers(1, 12)).map(lambda cut: cut[0][: cut[1]]),
        st.text(alphabet="aãbjsß1042#@.%_\\'\x00 ", max_size=5),
    ),
    max_size=3,
).map(" ".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_TYPED, few=st.sampled_from([0, 2, 10_000]))
def test_search_finds_exactly_whom_a_look_at_everybody_finds(
    crowd: Shop, monkeypatch: pytest.MonkeyPatch, text: str, few: int
) -> None:
    with monkeypatch.context() as patched:  # few words find few people, many, or too many to tell
        patched.setattr(search, "FEW", few)
        patched.setattr(search, "ROWS_MAX", 2 * few or 1)
        assert found(text) == naively(text)


@pytest.mark.parametrize(
    ("text", "whom"),
    [
        ("joao", {1}),  # accents
        ("JOÃO silva", {1}),  # words in any order and case
        ("silva jo", {1, 2}),  # a name's and a domain's
        ("brien", {2}),
        ("soren angstrom", {3}),
        ("strasse", {4}),
        ("muller-str", {4}),
        ("shop@mail", {4}),
        ("@mail.example", {1, 4, 5, 7, 9}),
        ("山田太", {5}),
        ("太郎山田", {5}),
        ("김민", {6}),
        ("#1042", {3}),  # that order, and no other that begins so
        ("1042", {3, 7}),
        ("#104", {1, 3}),  # while it is typed: #1042, #10420 and #1043
        ("eu1001", {2}),
        ("joao 10420", {1}),
        ("100%_", {9}),
        ("ao", set()),  # not a beginning
        ("#", set()),
    ],
)
def test_examples(crowd: Shop, text: str, whom: set[int]) -> None:
    assert found(text) == whom


def test_words_follow_changes_merges_and_departures(crowd: Shop) -> None:
    renamed = customer_row(1, first_name="Rui", last_name="Costa", email="rui@mail.example", updated_at=at(5))
    mirror.customers_upsert([renamed], read_at=at(5), origin=LIVE)
    assert (found("joao"), found("rui costa")) == (set(), {1})
    removals.customers_merge(kept_id=2, deleted_id=1, origin=LIVE)
    assert (found("rui"), found("joana")) == (set(), {2})
    removals.customers_gone([2], origin=LIVE)
    assert found("joana") == set()
    assert CustomerWord.objects.exclude(customer__gone_at=None).count() == 0


def test_a_page_tells_how_many_a_search_finds(crowd: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert customer_page({"q": "mail.example"}, sort="last").count == 5
    monkeypatch.setattr(search, "FEW", 3)
    monkeypatch.setattr("retention_app.customer_list.COUNT_MAX", 3)
    page = customer_page({"q": "mail.example"}, sort="last")
    assert (page.count, page.is_more, len(page.customers)) == (4, True, 5)


def test_another_shops_people_are_not_found(crowd: Shop, beta: Shop) -> None:
    def seen() -> set[int]:
        with shop_scope(beta.id):
            return found("joao") | found("1042")

    assert contextvars.Context().run(seen) == set()


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_words_are_bounded_folded_and_none_begins_another(first: str, last: str, email: str) -> None:
    words = words_of(first, last, email)
    assert words == sorted(set(words))
    assert all(0 < len(word) <= WORD_MAX and " " not in word and "\0" not in word for word in words)
    assert not [one for one in words for other in words if one != other and other.startswith(one)]


@example("\N{MATHEMATICAL ITALIC CAPITAL A}")
@given(st.text(max_size=20))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_the_back_fill_gives_everybody_what_the_mirror_would(crowd: Shop) -> None:
    def kept() -> Any:
        return (
            sorted(CustomerWord.objects.values_list("customer_id", "word", "beside")),
            sorted(Order.objects.values_list("id", "number")),
        )

    migration = import_module("retention_app.migrations.0006_customer_search")
    before = kept()
    CustomerWord.objects.all().delete()
    Order.objects.update(number="")
    everything: Any = SimpleNamespace(
        get_model=lambda *names: SimpleNamespace(objects=apps.get_model(*names)._base_manager)
    )
    migration.words_fill(everything, SimpleNamespace(connection=connection))
    migration.words_fill(everything, SimpleNamespace(connection=connection))  # again, as after a stop
    assert kept() == before
