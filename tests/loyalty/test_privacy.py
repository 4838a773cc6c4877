"""Loyalty's part of a customer's file and of an erasure."""

from __future__ import annotations

import json

from django.core.serializers.json import DjangoJSONEncoder

from loyalty.announcements import announcements_make
from loyalty.models import Adjustment, Spending, TierMove
from loyalty.privacy import LoyaltyPrivacy
from loyalty.staff import points_adjust, tier_move
from tests.loyalty.conftest import Tiered, customer, days, go


def decided(tiered: Tiered, shopify_id: int = 1) -> None:
    """Staff gave the customer points and a tier, and noted why."""
    person, said = customer(shopify_id), {"note": "Zebulonia rang", "actor": "42", "key": f"of {shopify_id}"}
    points_adjust(shop=tiered.shop, customer=person, points=50, reason="late", expires_at=days(20), **said)
    tier_move(shop=tiered.shop, customer=person, level="gold", until=days(20), **said)


def test_a_file_has_decisions_spendings_tiers_and_announcements(tiered: Tiered) -> None:
    decided(tiered)
    decided(tiered, 2)
    Spending.objects.create(
        shop=tiered.shop,
        customer=customer(1),
        at=days(1),
        points=20,
        state="redeemed",
        purpose={"code": "ENC-1"},
        key="1",
    )
    go(tiered, 2)
    announcements_make(tiered.shop, customer(1), "panel")
    (account,) = LoyaltyPrivacy().customer_export(tiered.shop, [customer(1).id])
    assert (account["customer"], account["points"], account["tier"]) == (1, 30, "gold")
    assert [entry["what"] for entry in account["entries"]] == [
        "Points used, ENC-1",
        "Adjusted by the store: Late parcel",
    ]
    assert [(one["points"], one["reason"], one["note"]) for one in account["adjustments"]] == [
        (50, "Late parcel", "Zebulonia rang")
    ]
    assert [(one["points"], one["purpose"]) for one in account["spendings"]] == [(20, {"code": "ENC-1"})]
    assert [(one["before"], one["after"], one["reason"]) for one in account["tiers"]] == [("", "gold", "staff")]
    assert [(one["level"], one["note"]) for one in account["tier_moves"]] == [("gold", "Zebulonia rang")]
    assert [(one["days"], one["channel"]) for one in account["announcements"]] == [(30, "panel")] * 2
    assert json.dumps(account, cls=DjangoJSONEncoder)


def test_who_has_nothing_here_is_in_no_file(tiered: Tiered) -> None:
    assert LoyaltyPrivacy().customer_export(tiered.shop, [customer(1).id]) == []


def test_an_erasure_takes_the_notes_and_leaves_the_sums(tiered: Tiered) -> None:
    decided(tiered)
    decided(tiered, 2)
    for notes in (2, 0):  # safe to repeat
        assert LoyaltyPrivacy().customer_erase([customer(1).id]) == {"entries_kept": 1, "notes": notes}
    for model in (Adjustment, TierMove):
        assert list(model.objects.order_by("customer_id").values_list("note", flat=True)) == ["", "Zebulonia rang"]
