"""`/api/v1/…`: points by key: balances, ledgers, adjustments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from loyalty import selectors
from loyalty.explain import what, why
from loyalty.models import ProgrammeVersion
from loyalty.rest_scopes import POINTS_READ, POINTS_WRITE
from loyalty.rest_serializers import (
    AdjustmentRequestSerializer,
    AdjustmentSerializer,
    BalanceSerializer,
    LedgerEntrySerializer,
    MemberBalanceSerializer,
)
from loyalty.rules.programme import completed, worth_minor
from loyalty.selectors import Balance, LedgerRow, MemberSummary, TierStanding
from loyalty.staff import KeyReused, StaffRefused, points_adjust
from retention_app import clock
from retention_app.access import access_customer_known_as
from retention_app.api.paging import PageParameters, page, page_of, parameters
from retention_app.api.problems import KEY_REUSED, NOT_NOW, Problem
from retention_app.api.schema import reads, writes
from retention_app.api.view import ApiView
from retention_app.api.writes import written_once
from retention_app.models import Shop
from retention_app.words import Words


class Balances(ApiView):
    scope = POINTS_READ

    @reads("Points", "balances_list", page_of(BalanceSerializer), query=[PageParameters])
    def get(self, request: Request) -> Response:
        """List balances

        Of all members who are in the store now, by customer.
        """
        asked, live = parameters(PageParameters, request), selectors.programme_live(self.shop.id)

        def serialized(balances: Sequence[Balance]) -> Any:
            return BalanceSerializer([_balance(one, live, self.shop) for one in balances], many=True).data

        return page(request, asked, selectors.balances_after, lambda balance: balance.customer, serialized)


class OneBalance(ApiView):
    scope = POINTS_READ

    @reads("Points", "balances_read", MemberBalanceSerializer, may_miss=True)
    def get(self, request: Request, customer_id: int) -> Response:
        """Read a customer's balance

        Zeros for a customer whom the programme hasn't seen.
        """
        customer = access_customer_known_as(self.shop, customer_id)
        summary = selectors.member_summary(customer, selectors.programme_live(self.shop.id))
        return Response(MemberBalanceSerializer(_member_balance(customer.shopify_id, summary, self.shop)).data)


class Ledger(ApiView):
    scope = POINTS_READ

    @reads("Points", "ledger_list", page_of(LedgerEntrySerializer), query=[PageParameters], speaks=True, may_miss=True)
    def get(self, request: Request, customer_id: int) -> Response:
        """List a customer's ledger

        Every line with its reason, newest first.
        """
        customer = access_customer_known_as(self.shop, customer_id)
        asked, words = parameters(PageParameters, request), self.words

        def serialized(rows: Sequence[LedgerRow]) -> Any:
            return LedgerEntrySerializer([_entry(row, words) for row in rows], many=True).data

        return page(
            request,
            asked,
            lambda limit, after: selectors.ledger_rows(customer, limit, after),
            lambda row: row.id,
            serialized,
        )


class Adjustments(ApiView):
    scope = POINTS_WRITE

    @writes("Points", "adjustments_create", AdjustmentRequestSerializer, AdjustmentSerializer)
    def post(self, request: Request, customer_id: int) -> Response:
        """Adjust a customer's points

        They are in the balance and the ledger at once, and in the store's audit under the key's name.
        """
        customer = access_customer_known_as(self.shop, customer_id)
        asked = AdjustmentRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        said = asked.validated_data

        def write(key: str) -> Mapping[str, Any]:
            try:
                made = points_adjust(
                    shop=self.shop,
                    customer=customer,
                    points=said["points"],
                    reason=said["reason"],
                    note=said["note"],
                    counts=said["counts_towards_tiers"],
                    expires_at=said["expires_at"],
                    actor=self.key.actor,
                    key=key,
                )
            except KeyReused as error:
                raise Problem(KEY_REUSED) from error
            except StaffRefused as error:
                raise Problem(NOT_NOW, f"{error} Nothing was changed.") from error
            return AdjustmentSerializer(made).data

        return written_once(request, api_key=self.key, customer=customer, write=write)


def _balance(balance: Balance, live: ProgrammeVersion | None, shop: Shop) -> dict[str, Any]:
    tiers = completed(live.document)["tiers"] if live else None
    names = {level["key"]: level["name"] for level in tiers["levels"]} if tiers else {}
    return {
        "customer": balance.customer,
        "points_available": balance.points_available,
        "points_pending": balance.points_pending,
        "points_unclaimed": balance.points_unclaimed,
        "points_held": balance.points_held,
        "debt": balance.debt,
        "worth": _money(worth_minor(balance.points_available, live.document) if live else None, shop),
        "tier": _tier(balance.tier, names.get(balance.tier, "")),
    }


def _member_balance(customer: int, summary: MemberSummary, shop: Shop) -> dict[str, Any]:
    now, tier = clock.now(), summary.tier
    return {
        "customer": customer,
        "points_available": summary.points_available,
        "points_pending": summary.points_pending,
        "points_unclaimed": summary.points_unclaimed,
        "points_held": summary.points_held,
        "debt": summary.debt,
        "worth": _money(summary.worth_minor, shop),
        "tier": _tier(tier.key, tier.name) if tier else None,
        "pending": [{"points": part.points, "available_from": part.at} for part in summary.pending],
        "expiring": [{"points": part.points, "expires_at": part.at(now)} for part in summary.expiring],
        "tier_progress": _progress(tier) if tier else None,
    }


def _money(minor: int | None, shop: Shop) -> dict[str, Any] | None:
    return None if minor is None else {"minor": minor, "currency": shop.currency}


def _tier(key: str, name: str) -> dict[str, str] | None:
    """A tier of the live programme; None for none."""
    return {"key": key, "name": name} if name else None


def _progress(tier: TierStanding) -> dict[str, Any]:
    down = tier.move_down
    return {
        "since": tier.since,
        "counted_by": tier.by,
        "counted": tier.quantity,
        "next": tier.next,
        "move_down": down and {"to": down.to or None, "at": down.at(clock.now())},
    }


def _entry(row: LedgerRow, words: Words) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": row.at,
        "points": row.amount,
        "balance": row.balance,
        "kind": row.explanation["kind"],
        "source": row.source,
        "order": row.order_shopify_id and {"id": row.order_shopify_id, "name": row.order_name},
        "programme_version": row.version,
        "available_from": row.usable_from,
        "expires_at": row.expires_at,
        "is_pending": row.is_pending,
        "what": what(row, words),
        "why": why(row, words),
        "explanation": row.explanation,
    }
