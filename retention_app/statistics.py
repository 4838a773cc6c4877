"""The numbers, each with one definition.

- A *counted* order is neither cancelled nor a test. A fully refunded one still counts as an order, but not for the
  repeat customer rate (requirement 2 of the product reference).
- *Customers*: distinct customers with a counted order in the window; an order without a customer counts for nobody.
- *Revenue*: what was charged for counted orders, with tax and shipping, less what was given back, in minor units.
- *Repeat customers*: customers of the window with two or more counted orders up to its end.
- *Repeat customer rate*: distinct customers with an order in the window and two or more up to its end, divided by
  distinct customers with an order in the window; fully refunded orders left out of both.
- *Order ladder*: of those who placed n orders, the share who placed an (n+1)th; all time.
- *Average order value*: revenue / counted orders.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, TruncMonth

from retention_app.models import Customer, Order, Shop

LADDER_STEPS = 4
WINDOW_MONTHS = 12
GAPS = 10_000  # orders looked at for the usual time between two of a customer
FEW_GAPS = 30
ALL_MONTHS = 12_000  # longer than any shop has existed
ROWS_AT_ONCE = 50_000  # more than one customer can have
_REVENUE = Coalesce(Sum("total_minor"), 0) - Coalesce(Sum("refunded_minor"), 0)
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class LadderStep:
    """Of `base` customers who placed `nth` orders or more, `reached` placed another; 95 % interval `low`–`high`."""

    nth: int
    base: int
    reached: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class ShopNumbers:
    """A shop's numbers for a window; `None` where there is nothing to divide by."""

    customers: int
    orders: int
    revenue_minor: int
    currency: str
    repeat_customers: int
    repeat_rate: float | None
    rate_customers: int
    rate_repeat: int
    ladder: list[LadderStep]
    aov_minor: int | None
    first_order_at: dt.datetime | None
    last_order_at: dt.datetime | None

    @classmethod
    def of(cls, kept: dict[str, Any]) -> ShopNumbers:
        """The numbers from their JSON."""
        instants = {
            name: kept[name] and dt.datetime.fromisoformat(kept[name]) for name in ("first_order_at", "last_order_at")
        }
        return cls(**{**kept, **instants, "ladder": [LadderStep(**step) for step in kept["ladder"]]})


@dataclass(frozen=True)
class MonthRate:
    """The repeat customer rate of the twelve months that end with `month` (its first day)."""

    month: dt.date
    customers: int
    repeat: int

    @property
    def rate(self) -> float | None:
        return self.repeat / self.customers if self.customers else None


_extra_stats: dict[str, Callable[[], Any]] = {}


def register_stat(name: str, value: Callable[[], Any]) -> None:
    """Let an engine add a key to `shop_stats`; `value` is called inside the shop's scope."""
    _extra_stats[name] = value


def extra_stats() -> dict[str, Any]:
    """The engines' keys and values, for the shop in scope."""
    return {name: value() for name, value in _extra_stats.items()}


def wilson_interval(reached: int, base: int) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson 1927, score interval). Raises ZeroDivisionError for base 0."""
    share = reached / base
    spread = _Z95 * math.sqrt(share * (1 - share) / base + _Z95**2 / (4 * base**2))
    middle, scale = share + _Z95**2 / (2 * base), 1 + _Z95**2 / base
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def ladder_steps(customers_by_orders: dict[int, int]) -> list[LadderStep]:
    """The ladder from how many customers placed exactly n orders. Stops where nobody stands."""
    steps = []
    for nth in range(1, LADDER_STEPS + 1):
        base = sum(count for orders, count in customers_by_orders.items() if orders >= nth)
        if not base:
            break
        reached = sum(count for orders, count in customers_by_orders.items() if orders > nth)
        steps.append(LadderStep(nth, base, reached, reached / base, *wilson_interval(reached, base)))
    return steps


def order_ladder() -> list[LadderStep]:
    """The ladder of the shop in scope, all time. One query."""
    customers = Customer.objects.filter(orders_count__gt=0).values_list("orders_count").annotate(Count("id")).order_by()
    return ladder_steps(dict(customers))


def days_between_orders() -> int | None:
    """The median number of days from an order to the customer's next one, over the latest `GAPS` of the shop in scope;
    None below `FEW_GAPS`. One query, which looks each order's forerunner up by index."""
    counted = _counted().filter(customer__isnull=False)
    is_earlier = Q(processed_at__lt=OuterRef("processed_at")) | Q(
        processed_at=OuterRef("processed_at"), id__lt=OuterRef("id")
    )
    earlier = counted.filter(is_earlier, customer=OuterRef("customer"), processed_at__lte=OuterRef("processed_at"))
    before = Subquery(earlier.order_by("-processed_at", "-id").values("processed_at")[:1])
    latest = counted.order_by("-processed_at", "-id").annotate(before=before).values_list("processed_at", "before")
    gaps = [(at - before).days for at, before in latest[:GAPS] if before is not None]
    return round(median(gaps)) if len(gaps) >= FEW_GAPS else None


