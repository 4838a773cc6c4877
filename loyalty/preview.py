"""What the storefront panel would show by rules that aren't live: the answers of `/proxy/v1/` to a made-up member with
three orders of the shop's average, and to who isn't signed in. The rules are those of every statement."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.translation import gettext

from loyalty.models import Member
from loyalty.rules.facts import LineFact, MemberFacts, OrderFact
from loyalty.rules.programme import Document
from loyalty.rules.statement import Statement, statement
from loyalty.selectors import always
from loyalty.session.answer import answer
from loyalty.session.statement import Found, LotRow, Person, Posting
from loyalty.storefront_words import rules_told
from retention_app.models import Shop
from retention_app.words import Words

ORDERED_DAYS_AGO = (45, 20, 2)
COMMON_ORDER = 40  # times the amount that earns


def panel_answers(
    shop: Shop, document: Document, average_minor: int | None, words: Words, now: dt.datetime
) -> dict[str, Any]:
    """What the script is answered, by what it asks for: `session` by who asks, `member` or `visitor`, and `programme`.
    `average_minor` None: some order that earns points."""
    minor = average_minor or COMMON_ORDER * document["earn"]["per_minor"]
    orders = [_order(number, days, minor, shop, now) for number, days in enumerate(ORDERED_DAYS_AGO, 1)]
    judged = statement(MemberFacts(orders=tuple(orders)), always(document, shop.currency, shop.timezone), now)
    person = _person(judged, orders)
    found = Found(shop.name, shop.currency, shop.timezone, shop.customer_accounts, 1, document, False, person)
    return {
        "session": {"member": answer(found, True, words, now), "visitor": answer(found, False, words, now)},
        "programme": rules_told(document, words),
    }


def _order(number: int, days: int, minor: int, shop: Shop, now: dt.datetime) -> OrderFact:
    at = now - dt.timedelta(days=days)
    line = LineFact(id=number, title=gettext("Your product"), quantity=1, current_quantity=1, net_minor=minor)
    return OrderFact(
        id=number,
        name=f"#{1000 + number}",
        processed_at=at,
        currency=shop.currency,
        lines=(line,),
        paid_at=at,
        fulfilled_at=at,
    )


def _person(judged: Statement, orders: list[OrderFact]) -> Person:
    names = {order.id: order.name for order in orders}
    return Person(
        first_name="Maria",
        has_signed_in=True,
        member=Member(tier=judged.tier or "", tier_quantity=int(judged.tier_quantity)),
        debt=judged.debt,
        lots=[LotRow(lot.source, lot.points, lot.usable_from, lot.due, lot.ends) for lot in judged.lots],
        postings=[
            Posting(
                id=number,
                at=line.occurred_at,
                amount=line.amount,
                source=line.source,
                explanation=line.explanation,
                usable_from=line.usable_from,
                expires_at=line.expires_at,
                order_name=names.get(line.order_id or 0, ""),
                adjustment=None,
                spending=None,
            )
            for number, line in reversed(list(enumerate(judged.lines)))
        ],
        notices=[],
    )
