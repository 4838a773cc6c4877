"""What the rules are told about a member: plain values, as the mirror holds them.

Ids are the platform's, instants aware, money integer minor units of the order's currency.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate

EVER = dt.datetime.min.replace(tzinfo=dt.UTC)
CLOCKS_DIFFER = dt.timedelta(minutes=5)  # what is dated later than this hasn't happened yet


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
    labels: frozenset[str] = frozenset()  # what its product was at the order's instant, as multipliers name it


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFact:
    """A refund: pieces of lines as (line id, quantity), and money given back beyond them."""

    id: int
    processed_at: dt.datetime
    lines: tuple[tuple[int, int], ...] = ()
    unlined_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFact:
    """An order in its latest known state. `paid`: what came in covers its total, whatever was refunded later;
    `paid_at` and `fulfilled_at` are when it was paid and fulfilled whole, where known."""

    id: int
    name: str
    processed_at: dt.datetime
    currency: str
    lines: tuple[LineFact, ...]
    refunds: tuple[RefundFact, ...] = ()
    paid: bool = True
    paid_at: dt.datetime | None = None
    fulfilled_at: dt.datetime | None = None
    test: bool = False
    cancelled_at: dt.datetime | None = None

    def instants(self) -> list[dt.datetime]:
        """When what is told about this order happened."""
        later = (self.cancelled_at, self.paid_at, self.fulfilled_at, *(refund.processed_at for refund in self.refunds))
        return [self.processed_at, *(instant for instant in later if instant is not None)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustmentFact:
    """Points given or taken by staff. `counts`: towards tiers that go by points."""

    id: int
    at: dt.datetime
    points: int
    counts: bool = False
    expires_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendingFact:
    """Points used. `held` while the outside world decides whether there is something for them; `undone_at` when they
    were given back."""

    id: int
    at: dt.datetime
    points: int
    held: bool = False
    undone_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TierMoveFact:
    """A tier given by staff until `until`: a level's key, "" for no tier, None for back to automatic."""

    id: int
    at: dt.datetime
    level: str | None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFacts:
    """All that is known about a member. `claimed_at`: when their e-mail first signed in, None while it hasn't.
    `announcements`: when each subject was announced (`docs/statement.md`, 5)."""

    orders: tuple[OrderFact, ...] = ()
    adjustments: tuple[AdjustmentFact, ...] = ()
    spendings: tuple[SpendingFact, ...] = ()
    tier_moves: tuple[TierMoveFact, ...] = ()
    announcements: Mapping[str, tuple[dt.datetime, ...]] = field(default_factory=dict)
    claimed_at: dt.datetime | None = EVER

    def instants(self) -> list[dt.datetime]:
        """When what is told about this member happened."""
        return [
            *(instant for order in self.orders for instant in order.instants()),
            *(adjustment.at for adjustment in self.adjustments),
            *(spending.at for spending in self.spendings),
            *(spending.undone_at for spending in self.spendings if spending.undone_at is not None),
            *(move.at for move in self.tier_moves),
            *(instant for instants in self.announcements.values() for instant in instants),
            *([self.claimed_at] if self.claimed_at else []),
        ]

    def after(self, at: dt.datetime) -> MemberFacts:
        """What began after an instant, the claim, and all that was ever announced."""
        return MemberFacts(
            orders=tuple(order for order in self.orders if order.processed_at > at),
            adjustments=tuple(adjustment for adjustment in self.adjustments if adjustment.at > at),
            spendings=tuple(spending for spending in self.spendings if spending.at > at),
            tier_moves=tuple(move for move in self.tier_moves if move.at > at),
            announcements=self.announcements,
            claimed_at=self.claimed_at,
        )

    def closed_instants(self) -> list[dt.datetime]:
        """Instants at which all that had begun was over, as far as is known: nothing told happened on both sides."""
        spans = [(order.processed_at, max(order.instants())) for order in self.orders]
        spans += [(spending.at, max(spending.at, spending.undone_at or spending.at)) for spending in self.spendings]
        spans += [(adjustment.at, adjustment.at) for adjustment in self.adjustments]
        spans += [(move.at, move.at) for move in self.tier_moves]
        spans.sort()
        ends = list(accumulate((end for _, end in spans), max))
        return [end for end, (begin, _) in zip(ends, spans[1:], strict=False) if end < begin]

    def as_of(self, now: dt.datetime) -> dt.datetime:
        """The instant to judge at: now, or a little later where clocks differ and what was told has happened."""
        return max([now, *(instant for instant in self.instants() if instant <= now + CLOCKS_DIFFER)])
