"""Loyalty's part of what people may ask of their data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings

from loyalty.explain import reason_text, what, why
from loyalty.models import Account, Adjustment, AdjustmentRequest, Announcement, Entry, Spending, TierChange, TierMove
from loyalty.selectors import ledger_rows
from retention_app.models import Customer, Shop
from retention_app.privacy.engines import EnginePrivacy
from retention_app.words import Words

ROWS_MAX = 10_000  # of one customer's ledger in a file


class LoyaltyPrivacy(EnginePrivacy):
    name = "loyalty"

    def customer_export(self, shop: Shop, customer_ids: Collection[int]) -> Any:
        """Each of the person's accounts: points, every posting with its reason in sentences, tiers, and what staff
        decided, points were used for and was announced."""
        words = Words(settings.LANGUAGE_CODE, shop.currency, shop.timezone)
        people = Customer.objects.filter(id__in=customer_ids).order_by("id")
        accounts = [_account(customer, words) for customer in people]
        return [account for account in accounts if any(held for name, held in account.items() if name != "customer")]

    def customer_erase(self, customer_ids: Collection[int]) -> Mapping[str, int]:
        """Postings name orders and goods, nobody: they all stay, so that the ledger adds up. What staff noted goes."""
        of_person = {"customer__in": customer_ids}
        noted = [
            model.objects.filter(**of_person).exclude(note="") for model in (Adjustment, AdjustmentRequest, TierMove)
        ]
        AdjustmentRequest.objects.filter(**of_person).exclude(answer="").update(answer="")
        return {
            "entries_kept": Entry.objects.filter(account__member__customer_id__in=customer_ids).count(),
            "notes": sum(rows.update(note="") for rows in noted),
        }


def _account(customer: Customer, words: Words) -> dict[str, Any]:
    account = Account.objects.filter(member__customer=customer, asset=Account.POINTS).select_related("member").first()
    member = account.member if account else None
    return {
        "customer": customer.shopify_id,
        "points": account.balance if account else 0,
        "tier": member.tier if member else "",
        "entries": [
            {
                "at": row.at,
                "points": row.amount,
                "balance": row.balance,
                "what": what(row, words),
                "why": why(row, words),
                "programme_version": row.version,
            }
            for row in ledger_rows(customer, ROWS_MAX)
        ],
        "tiers": list(TierChange.objects.filter(member=member).order_by("at").values("at", "before", "after", "reason"))
        if member
        else [],
        "adjustments": [
            {"at": one.at, "points": one.points, "reason": reason_text(one.reason), "note": one.note}
            for one in Adjustment.objects.filter(customer=customer).order_by("at")
        ],
        "adjustments_asked_for": [
            {
                "at": one.at,
                "points": one.points,
                "reason": reason_text(one.reason),
                "note": one.note,
                "state": one.state,
            }
            for one in AdjustmentRequest.objects.filter(customer=customer).order_by("at")
        ],
        "spendings": list(
            Spending.objects.filter(customer=customer).order_by("at").values("at", "points", "state", "purpose")
        ),
        "tier_moves": list(
            TierMove.objects.filter(customer=customer).order_by("at").values("at", "level", "until", "note")
        ),
        "announcements": list(
            Announcement.objects.filter(customer=customer).order_by("at").values("at", "subject", "days", "channel")
        ),
    }
