"""The storefront script's own messages (`static/storefront/messages`), for pages that say the same without a script."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from babel import Locale

from retention_app.formatting import points as grouped
from retention_app.languages import language_tag

MESSAGES = Path(__file__).resolve().parents[1] / "static/storefront/messages"


@cache
def _messages(tag: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((MESSAGES / f"{tag}.json").read_bytes())
    return found


@dataclass(frozen=True)
class Messages:
    """In one of our languages, by Django's code."""

    locale: str

    def say(self, key: str, **values: str) -> str:
        """A message with its `{names}` filled in."""
        return self._text(key).format_map(values)

    def count(self, key: str, number: int, **values: str) -> str:
        """The form for a count, the count itself in `{n}`."""
        form = Locale.parse(self.locale.replace("-", "_")).plural_form(number)
        forms = _messages(language_tag(self.locale))[key]
        text: str = forms["one" if form == "one" else "other"]
        return text.format_map({"n": self.number(number), **values})

    def number(self, number: int) -> str:
        return grouped(number, self.locale).replace("-", "−")

    def _text(self, key: str) -> str:
        text: str = _messages(language_tag(self.locale))[key]
        return text
