"""The shape of what Activity shows: a source of rows, a row in the list, a row told in full."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import models
from django.db.models import Q, QuerySet
from django.http import Http404
from django.urls import reverse
from django.utils.translation import gettext as _

from retention_app import clock
from retention_app.activity.failures import try_text
from retention_app.models import FailedTry, Shop
from retention_app.words import Words

TRIES_SHOWN = 20

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True)
class State:
    """How far something has come: in words, with the tone of its badge and what there is to add."""

    label: str
    tone: str = "neutral"
    note: str = ""

    @property
    def stuck(self) -> bool:
        return self.tone == "bad"


@dataclass(frozen=True)
class Item:
    """A row of the list. `link` leads to the order or customer it is about, where we know them."""

    source: str
    row_id: int
    at: dt.datetime
    what: str
    origin: str
    state: State
    link: tuple[str, str] | None = None
    can_retry: bool = False

    @property
    def url(self) -> str:
        return reverse("admin:activity_item", args=[self.source, self.row_id])


@dataclass(frozen=True)
class Decision:
    """What somebody with the right to approve can make of a row."""

    label: str
    url: str
    main: bool = False


@dataclass(frozen=True)
class Story:
    """A row told in full. `skipping` is what follows from giving it up; empty where that can't be done."""

    item: Item
    happened: str
    means: str
    todo: str
    tries: Sequence[tuple[dt.datetime, str]] = ()
    skipping: str = ""
    facts: Sequence[tuple[str, str]] = ()  # for support: label, value; nothing personal
    decisions: Sequence[Decision] = ()


class Source(ABC, Generic[Row]):
    """Rows of one table that Activity shows. Selecting and describing a page takes a fixed number of queries."""

    key: str  # in addresses
    tab: str
    at: str  # the column that says when
    attention: Q | None = None  # which of its rows need attention

    @abstractmethod
    def rows(self, shop: Shop) -> QuerySet[Row]:
        """The shop's rows."""

    @abstractmethod
    def items(self, shop: Shop, rows: Sequence[Row], actor: str, words: Words) -> list[Item]:
        """The rows in words, for the member of staff who looks."""

    @abstractmethod
    def story(self, row: Row, item: Item, words: Words) -> Story:
        """One row in full."""

    def row(self, shop: Shop, row_id: int) -> Row:
        """The shop's row. Raises `Http404`."""
        row = self.rows(shop).filter(pk=row_id).first()
        if row is None:
            raise Http404("activity")
        return row


def tries_of(queue: FailedTry.Queue, row_id: int) -> list[tuple[dt.datetime, str]]:
    """When a row failed and how, newest first."""
    tries = FailedTry.objects.filter(queue=queue, row_id=row_id).order_by("-id")[:TRIES_SHOWN]
    return [(each.at, try_text(each.error_class)) for each in tries]


def took(begin: dt.datetime, end: dt.datetime | None, words: Words) -> str:
    """Done in 0.8 s."""
    if end is None:
        return _("Done")
    seconds = max((end - begin).total_seconds(), 0.0)
    if seconds < 60:
        return _("Done in %(seconds)s s") % {"seconds": words.decimal(seconds)}
    return _("Done in %(minutes)s min") % {"minutes": words.count(round(seconds / 60))}


def waiting(row: Any, words: Words) -> State:
    """A queued row that isn't done yet."""
    if row.lease_until is not None and row.lease_until > clock.system_now():
        return State(_("Under way"), "info")
    later = row.error_class and row.due_at > clock.now()
    note = _("next try %(when)s") % {"when": words.moment(row.due_at)} if later else ""
    return State(_("Waiting"), "info", note)
