"""Finding customers by what people type: each word of it begins a word of theirs, or the number of an order of theirs.

Customers' words have a table of their own, orders' numbers a column, both in the order of their bytes: what begins with
a prefix is a range of an index, also under row-level security, which keeps `LIKE` off indexes. An order's number that
is typed in full means that order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from retention_app import setwise
from retention_app.folding import typed_words, words_of
from retention_app.models import Customer, CustomerWord, Order
from retention_app.tenancy import current_shop_id

FEW = 10_000  # customers that are looked up one by one
WORDS_MAX = 5  # of a search; those after them are left out

_LAST = "\U0010ffff"  # sorts after every other character
_WORD: setwise.Columns = {"customer_id": "bigint", "word": "text"}


def words_write(names: Mapping[int, tuple[str, str, str]]) -> None:
    """Have customers found by this first name, last name and e-mail. Two statements in the writer's transaction."""
    if not names:
        return
    rows = [{"customer_id": id_, "word": word} for id_, name in names.items() for word in words_of(*name)]
    shop_id, ids, words = current_shop_id(), setwise.ids_json(names), setwise.rows_json(rows, _WORD)
    with connection.cursor() as cursor:
        cursor.execute(
            f"DELETE FROM retention_app_customerword WHERE shop_id = %s AND {setwise.ids_in('customer_id')}"
            f" AND (customer_id, word) NOT IN (SELECT r.customer_id, r.word FROM {setwise.rows_from(_WORD)})",
            [shop_id, ids, words],
        )
        cursor.execute(
            "INSERT INTO retention_app_customerword (shop_id, customer_id, word)"
            f" SELECT %s, r.customer_id, r.word FROM {setwise.rows_from(_WORD)} WHERE true"
            " ON CONFLICT (shop_id, word, customer_id) DO NOTHING",
            [shop_id, words],
        )


def words_forget(customer_ids: Iterable[int]) -> None:
    """Have these customers found by nothing."""
    CustomerWord.objects.filter(customer__in=list(customer_ids)).delete()


def customers_matching(customers: QuerySet[Customer], text: str) -> QuerySet[Customer]:
    """Those of the customers whom every word of the text finds.

    The words are looked up first, each up to `FEW` customers. Who is left is asked for by id; words that find more are
    left to the query.
    """
    words = sorted(set(typed_words(text)[:WORDS_MAX]), key=len, reverse=True)
    found = [(word, _ids(word)) for word in words]
    few = [ids for _, ids in found if ids is not None]
    if few:
        customers = customers.filter(id__in=reduce(set.intersection, few))
    for word in (word for word, ids in found if ids is None):
        customers = customers.filter(_any(word))
    return customers


def _range(column: str, prefix: str) -> Q:
    return Q(**{f"{column}__gte": prefix, f"{column}__lt": prefix + _LAST})


def _of_word(word: str) -> QuerySet[CustomerWord]:
    return CustomerWord.objects.filter(_range("word", word))


def _of_order(word: str) -> QuerySet[Order] | None:
    """Orders whose number the word is or begins; None where a number can't look like that."""
    number = word.removeprefix("#")
    if not any(character.isdigit() for character in number):
        return None
    orders = Order.objects.filter(customer__isnull=False)
    exactly = orders.filter(number=number)
    return exactly if exactly.exists() else orders.filter(_range("number", number))


def _any(word: str) -> Q:
    """The condition that a customer has the word."""
    condition = Q(Exists(_of_word(word).filter(customer=OuterRef("id"))))
    orders = _of_order(word)
    return condition if orders is None else condition | Q(Exists(orders.filter(customer=OuterRef("id"))))


def _ids(word: str) -> set[int] | None:
    """The customers a word finds; None for more than `FEW`."""
    found: set[int] = set()
    orders = _of_order(word)
    for rows in (_of_word(word), orders):
        if rows is not None:
            ids = rows.values_list("customer_id", flat=True)[: 2 * FEW + 1]
            taken = list(ids)
            found.update(taken)
            if len(taken) > 2 * FEW or len(found) > FEW:
                return None
    return found
