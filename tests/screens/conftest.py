"""A shop with a past and a programme, and ways to look at a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
from django.test import Client

from loyalty.programme import draft_save, programme_publish
from retention_app.models import Shop
from retention_app.tenancy import shop_scope
from tests.screens import story
from tests.screens.kept import told_once

RULES = {"earn": {"points": 1, "per_minor": 100}, "worth": {"points": 100, "minor": 500}}


@pytest.fixture
def storied(alpha: Shop) -> Shop:
    """Our shop after fourteen months of orders; no programme yet."""
    told_once("storied", alpha, lambda: _tell(alpha))
    return alpha


@pytest.fixture
def programmed(alpha: Shop, work_off: Callable[[], None]) -> Shop:
    """The same with version 1 published, counting all earlier orders, and everything worked off."""

    def tell() -> None:
        _tell(alpha)
        with shop_scope(alpha.id):
            draft_save(alpha.id, RULES, "42")
            programme_publish(alpha.id, "42", "all", "First rules")
        work_off()

    told_once("programmed", alpha, tell)
    return alpha


def _tell(shop: Shop) -> None:
    with shop_scope(shop.id):
        story.tell(shop)


@pytest.fixture
def staff(merchant: Callable[[Shop], Client], alpha: Shop) -> Client:
    """Staff of our shop."""
    return merchant(alpha)


@dataclass
class Seen:
    """A page as people and their machines read it."""

    html: str
    text: str
    texts: list[str]  # piece by piece
    headings: list[str]
    main_buttons: int
    ids: list[str]
    attributes: set[str]


class _Reader(HTMLParser):
    SILENT = {"script", "style", "title", "desc", "template"}

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.headings: list[str] = []
        self.ids: list[str] = []
        self.attributes: set[str] = set()
        self.main_buttons = 0
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.attributes |= set(given)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self.main_buttons += "button-main" in str(given.get("class", "")).split()
        if tag in self.SILENT | {"h1"}:
            self._open.append(tag)
        if tag == "h1":
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in self.SILENT:
            return
        self.words.append(data)
        if self._open:
            self.headings[-1] += data


def see(html: str) -> Seen:
    """Read a page: its text without what nobody sees, its h1s, its filled buttons, its ids and attributes."""
    reader = _Reader()
    reader.feed(html)
    text = re.sub(r"\s+", " ", " ".join(reader.words)).strip()
    texts = [word.strip() for word in reader.words if word.strip()]
    return Seen(html, text, texts, reader.headings, reader.main_buttons, reader.ids, reader.attributes)


def sane(seen: Seen) -> None:
    """What holds for every page: one h1, one main button at most, ids once, nothing inline, no machine words."""
    assert len(seen.headings) == 1
    assert seen.headings[0].strip()
    assert seen.main_buttons <= 1
    assert len(seen.ids) == len(set(seen.ids))
    assert "style" not in seen.attributes
    assert not [name for name in seen.attributes if name.startswith("on")]
    assert not re.search(r"\b(None|null|undefined|NaN|webhook)\b", seen.text)
