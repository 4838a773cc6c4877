"""What the merchant REST API says about points and programmes."""

from __future__ import annotations

import datetime as dt
from typing import Any, get_args

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from loyalty.models import Adjustment
from loyalty.rules.programme import Short, TierBy, TierPeriod, WaitingAfter
from loyalty.staff import ADJUST_MAX, NOTE_MAX, REASONS
from retention_app import clock
from retention_app.api.customers import MoneySerializer

Said = serializers.Serializer[Any]

COUNTED_BY = get_args(TierBy)
EXPIRES_MAX = dt.timedelta(days=3650)


class TierSerializer(Said):
    """A tier; `key` stays when it is renamed."""

    key = serializers.CharField()
    name = serializers.CharField()


class BalanceSerializer(Said):
    """A member's points. Debts are set off against what can be used: one of the two is zero."""

    customer = serializers.IntegerField(help_text="Shopify's id.")
    points_available = serializers.IntegerField(help_text="Can be used now.")
    points_pending = serializers.IntegerField(help_text="Can be used later.")
    points_unclaimed = serializers.IntegerField(help_text="Wait until the customer's e-mail signs in.")
    points_held = serializers.IntegerField(help_text="Set aside for a reward that is being made.")
    debt = serializers.IntegerField(help_text="Used, and then taken back.")
    worth = MoneySerializer(allow_null=True, help_text="Of the available points; null without a programme.")
    tier = TierSerializer(allow_null=True)


class PendingSerializer(Said):
    """Points that can be used later."""

    points = serializers.IntegerField()
    available_from = serializers.DateTimeField(allow_null=True, help_text="null: not known yet.")


class ExpiringSerializer(Said):
    """Points that expire."""

    points = serializers.IntegerField()
    expires_at = serializers.DateTimeField(help_text="Not before 7 days after the member was told.")


class NextTierSerializer(Said):
    """The tier above."""

    name = serializers.CharField()
    threshold = serializers.IntegerField()
    lacking = serializers.IntegerField()


class MoveDownSerializer(Said):
    """A move down that comes unless more counts."""

    to = serializers.CharField(allow_null=True, help_text="The tier's name; null for none.")
    at = serializers.DateTimeField()


class TierProgressSerializer(Said):
    """What counts towards tiers: minor units spent, points or orders, as `counted_by` says."""

    since = serializers.DateTimeField(allow_null=True)
    counted_by = serializers.ChoiceField(COUNTED_BY)
    counted = serializers.IntegerField()
    next = NextTierSerializer(allow_null=True)
    move_down = MoveDownSerializer(allow_null=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A member",
            {
                "customer": 8101000000001,
                "points_available": 1240,
                "points_pending": 108,
                "points_unclaimed": 0,
                "points_held": 0,
                "debt": 0,
                "worth": {"minor": 6200, "currency": "BRL"},
                "tier": {"key": "gold", "name": "Gold"},
                "pending": [{"points": 108, "available_from": "2026-12-04T13:11:00Z"}],
                "expiring": [{"points": 60, "expires_at": "2027-02-14T02:00:00Z"}],
                "tier_progress": {
                    "since": "2026-09-01T10:00:00Z",
                    "counted_by": "spend",
                    "counted": 58800,
                    "next": {"name": "VIP", "threshold": 100000, "lacking": 41200},
                    "move_down": None,
                },
            },
            response_only=True,
        )
    ]
)
class MemberBalanceSerializer(BalanceSerializer):
    """A member's points with what comes next."""

    pending = PendingSerializer(many=True, help_text="Next first, unknown dates last.")
    expiring = ExpiringSerializer(many=True, help_text="Next first.")
    tier_progress = TierProgressSerializer(allow_null=True, help_text="null without tiers.")


class OrderNameSerializer(Said):
    """An order by Shopify's id, and as people say it; the name is empty when it is gone."""

    id = serializers.IntegerField()
    name = serializers.CharField()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "An order's points",
            {
                "id": 4711,
                "at": "2026-11-20T13:11:00Z",
                "points": 108,
                "balance": 1348,
                "kind": "earned",
                "source": "order:6001000000001",
                "order": {"id": 6001000000001, "name": "#1042"},
                "programme_version": 3,
                "available_from": "2026-12-04T13:11:00Z",
                "expires_at": None,
                "is_pending": True,
                "what": "Order #1042",
                "why": ["Gold 1.5 × 36.00 × 2 points per R$1.00 = 108", "Tier then: Gold."],
                "explanation": {"kind": "earned", "points": 2, "per_minor": 100, "result": 108},
            },
            response_only=True,
        )
    ]
)
class LedgerEntrySerializer(Said):
    """A line of a member's ledger, which never changes: what comes later is another line."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField(help_text="When it counts from.")
    points = serializers.IntegerField(help_text="Negative when points went; 0 for new dates.")
    balance = serializers.IntegerField(help_text="All points after it, pending ones too.")
    kind = serializers.CharField(help_text="earned, first_order, refunded, adjusted, spent, expired, …")
    source = serializers.CharField(help_text="What it is about, by kind and id.")  # type: ignore[assignment]
    order = OrderNameSerializer(allow_null=True)
    programme_version = serializers.IntegerField(allow_null=True, help_text="The version that judged it.")
    available_from = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    is_pending = serializers.BooleanField(help_text="Whether its points can only be used later.")
    what = serializers.CharField(help_text="In words, in the asked language.")
    why = serializers.ListField(child=serializers.CharField(), help_text="All sentences behind it.")
    explanation = serializers.DictField(help_text="The same as data; its keys go by its kind.")


class EarnSerializer(Said):
    """`points` for every `per_minor` minor units spent."""

    points = serializers.IntegerField()
    per_minor = serializers.IntegerField()


class WorthSerializer(Said):
    """`points` points are worth `minor` minor units."""

    points = serializers.IntegerField()
    minor = serializers.IntegerField()


class WaitingSerializer(Said):
    """Points can be used `days` days after payment or fulfilment."""

    days = serializers.IntegerField()
    after = serializers.ChoiceField(get_args(WaitingAfter))


class OrderBonusSerializer(Said):
    """Orders of at least `from_minor` minor units get `points` more."""

    from_minor = serializers.IntegerField()
    points = serializers.IntegerField()


class BonusesSerializer(Said):
    """null where there is none; `first_order` is points."""

    order = OrderBonusSerializer(allow_null=True)
    first_order = serializers.IntegerField(allow_null=True)


class MultiplierSerializer(Said):
    """What carries `label` (a product, a collection or a tag) counts `percent` meanwhile."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    name = serializers.CharField()
    percent = serializers.IntegerField()
    until = serializers.CharField(allow_null=True, help_text="Exclusive; null: for ever.")

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": serializers.CharField(allow_null=True, help_text="null: always.")}


