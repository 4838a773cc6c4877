"""What engines contribute to the kernel's screens: navigation, numbers on Home, columns, filters, profile parts.

The kernel imports no engine. An engine subclasses `EngineScreens` and registers one instance when its app is ready.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from retention_app.activity.source import Source
from retention_app.models import Customer, Shop, StaffMember
from retention_app.words import Words


@dataclass(frozen=True)
class NavItem:
    """An entry of the app's navigation. `order` is its place, `prefix` the path under which it is the current one."""

    label: str
    url: str
    prefix: str
    order: int


@dataclass(frozen=True)
class Definition:
    """What a number means: one sentence and its formula, in the reader's language."""

    key: str
    label: str
    sentence: str
    formula: str


@dataclass(frozen=True)
class Stat:
    """A number on Home. `figures` is the formula with today's numbers in words; an unknown number has `quiet` text."""

    definition: Definition
    value: str
    note: str = ""
    figures: str = ""
    window: str = ""
    rows_url: str = ""
    rows_label: str = ""
    quiet: bool = False

    @property
    def label(self) -> str:
        return self.definition.label


@dataclass(frozen=True)
class Guide:
    """What is left to set up, on top of Home: steps with whether they are done, and where to go on. `is_new`: nobody
    has seen it, so staff land there instead of on Home."""

    is_new: bool
    heading: str
    steps: Sequence[tuple[str, bool]]
    url: str
    dismiss_url: str


@dataclass(frozen=True)
class Window:
    """What Home counts: from `start` on, or everything."""

    key: str  # "30" or "all"
    start: dt.datetime | None
    label: str


@dataclass(frozen=True)
class Column:
    """A column of the customer list and its file; `wide` ones aren't shown on phones, `file_only` ones in no list."""

    key: str
    label: str
    wide: bool = False
    file_only: bool = False


@dataclass(frozen=True)
class Filter:
    """A choice in the customer list: query parameter, label, (value, label) pairs; the empty value filters nothing."""

    key: str
    label: str
    choices: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Card:
    """A figure on the customer profile, with lines of small text under it. `progress` is how much of a way is done, 0
    to 100; the first note says so in words."""

    label: str
    value: str
    notes: Sequence[str] = ()
    quiet: bool = False
    progress: int | None = None


@dataclass(frozen=True)
class Action:
    """A button of the customer profile. One of them at most is `main`."""

    label: str
    url: str
    main: bool = False


@dataclass(frozen=True)
class Tab:
    """A tab of the customer profile; `context` is what its template needs."""

    key: str
    label: str
    template: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AuditKind:
    """A kind of changes: how its permanent codes begin."""

    key: str
    label: str
    prefixes: Sequence[str]


class EngineScreens:
    """An engine's contributions. Every method answers nothing unless overridden; called inside the shop's scope."""

    name = ""  # under which its counts are kept

    def nav_items(self) -> Sequence[NavItem]:
        return ()

    def definitions(self) -> Sequence[Definition]:
        return ()

    def guide(self, shop: Shop) -> Guide | None:
        return None

    def home_count(self) -> Any:
        """What `home_stats` needs counted, as JSON: big shops' counts are made in the background and kept."""
        return None

    def home_stats(self, shop: Shop, counted: Any) -> Sequence[Stat]:
        return ()

    def customer_columns(self) -> Sequence[Column]:
        return ()

    def customer_cells(self, shop: Shop, customers: Sequence[Customer]) -> Mapping[int, Mapping[str, str]]:
        """Customer id → column key → text."""
        return {}

    def customer_figures(self, shop: Shop, customers: Sequence[Customer]) -> Mapping[int, Mapping[str, object]]:
        """Customer id → column key → what is behind the text, for a spreadsheet."""
        return {}

    def customer_filters(self) -> Sequence[Filter]:
        return ()

    def customers_filter(self, customers: QuerySet[Customer], chosen: Mapping[str, str]) -> QuerySet[Customer]:
        return customers

    def audit_text(self, code: str, data: Mapping[str, Any]) -> str:
        """What staff changed, by the code of the audit entry; empty when it isn't this engine's. `person` in the data
        is the name of the colleague it is about (`staff`)."""
        return ""

    def audit_change(self, code: str, data: Mapping[str, Any], words: Words) -> tuple[str, str] | None:
        """What staff changed, before and after; None when it isn't this engine's, or nothing got another value."""
        return None

    def audit_kinds(self) -> Sequence[AuditKind]:
        return ()

    def activity_sources(self) -> Sequence[Source[Any]]:
        """Rows of this engine that Activity shows."""
        return ()

    def profile_cards(self, shop: Shop, customer: Customer) -> Sequence[Card]:
        return ()

    def profile_actions(self, shop: Shop, customer: Customer, person: StaffMember) -> Sequence[Action]:
        """What this person of the staff may do about the customer."""
        return ()

    def profile_tab_labels(self) -> Sequence[tuple[str, str]]:
        return ()

    def profile_tab(self, shop: Shop, customer: Customer, key: str, params: Mapping[str, str]) -> Tab | None:
        """The tab called `key`, or None when it isn't this engine's."""
        return None


_engines: list[EngineScreens] = []


def engine_register(engine: EngineScreens) -> None:
    """Add an engine's contributions, once for each class."""
    if not any(type(known) is type(engine) for known in _engines):
        _engines.append(engine)


def engines() -> Sequence[EngineScreens]:
    return tuple(_engines)
