"""Loyalty's part of what people may ask of their data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings

from loyalty.explain import explanation_lines, what
from loyalty.models import Account, Entry
from loyalty.selectors import ledger_rows
from retention_app.models import Customer, Shop
from retention_app.privacy.engines import EnginePrivacy

ROWS_MAX = 10_000  # of one customer's ledger in a file


class LoyaltyPrivacy(EnginePrivacy):
    name = "loyalty"

    def customer_export(self, shop: Shop, customer_ids: Collection[int]) -> Any:
        """Points and every posting with its reason in sentences, of each of the person's accounts."""
        return [
            {
                "customer": customer.shopify_id,
                "points": Account.objects.get(member__customer=customer, asset=Account.POINTS).balance,
                "entries": [
                    {
                        "at": row.at,
                        "points": row.amount,
                        "balance": row.balance,
                        "what": what(row, settings.LANGUAGE_CODE),
                        "why": explanation_lines(row.explanation, settings.LANGUAGE_CODE, shop.currency),
                        "programme_version": row.version,
                    }
                    for row in ledger_rows(customer, ROWS_MAX)
                ],
            }
            for customer in Customer.objects.filter(id__in=customer_ids, members__isnull=False).order_by("id")
        ]

    def customer_erase(self, customer_ids: Collection[int]) -> Mapping[str, int]:
        """Postings name orders and goods, nobody: they all stay, so that the ledger adds up."""
        return {"entries_kept": Entry.objects.filter(account__member__customer_id__in=customer_ids).count()}
