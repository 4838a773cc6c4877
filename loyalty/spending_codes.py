"""Discount codes that points buy: made, ended and recognised in orders."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.utils.translation import gettext as _

from loyalty.holds import HoldRefused, ending_settle, purchase_settle, spend_again, spending_of
from loyalty.models import Spending
from retention_app.models import DiscountCode, OrderDiscountCode, Outbound
from retention_app.offers.codes import (
    DAYS_MAX,
    WHOLE,
    DiscountCodeCall,
    DiscountCodeEnd,
    discount_code_want,
    new_code,
)
from retention_app.selectors import orders_with_codes
from retention_app.tenancy import current_shop_id


class SpendingCode(DiscountCodeCall):
    """A `Purchase`: a code. Its terms: `kind` (of `DiscountCode`), `value` (basis points or minor units), `days`."""

    name = "spending_code"
    ended_by = "spending_code_end"

    def named(self, terms: Mapping[str, Any]) -> dict[str, Any]:
        kind, value, days = terms["kind"], terms["value"], terms["days"]
        most = WHOLE if kind == DiscountCode.Kind.PERCENTAGE else 10**12
        if kind not in DiscountCode.Kind or not 0 < value <= most or not 0 < days <= DAYS_MAX:
            raise HoldRefused(f"There is no code of {kind} {value} for {days} days.")
        return {"code": new_code()}

    def write(self, spending: Spending) -> int:
        owner = spending.customer.merged_into or spending.customer
        terms, code = spending.purpose["terms"], spending.purpose["code"]
        return discount_code_want(
            customer=owner,
            code=code,
            kind=terms["kind"],
            value=terms["value"],
            starts_at=spending.at,
            days=terms["days"],
            actor=spending.actor,
        ).id

    def settle(self, call: Outbound, effect: int | None) -> None:
        super().settle(call, effect)
        purchase_settle(call)

    def meaning(self, call: Outbound) -> str:
        if call.state == Outbound.State.SKIPPED:
            return _("The code wasn't made, and the customer has the points back.")
        return super().meaning(call)

    def skipping(self, call: Outbound) -> str:
        return _("The code isn't made, and the customer gets the points back.")


class SpendingCodeEnd(DiscountCodeEnd):
    """Ends a code that points bought, to give them back."""

    name = SpendingCode.ended_by

    def settle(self, call: Outbound, effect: int | None) -> None:
        super().settle(call, effect)
        code = Spending.objects.get(id=spending_of(call.key)).purpose["code"]
        ending_settle(call, used=lambda: bool(orders_with_codes([code])[code]))


def orders_use(order_ids: Collection[int]) -> None:
    """Points that went back are spent again where one of these orders (the mirror's ids) was placed with their code."""
    codes = list(OrderDiscountCode.objects.filter(order_id__in=order_ids).values_list("code", flat=True))
    if not codes:
        return
    bought = DiscountCode.objects.filter(code__in=codes).values_list("id", flat=True)
    calls = Outbound.objects.filter(shop_id=current_shop_id(), kind=SpendingCode.name, subject_id__in=list(bought))
    spend_again([spending_of(key) for key in calls.values_list("key", flat=True)])
