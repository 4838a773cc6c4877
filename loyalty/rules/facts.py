"""What the rules are told about a member: plain values, as the mirror holds them.

Ids are the platform's, instants aware, money integer minor units of the order's currency.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFact:
    """A line of an order. `net_minor`: price after discounts, without tax, for `quantity` pieces.

    `current_quantity` is `quantity` less what edits removed and refunds returned.
    """

    id: int
    title: str
    quantity: int
    current_quantity: int
    net_minor: int
    gift_card: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFact:
    """A refund: pieces of lines as (line id, quantity), and money given back beyond them."""

    id: int
    processed_at: dt.datetime
    lines: tuple[tuple[int, int], ...] = ()
    unlined_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFact:
    """An order in its latest known state. `paid`: what came in covers its total, whatever was refunded later."""

    id: int
    name: str
    processed_at: dt.datetime
    currency: str
    lines: tuple[LineFact, ...]
    refunds: tuple[RefundFact, ...] = ()
    paid: bool = True
    test: bool = False
    cancelled_at: dt.datetime | None = None

    def newest_instant(self) -> dt.datetime:
        """When the last thing told about this order happened."""
        instants = [self.processed_at, *(refund.processed_at for refund in self.refunds)]
        return max(instants if self.cancelled_at is None else [*instants, self.cancelled_at])
