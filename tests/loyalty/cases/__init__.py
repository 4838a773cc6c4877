"""Worked cases: one source for `tests/loyalty/test_worked_cases.py` and for `docs/worked-cases.md`."""

from __future__ import annotations

from tests.loyalty.cases import earning, guests, lots, refunds, tiers, versions

# Title, what it is about, cases.
CHAPTERS = tuple((one.TITLE, one.ABOUT, one.CASES) for one in (earning, lots, guests, refunds, tiers, versions))
