"""Everything the panel shows of a visitor, in one statement of both databases' dialect.

It reads projections only (accounts, lots, members' tiers, postings): nothing is reckoned but what depends on the
present instant, and that by the same rules as elsewhere (`loyalty.selectors.summary_of`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import orjson
from django.db import connection

from loyalty.announcements import Notice
from loyalty.explain import Explanation
from loyalty.models import Account, Adjustment, Member, Spending
from loyalty.rules.programme import Document
from loyalty.sql import instant, instant_if_any
from retention_app.models import Shop
from retention_app.privacy.tombstones import digest_of
from retention_app.tenancy import shop_scope

ENTRIES_SHOWN = 10
# A notice of an expiry is made at most 30 days before it, and it happens at most 7 days after the last of two.
NOTICES_KEPT = dt.timedelta(days=60)

_BIGINT_MAX = 2**63 - 1

Asked = Callable[[int], list[Any]]  # the statement's parameters, once the shop's id is known


class LotRow(NamedTuple):
    source: str
    points: int
    usable_from: dt.datetime | None
    due: dt.datetime | None
    ends: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Posting:
    """An entry of the member's account with what its words need (`loyalty.explain.Dated`)."""

    id: int
    at: dt.datetime
    amount: int
    source: str
    explanation: Explanation
    usable_from: dt.datetime | None
    expires_at: dt.datetime | None
    order_name: str
    adjustment: Adjustment | None
    spending: Spending | None


@dataclass(frozen=True, slots=True)
class Person:
    """A customer of the mirror; one the programme hasn't seen yet has a blank member. `has_signed_in`: that is known
    already, as it is from the moment after they first ask."""

    first_name: str
    has_signed_in: bool
    member: Member
    debt: int
    lots: list[LotRow]
    postings: list[Posting]  # newest business first; one more than is shown, if there are more
    notices: list[Notice]


@dataclass(frozen=True, slots=True)
class Found:
    """A shop, its live programme, and the visitor. `accounts` is the platform's word for the shop's customer accounts,
    empty while it isn't known; `person` is None for the anonymous and for who isn't mirrored yet; `is_erased`: they
    asked to be forgotten."""

    name: str
    currency: str
    timezone: str
    accounts: str
    number: int
    document: Document | None
    is_erased: bool
    person: Person | None


def asked(domain: str, customer_shopify_id: int | None, now: dt.datetime) -> Asked:
    """What to ask for a visitor."""
    known = customer_shopify_id is not None and customer_shopify_id <= _BIGINT_MAX
    instants = [connection.ops.adapt_datetimefield_value(at) for at in (now, now - NOTICES_KEPT)]

    def parameters(shop_id: int) -> list[Any]:
        with shop_scope(shop_id):
            digest = digest_of(customer_shopify_id) if customer_shopify_id is not None else ""
        return [shop_id, domain, customer_shopify_id if known else None, *instants, digest]

    return parameters


def found_in(text: str) -> Found:
    """What the statement's answer says."""
    name, currency, timezone, accounts, programme, is_erased, person = orjson.loads(text)
    number, document = programme or (0, None)
    return Found(
        name,
        currency,
        timezone,
        accounts,
        number,
        document,
        bool(is_erased),
        _person(*person) if person else None,
    )


def _person(
    first_name: str,
    has_signed_in: int,
    tier: str | None,
    quantity: int | None,
    move_down: Mapping[str, Any] | None,
    unclaimed: int | None,
    claimed: Mapping[str, Any] | None,
    debt: int | None,
    lots: list[list[Any]] | None,
    entries: list[list[Any]] | None,
    notices: list[list[Any]] | None,
) -> Person:
    return Person(
        first_name=first_name,
        has_signed_in=bool(has_signed_in),
        member=Member(
            tier=tier or "",
            tier_quantity=quantity or 0,
            move_down=move_down,
            unclaimed=bool(unclaimed),
            claimed=claimed,
        ),
        debt=debt or 0,
        lots=[
            LotRow(source, points, *(instant_if_any(value) for value in instants))
            for source, points, *instants in lots or ()
        ],
        postings=[_posting(*entry) for entry in entries or ()],
        notices=[(subject, days, instant(at)) for subject, days, at in notices or ()],
    )


def _posting(
    id_: int,
    at: str,
    amount: int,
    source: str,
    explanation: Explanation,
    usable_from: str | None,
    expires_at: str | None,
    order_name: str | None,
    reason: str | None,
    purpose: dict[str, Any] | None,
) -> Posting:
    return Posting(
        id=id_,
        at=instant(at),
        amount=amount,
        source=source,
        explanation=explanation,
        usable_from=instant_if_any(usable_from),
        expires_at=instant_if_any(expires_at),
        order_name=order_name or "",
        adjustment=None if reason is None else Adjustment(reason=reason),
        spending=None if purpose is None else Spending(purpose=purpose),
    )