def shop_numbers(shop: Shop, *, start: dt.datetime | None = None, end: dt.datetime | None = None) -> ShopNumbers:
    """The numbers of the window start ≤ processed_at < end (open where None), in the shop's scope. Four queries."""
    until = Q(processed_at__lt=end) if end else Q()
    window = until & (Q(processed_at__gte=start) if start else Q())
    counted = _counted()
    totals = counted.filter(window).aggregate(
        orders=Count("id"),
        customers=Count("customer", distinct=True),
        revenue=_REVENUE,
        first=Min("processed_at"),
        last=Max("processed_at"),
    )
    repeat_customers, _ = _repeat(counted, window, until)
    rate_repeat, rate_customers = _repeat(counted.exclude(_fully_refunded()), window, until)
    revenue = totals["revenue"]
    return ShopNumbers(
        customers=totals["customers"],
        orders=totals["orders"],
        revenue_minor=revenue,
        currency=shop.currency,
        repeat_customers=repeat_customers,
        repeat_rate=rate_repeat / rate_customers if rate_customers else None,
        rate_customers=rate_customers,
        rate_repeat=rate_repeat,
        ladder=order_ladder(),
        aov_minor=round(revenue / totals["orders"]) if totals["orders"] else None,
        first_order_at=totals["first"],
        last_order_at=totals["last"],
    )


def revenue_minor() -> int:
    """The revenue of the shop in scope, all time, orders without a customer among it. One query."""
    return int(_counted().aggregate(revenue=_REVENUE)["revenue"])


def _counted() -> QuerySet[Order]:
    return Order.objects.filter(cancelled_at=None, test=False)


def _fully_refunded() -> Q:
    return Q(total_minor__gt=0, refunded_minor__gte=F("total_minor"))


def _repeat(orders: Any, window: Q, until: Q) -> tuple[int, int]:
    """(customers of the window with two or more orders up to its end, customers of the window)."""
    people = (
        orders.filter(until, customer__isnull=False)
        .values("customer")
        .annotate(orders=Count("id"), in_window=Count("id", filter=window) if window != until else Count("id"))
        .filter(in_window__gt=0)
    )
    row = people.aggregate(all=Count("customer"), repeat=Count("customer", filter=Q(orders__gte=2)))
    return row["repeat"], row["all"]


def repeat_rate_by_month(shop: Shop, *, window_months: int = WINDOW_MONTHS) -> list[MonthRate]:
    """The repeat customer rate of the window ending with each month, in the shop's time zone, oldest first.

    From the month of the first order to that of the last; `ALL_MONTHS` is a window without a beginning. A query for
    each `ROWS_AT_ONCE` months in which somebody ordered, in the shop's scope.
    """
    return rolling_rates(_customer_months(shop), window_months)


def _customer_months(shop: Shop) -> Iterator[tuple[int, int, int]]:
    """(customer, month number, orders that count for the repeat rate), sorted, as `rolling_rates` takes them."""
    months = (
        _counted()
        .filter(customer__isnull=False)
        .exclude(_fully_refunded())
        .annotate(month=TruncMonth("processed_at", tzinfo=ZoneInfo(shop.timezone)))
        .values_list("customer_id", "month")
        .annotate(orders=Count("id"))
        .order_by("customer_id", "month")
    )
    begins_with = 0
    while True:
        rows = list(months.filter(customer_id__gte=begins_with)[:ROWS_AT_ONCE])
        is_all = len(rows) < ROWS_AT_ONCE
        begins_with = rows[-1][0] if rows else 0  # the last one's months may go on
        for customer, month, orders in rows:
            if is_all or customer != begins_with:
                yield customer, month.year * 12 + month.month - 1, orders
        if is_all:
            return


def rolling_rates(
    customer_months: Iterable[tuple[int, int, int]], window_months: int = WINDOW_MONTHS
) -> list[MonthRate]:
    """Rates from (customer, month number = 12 × year + month − 1, orders in it), sorted by customer, then month.

    An order keeps its customer in the window for `window_months` months; from the month of the second order on the
    customer counts as repeat.
    """
    change: dict[int, list[int]] = defaultdict(lambda: [0, 0])  # month → change in (customers, repeat customers)
    first, last = None, None
    for _, months in groupby(customer_months, key=lambda row: row[0]):
        placed, covered_to = 0, -1
        for _, month, orders in months:
            first, last = min(first or month, month), max(last or month, month)
            was_repeat = placed >= 2
            placed += orders
            start, end = max(month, covered_to), month + window_months
            change[start][0] += 1
            change[end][0] -= 1
            if placed >= 2:
                since = start if was_repeat else month
                change[since][1] += 1
                change[end][1] -= 1
            covered_to = end
    if first is None or last is None:
        return []
    rates, customers, repeat = [], 0, 0
    for month in range(first, last + 1):
        customers, repeat = customers + change[month][0], repeat + change[month][1]
        rates.append(MonthRate(dt.date(month // 12, month % 12 + 1, 1), customers, repeat))
    return rates