class LevelSerializer(Said):
    """A tier, held from `from` on (minor units, points or orders); its members' orders count `percent`."""

    key = serializers.CharField()
    name = serializers.CharField()
    percent = serializers.IntegerField()

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": serializers.IntegerField()}


class TiersSerializer(Said):
    """Levels ascend. Nobody moves down before `protect_until`."""

    by = serializers.ChoiceField(COUNTED_BY)
    period = serializers.ChoiceField(get_args(TierPeriod))
    grace_days = serializers.IntegerField()
    hold_days = serializers.IntegerField()
    protect_until = serializers.CharField(allow_null=True)
    levels = LevelSerializer(many=True)


class DocumentSerializer(Said):
    """A programme's rules. null is "none": no expiry, no limit, no tiers."""

    earn = EarnSerializer()
    worth = WorthSerializer()
    waiting = WaitingSerializer()
    expiry_months = serializers.IntegerField(allow_null=True)
    short = serializers.ChoiceField(
        get_args(Short), help_text="What a refund finds too few points for is owed, or given up."
    )
    bonuses = BonusesSerializer()
    order_max = serializers.IntegerField(allow_null=True, help_text="Points one order earns at most.")
    multipliers = MultiplierSerializer(many=True)
    tiers = TiersSerializer(allow_null=True)


class VersionSerializer(Said):
    """A published version of the programme."""

    number = serializers.IntegerField()
    state = serializers.ChoiceField(["live", "scheduled", "withdrawn", "past"])
    effective_from = serializers.DateTimeField()
    published_at = serializers.DateTimeField()
    note = serializers.CharField()
    document = DocumentSerializer()


class AdjustmentSerializer(serializers.Serializer[Adjustment]):
    """Points that were given or taken."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    customer = serializers.IntegerField(source="customer.shopify_id", help_text="Shopify's id.")
    points = serializers.IntegerField()
    reason = serializers.ChoiceField(REASONS)
    note = serializers.CharField()
    counts_towards_tiers = serializers.BooleanField(source="counts")
    expires_at = serializers.DateTimeField(allow_null=True)


class WholeNumberField(serializers.IntegerField):
    """A JSON number without decimals: text that looks like one isn't."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_serializer(
    examples=[
        OpenApiExample("For a late parcel", {"points": 50, "reason": "late", "note": "Parcel 7"}, request_only=True)
    ]
)
class AdjustmentRequestSerializer(Said):
    """Points to give, or to take (negative)."""

    points = WholeNumberField(help_text=f"Not 0; at most {ADJUST_MAX} at once, either sign.")
    reason = serializers.ChoiceField(REASONS, help_text="`other` needs a note.")
    note = serializers.CharField(default="", allow_blank=True, max_length=NOTE_MAX, help_text="For the store's team.")
    counts_towards_tiers = serializers.BooleanField(
        default=False, help_text="Whether it counts where tiers go by points."
    )
    expires_at = serializers.DateTimeField(
        default=None, allow_null=True, help_text="Of points that are given; in the future, within ten years."
    )

    def validate_points(self, points: int) -> int:
        if not 0 < abs(points) <= ADJUST_MAX:
            raise serializers.ValidationError(
                f"The limit is {ADJUST_MAX} points at once, and 0 changes nothing.", code="over_limit"
            )
        return points

    def validate(self, said: dict[str, Any]) -> dict[str, Any]:
        expires_at = said["expires_at"]
        if said["reason"] == "other" and not said["note"].strip():
            raise serializers.ValidationError({"note": "Say what the reason is."}, code="required")
        if expires_at and said["points"] < 0:
            raise serializers.ValidationError({"expires_at": "Only points that are given expire."})
        if expires_at and expires_at > clock.now() + EXPIRES_MAX:
            raise serializers.ValidationError({"expires_at": "It has to be within ten years."})
        return said