# Rows are JSON arrays, so that everything comes in one column. A posting's source names the adjustment or the spending
# it is of, `adjustment:7` or `expiry:adjustment:7:…`.
_TEXT = """
SELECT cast({array}(
    s.name, s.currency, s.timezone, s.customer_accounts,
    {json}((
        SELECT {array}(v.number, {json}(v.document)) FROM loyalty_programmeversion v
        WHERE v.shop_id = s.id AND v.effective_from <= {now} AND s.storefront_off_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM loyalty_programmewithdrawal w WHERE w.shop_id = s.id AND w.version_id = v.id)
        ORDER BY v.number DESC LIMIT 1
    )),
    EXISTS (SELECT 1 FROM retention_app_tombstone t WHERE t.shop_id = s.id AND t.digest = {digest}),
    {json}((
        SELECT {array}(
            c.first_name, c.signed_in_at IS NOT NULL, m.tier, m.tier_quantity, {json}(m.move_down), m.unclaimed,
            {json}(m.claimed), a.debt,
            {json}((
                SELECT {rows}({array}(l.source, l.points, l.usable_from, l.due, l.ends)) FROM (
                    SELECT * FROM loyalty_lot o WHERE o.shop_id = s.id AND o.account_id = a.id ORDER BY o.id
                ) l
            )),
            {json}((
                SELECT {rows}({array}(
                    e.id, e.occurred_at, e.amount, e.source, {json}(e.explanation), e.usable_from, e.expires_at,
                    (SELECT o.name FROM retention_app_order o
                        WHERE o.shop_id = s.id AND o.shopify_id = e.order_shopify_id),
                    (SELECT g.reason FROM loyalty_adjustment g WHERE g.shop_id = s.id
                        AND g.id = CASE WHEN e.about LIKE 'adjustment:%' THEN cast({number} AS bigint) END),
                    {json}((SELECT p.purpose FROM loyalty_spending p WHERE p.shop_id = s.id AND p.id =
                        CASE WHEN e.about LIKE 'spending:%' OR e.about LIKE 'undo:%' THEN cast({number} AS bigint) END))
                )) FROM (
                    SELECT n.*, replace(n.source, 'expiry:', '') AS about FROM loyalty_entry n
                    WHERE n.shop_id = s.id AND n.account_id = a.id
                        AND n.explanation ->> 'kind' <> 'moved'
                    ORDER BY n.occurred_at DESC, n.id DESC LIMIT {shown}
                ) e
            )),
            {json}((
                SELECT {rows}({array}(n.subject, n.days, n.at)) FROM loyalty_announcement n
                WHERE n.shop_id = s.id AND (n.at > {since} OR n.subject = m.move_down ->> 'subject')
                    AND n.customer_id IN (
                        SELECT c.id UNION ALL
                        SELECT k.id FROM retention_app_customer k WHERE k.shop_id = s.id AND k.merged_into_id = c.id
                    )
            ))
        )
        FROM retention_app_customer c
        LEFT JOIN loyalty_member m ON m.shop_id = c.shop_id AND m.customer_id = c.id
        LEFT JOIN loyalty_account a ON a.shop_id = c.shop_id AND a.member_id = m.id AND a.asset = '{points}'
        WHERE c.shop_id = s.id AND c.shopify_id = {customer}
    ))
) AS text)
FROM retention_app_shop s
WHERE s.id = {shop} AND s.domain = {domain} AND s.state = '{installed}'
"""
_DIALECTS = {
    "postgresql": ("$", "json_build_array", "json_agg", "", "split_part(e.about, ':', 2)"),
    "sqlite": ("?", "json_array", "json_group_array", "json", "substr(e.about, instr(e.about, ':') + 1)"),
}


@cache
def statement(vendor: str) -> str:
    """The statement: one row with one text if the shop has us installed, else none. Its parameters are `asked`'s."""
    mark, array, rows, json, number = _DIALECTS[vendor]
    names = ("shop", "domain", "customer", "now", "since", "digest")
    return _TEXT.format(
        array=array,
        rows=rows,
        json=json,
        number=number,
        shown=ENTRIES_SHOWN + 1,
        points=Account.POINTS,
        installed=Shop.State.INSTALLED.value,
        **{name: f"{mark}{position}" for position, name in enumerate(names, 1)},
    )
