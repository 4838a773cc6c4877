"""Finding customers by what people type: each word of it begins a word of theirs, or the number of an order of theirs.

Customers' words have a table of their own, orders' numbers a column, both in the order of their bytes: what begins with
a prefix is a range of an index, also under row-level security, which keeps `LIKE` off indexes. An order's number that
is typed in full means that order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db import connection
from django.db.models import Q, QuerySet

from retention_app import setwise
from retention_app.folding import WORD_MAX, folded, typed_words, word_rows
from retention_app.models import CustomerWord, Order
from retention_app.tenancy import current_shop_id

FEW = 10_000  # customers that are looked up one by one
ROWS_MAX = 2 * FEW  # that are read to find out
WORDS_MAX = 5  # of a search; those after them are left out

Rows = QuerySet[CustomerWord] | QuerySet[Order]  # each of a customer

_LAST = "\U0010ffff"  # sorts after every other character
_WORD: setwise.Columns = {"customer_id": "bigint", "word": "text", "beside": "text"}


def words_write(names: Mapping[int, tuple[str, str, str]]) -> None:
    """Have customers found by this first name, last name and e-mail. Two statements in the writer's transaction."""
    if not names:
        return
    rows = [
        {"customer_id": id_, "word": word, "beside": beside}
        for id_, name in names.items()
        for word, beside in word_rows(*name)
    ]
    shop_id, ids, words = current_shop_id(), setwise.ids_json(names), setwise.rows_json(rows, _WORD)
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM retention_app_customerword WHERE shop_id = %s AND {setwise.ids_in('customer_id')}"
            f" AND (customer_id, word) NOT IN (SELECT r.customer_id, r.word FROM {setwise.rows_from(_WORD)})",
            [shop_id, ids, words],
        )
        cursor.execute(
            "INSERT INTO retention_app_customerword (shop_id, customer_id, word, beside)"
            f" SELECT %s, r.customer_id, r.word, r.beside FROM {setwise.rows_from(_WORD)} WHERE true"
            " ON CONFLICT (shop_id, customer_id, word) DO UPDATE SET beside = excluded.beside"
            " WHERE retention_app_customerword.beside <> excluded.beside",
            [shop_id, words],
        )


def words_forget(customer_ids: Iterable[int]) -> None:
    """Have these customers found by nothing."""
    CustomerWord.objects.filter(customer__in=list(customer_ids)).delete()


@dataclass(frozen=True)
class Matches:
    """The condition of a customer whom a search finds; `are_many`: it finds more than `FEW` for certain."""

    condition: Q
    are_many: bool


def matches(text: str) -> Matches | None:
    """The customers whom every word of the text finds; None for a text without a word."""
    words = sorted(set(typed_words(text)[:WORDS_MAX]), key=len, reverse=True)
    plain = [word for word in words if not _may_be_number(word)]
    sources: list[list[Rows]] = [[_of_words(plain)]] if plain else []
    sources += [[_of_words([word]), _of_order(word)] for word in words if _may_be_number(word)]
    if not sources:
        return None
    found = [(source, _customers(source)) for source in sources]
    few = [ids for _, ids in found if ids is not None and len(ids) <= FEW]
    condition = Q(id__in=sorted(frozenset.intersection(*few))) if few else Q()
    for source, ids in found:
        if ids is None or len(ids) > FEW:
            condition &= reduce(or_, (Q(id__in=rows.values("customer_id")) for rows in source))
    [(_, ids), *others] = found
    return Matches(condition, are_many=not others and ids is not None and len(ids) > FEW)


def with_email(email: str) -> Q:
    """The condition of a customer who has this e-mail address, whatever its case."""
    word = folded(email)[:WORD_MAX]
    return Q(id__in=_of_words([word]).values("customer_id"), email__iexact=email) if word else Q(id=None)


def _of_words(words: Sequence[str]) -> QuerySet[CustomerWord]:
    """The rows of the first word whose customers have the others too."""
    rows = CustomerWord.objects.filter(_range("word", words[0]))
    for word in words[1:]:
        rows = rows.filter(beside__contains=f" {word}")
    return rows


def _may_be_number(word: str) -> bool:
    return any(character.isdigit() for character in word)


def _of_order(word: str) -> QuerySet[Order]:
    """Orders whose number is the word, or else begins with it."""
    number = word.removeprefix("#")
    orders = Order.objects.filter(customer__isnull=False)
    exactly = orders.filter(number=number)
    return exactly if exactly.exists() else orders.filter(_range("number", number))


def _range(column: str, prefix: str) -> Q:
    return Q(**{f"{column}__gte": prefix, f"{column}__lt": prefix + _LAST})


def _customers(source: Iterable[Rows]) -> frozenset[int] | None:
    """The customers of the rows, or `FEW` and more of them; None for so many rows that it would take long to tell."""
    found: set[int] = set()
    for rows in source:
        ids = list(rows.values_list("customer_id", flat=True)[:ROWS_MAX])
        found.update(ids)
        if len(ids) == ROWS_MAX:
            return frozenset(found) if len(found) > FEW else None
    return frozenset(found)
