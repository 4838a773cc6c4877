"""What Home shows: the four numbers with their definitions, the repeat rate and the order ladder as charts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from retention_app import clock
from retention_app.charts import Bar, BarChart, LineChart, LinePoint, bar_chart, line_chart
from retention_app.charts.drawing import FEW
from retention_app.counts import WINDOW_DAYS, Counts
from retention_app.models import Customer, Order
from retention_app.screens import Definition, Stat, Window, engines
from retention_app.statistics import LadderStep, MonthRate, ShopNumbers
from retention_app.words import Words

HEALTHY = (0.27, 0.32)  # repeat customer rate many stores see (product reference, defaults)
COMMON_STEPS = {1: 0.27, 2: 0.55}  # the same for the first two steps of the ladder


def healthy(words: Words) -> str:
    """27–32%"""
    return f"{words.tick(HEALTHY[0]).rstrip('%')}–{words.tick(HEALTHY[1])}"


def definitions() -> list[Definition]:
    """The glossary behind every (i): the kernel's numbers, then the engines'."""
    own = [
        Definition(
            "rcr",
            _("Repeat customer rate"),
            _("Of the customers who ordered in the period, the share who had ordered at least twice by its end."),
            _(
                "customers with two or more orders ÷ customers with an order. "
                "Cancelled, test and fully refunded orders don't count."
            ),
        ),
        Definition(
            "aov",
            _("Average order value"),
            _("What an order brings on average, with tax and shipping, less refunds."),
            _("money kept from orders ÷ number of orders. Cancelled and test orders don't count."),
        ),
        Definition(
            "ladder",
            _("Order ladder"),
            _("Of the customers who placed an order, the share who placed another one after it."),
            _(
                "customers with at least n + 1 orders ÷ customers with at least n orders, all time. "
                "The thin line is the range the true share lies in, 19 times out of 20."
            ),
        ),
    ]
    return own + [definition for engine in engines() for definition in engine.definitions()]


def latest_order_at() -> dt.datetime | None:
    newest = Order.objects.filter(cancelled_at=None, test=False).order_by("-processed_at", "-id")
    return newest.values_list("processed_at", flat=True).first()


def window_for(period: str, latest: dt.datetime | None) -> tuple[Window, bool]:
    """The window to count, and whether it is all time only because the last 30 days hold no order."""
    everything = Window("all", None, _("All time"))
    start = clock.now() - dt.timedelta(days=WINDOW_DAYS)
    if period == "all":
        return everything, False
    if latest is None or latest < start:
        return everything, True
    return Window("30", start, _("Last 30 days")), False


def stats(counts: Counts, window: Window, words: Words) -> list[Stat]:
    """The numbers on Home, the engines' after the kernel's."""
    numbers = counts.numbers(window)
    known = {definition.key: definition for definition in definitions()}
    own = [_rate_stat(known["rcr"], numbers, window, words), _aov_stat(known["aov"], numbers, window, words)]
    return own + [stat for engine in engines() for stat in engine.home_stats(counts.shop, counts.of_engine(engine))]


def _rows(**params: str) -> str:
    query = "&".join(f"{key}={value}" for key, value in params.items() if value)
    return f"{reverse('admin:customers')}?{query}"


def _rate_stat(definition: Definition, numbers: ShopNumbers, window: Window, words: Words) -> Stat:
    stat = partial(
        Stat,
        definition,
        window=_("Period: %(period)s") % {"period": window.label},
        rows_url=_rows(orders="repeat", last="30" if window.start else ""),
    )
    if numbers.repeat_rate is None or numbers.rate_customers < FEW:
        return stat(_not_enough(numbers.rate_customers, words), quiet=True)
    figures = ngettext(
        "%(repeat)s of %(all)s customer ordered twice or more",
        "%(repeat)s of %(all)s customers ordered twice or more",
        numbers.rate_customers,
    ) % {"repeat": words.count(numbers.rate_repeat), "all": words.count(numbers.rate_customers)}
    rows_agree = (numbers.repeat_customers, numbers.customers) == (numbers.rate_repeat, numbers.rate_customers)
    return stat(
        words.percent(numbers.repeat_rate),
        note=_against_healthy(numbers.repeat_rate, words),
        figures=figures,
        rows_label="" if rows_agree else _("See the rows, fully refunded orders included"),
    )


def _aov_stat(definition: Definition, numbers: ShopNumbers, window: Window, words: Words) -> Stat:
    stat = partial(
        Stat,
        definition,
        window=_("Period: %(period)s") % {"period": window.label},
        rows_url=_rows(sort="spent", last="30" if window.start else ""),
    )
    if numbers.aov_minor is None:
        return stat(_("No orders yet"), quiet=True)
    orders = ngettext("%(count)s order", "%(count)s orders", numbers.orders) % {"count": words.count(numbers.orders)}
    figures = _("%(money)s from %(orders)s") % {"money": words.money(numbers.revenue_minor), "orders": orders}
    return stat(words.money(numbers.aov_minor), note=orders, figures=figures)


def _not_enough(base: int, words: Words) -> str:
    return _("Not enough yet (%(count)s of %(few)s)") % {"count": words.count(base), "few": words.count(FEW)}


def _against_healthy(rate: float, words: Words) -> str:
    low, high = HEALTHY
    if rate > high:
        return _("above %(range)s") % {"range": healthy(words)}
    if rate < low:
        return _("below %(range)s") % {"range": healthy(words)}
    return _("within %(range)s") % {"range": healthy(words)}


@dataclass(frozen=True)
class RateCard:
    """The repeat rate by month: the drawing (None: not enough yet), its answer, the rows of its table."""

    answer: str
    chart: LineChart | None
    rows: list[tuple[str, str, str, str]]
    only_100: str = ""


def rate_card(months: list[MonthRate], words: Words, *, rolling: bool) -> RateCard:
    """The rate by month: of the twelve months that end there when `rolling`, of everything so far otherwise."""
    shown = [month for month in months if month.customers]
    points = [LinePoint(words.month(month.month), month.rate, month.customers) for month in months]
    today = clock.now().date()
    running = bool(months) and (months[-1].month.year, months[-1].month.month) == (today.year, today.month)
    chart = line_chart(
        points,
        band=HEALTHY,
        band_label=_("%(range)s: common in stores") % {"range": healthy(words)},
        percent=words.percent,
        tick=words.tick,
        running=running,
    )
    rows = [
        (
            words.month(month.month),
            words.count(month.customers),
            words.count(month.repeat),
            words.percent(month.rate or 0),
        )
        for month in shown
    ]
    if not shown or shown[-1].customers < FEW:
        return RateCard(_not_enough(shown[-1].customers if shown else 0, words), None, rows)
    last = shown[-1]
    return RateCard(_rate_answer(last, words, rolling), chart, rows, _only_100(last, words) if rolling else "")


def _rate_answer(last: MonthRate, words: Words, rolling: bool) -> str:
    assert last.rate is not None
    said = {"rate": words.percent(last.rate), "month": words.month(last.month), "range": healthy(words)}
    if rolling:
        return (
            _("%(rate)s of the customers who ordered in the twelve months to %(month)s had ordered at least twice.")
            % said
        )
    return _("By %(month)s, %(rate)s of all customers had ordered at least twice.") % said


def _only_100(last: MonthRate, words: Words) -> str:
    """Why a rate can only be 100 %: nobody placed a first order in its twelve months."""
    if last.rate != 1:
        return ""
    newest = Customer.objects.filter(first_order_at__isnull=False).order_by("-first_order_at")
    first = newest.values_list("first_order_at", flat=True).first()
    if first is None:
        return ""
    return _("No first orders since %(month)s, so everybody counted here had bought before.") % {
        "month": words.month(first.date())
    }


@dataclass(frozen=True)
class LadderCard:
    answer: str
    chart: BarChart | None
    rows: list[tuple[str, str, str, str, str]]
    common: str


def ladder_card(steps: list[LadderStep], words: Words) -> LadderCard:
    """The order ladder: of those who placed n orders, how many placed the next."""
    bars = [
        Bar(
            label=_step_label(step.nth),
            count=_("%(reached)s of %(base)s") % {"reached": words.count(step.reached), "base": words.count(step.base)},
            base=step.base,
            rate=step.rate,
            low=step.low,
            high=step.high,
            common=COMMON_STEPS.get(step.nth),
        )
        for step in steps
    ]
    chart = bar_chart(bars, percent=words.percent, tick=words.tick, not_enough=_("Not enough yet"))
    rows = [
        (
            _step_label(step.nth),
            words.count(step.base),
            words.count(step.reached),
            words.percent(step.rate) if step.base >= FEW else _("Not enough yet"),
            f"{words.percent(step.low)} – {words.percent(step.high)}" if step.base >= FEW else "–",
        )
        for step in steps
    ]
    common = _("common in stores: %(first)s, then %(second)s") % {
        "first": words.tick(COMMON_STEPS[1]),
        "second": words.tick(COMMON_STEPS[2]),
    }
    if not steps or steps[0].base < FEW:
        return LadderCard(_not_enough(steps[0].base if steps else 0, words), None, rows, common)
    return LadderCard(_ladder_answer(steps, words), chart, rows, common)


def _ladder_answer(steps: list[LadderStep], words: Words) -> str:
    answer = _("%(rate)s of first-time buyers place a second order.") % {"rate": words.percent(steps[0].rate)}
    if len(steps) > 1 and steps[1].base >= FEW and steps[1].rate > steps[0].rate:
        return f"{answer} " + _("Once they have, %(rate)s come back a third time.") % {
            "rate": words.percent(steps[1].rate)
        }
    return answer


def _step_label(nth: int) -> str:
    return {
        1: _("1st to 2nd order"),
        2: _("2nd to 3rd order"),
        3: _("3rd to 4th order"),
        4: _("4th to 5th order"),
    }[nth]
