"""Prints `docs/worked-cases.md`."""

from __future__ import annotations

from tests.loyalty.cases.tables import document

print(document(), end="")
