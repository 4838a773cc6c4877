"""Who is in which tier, who moved lately, and who is about to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty import selectors
from loyalty.rules.programme import completed
from loyalty.selectors import TierPeople
from loyalty.sentences import sentences, threshold, times
from retention_app.charts import Bar, BarChart, bar_chart, share_chart
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import Shop
from retention_app.rights import Right
from retention_app.views.admin_page import page
from retention_app.words import Words, words_for


@dataclass(frozen=True)
class TierRow:
    """A tier in words; `url` leads to its people."""

    name: str
    threshold: str
    earns: str
    url: str
    people: TierPeople


@shop_view(Right.READ)
def tiers(request: ShopRequest) -> HttpResponse:
    """The live tiers with their people, the highest first."""
    shop, words = request.shop, words_for(request.shop)
    live = selectors.programme_live(shop.id)
    document = completed(live.document) if live else None
    context: dict[str, Any] = {"shop": shop, "live": live, "rows": []}
    if document is not None and document["tiers"]:
        levels = document["tiers"]["levels"]
        people = selectors.tier_people([level["key"] for level in levels])
        rows = [
            TierRow(
                level["name"],
                threshold(document["tiers"], level, words),
                times(level["percent"], words),
                _people_url(level["key"]),
                people[level["key"]],
            )
            for level in reversed(levels)
        ]
        rows.append(TierRow(_("No tier"), "–", times(100, words), _people_url("none"), people[""]))
        context |= {
            "rows": rows,
            "chart": _chart(rows, words),
            "answer": _answer(rows, words),
            "how": sentences(document, words).tiers[0],
            **_months(rows, people, shop, words),
        }
    return page(request, "loyalty/tiers.html", context, current="loyalty")


def _people_url(level: str) -> str:
    return f"{reverse('admin:customers')}?{urlencode({'tier': level})}"


def _answer(rows: list[TierRow], words: Words) -> str:
    everybody = sum(row.people.people for row in rows)
    members = ngettext("%(count)s member", "%(count)s members", everybody) % {"count": words.count(everybody)}
    held = sum(row.people.people for row in rows[:-1])
    return _("%(held)s of %(members)s hold a tier.") % {"held": words.count(held), "members": members}


def _months(rows: list[TierRow], people: Mapping[str, TierPeople], shop: Shop, words: Words) -> dict[str, Any]:
    """The last twelve months: their chart, the sentence over it, the same numbers as rows, newest first."""
    levels = list(people)
    now = {level: people[level].people for level in levels}
    months = [
        (words.month(first), [held[level] for level in levels])
        for first, held in selectors.tier_months(now, ZoneInfo(shop.timezone))
    ]
    first, last = (1 - month[0] / sum(month) if sum(month) else None for month in (months[0][1], months[-1][1]))
    names = [row.name for row in reversed(rows)]
    return {
        "months": share_chart(names, months, count=words.count),
        "months_answer": _months_answer(first, last, months[0][0], words),
        "months_table": {"names": names, "rows": months[::-1]},
    }


def _months_answer(first: float | None, last: float | None, since: str, words: Words) -> str:
    """What share holds a tier, from and to."""
    if last is None:
        return _("Nobody is a member yet.")
    if first is None:
        return _("%(share)s of members hold a tier today.") % {"share": words.percent(last)}
    told = {"before": words.percent(first), "month": since, "after": words.percent(last)}
    return _("%(before)s of members held a tier at the end of %(month)s, %(after)s today.") % told


def _chart(rows: list[TierRow], words: Words) -> BarChart | None:
    everybody = sum(row.people.people for row in rows)
    if not everybody:
        return None
    bars = [Bar(row.name, words.count(row.people.people), everybody, row.people.people / everybody) for row in rows]
    return bar_chart(bars, percent=words.percent, tick=words.tick, not_enough="")
