"""What loyalty does when it hears of facts. Names never change: a renamed consumer would run every event again."""

from __future__ import annotations

from collections.abc import Sequence

from loyalty import facts
from loyalty.holds import hold_give_up, hold_resume
from loyalty.ledger import members_bring_along, members_bring_up_to_date, members_judge_soon
from loyalty.simulation import simulation_advance
from loyalty.spending_codes import orders_use
from retention_app.events import Consumer, register
from retention_app.models import Customer, DomainEvent
from retention_app.removals import deleted_order

CATCH_UP_SLICE = 500  # customers a step
_OF_ORDERS = frozenset({"order.paid", "order.updated"})  # whose subject is an order the mirror has
_OF_MEMBERS = frozenset({"points.adjusted", "points.spent", "points.returned", "tier.moved"})
_OF_PROGRAMME = frozenset(
    {"programme.published", "programme.withdrawn", "programme.backfilled", "shop.reckoning_changed"}
)


def bring_up_to_date(events: Sequence[DomainEvent]) -> None:
    """Post what the events' customers are missing, and take back from whom an order was moved away or deleted. Points
    that went back although an order used their code are spent again."""
    order_ids = {event.subject_id for event in events if event.type in _OF_ORDERS and event.subject_id is not None}
    orders_use(order_ids)
    members_bring_up_to_date(
        {event.customer_id for event in events if event.customer_id is not None},
        order_ids=order_ids,
        deleted_orders={deleted_order(event) for event in events if event.type == "order.deleted"},
    )


def catch_up(event: DomainEvent, cursor: int) -> int | None:
    """Judge the next slice of customers by the programme as published; the cursor is the last customer's id."""
    customers = Customer.objects.filter(id__gt=cursor).order_by("id").values_list("id", flat=True)
    customer_ids = list(customers[:CATCH_UP_SLICE])
    members_bring_along(customer_ids)
    return customer_ids[-1] if len(customer_ids) == CATCH_UP_SLICE else None


def resume_spending(event: DomainEvent, cursor: int) -> None:
    """Go on with a spending whose asking was interrupted."""
    assert event.subject_id is not None
    hold_resume(event.subject_id)


def give_up_spending(event: DomainEvent, cursor: int) -> None:
    """Release the points of a spending that came to nothing outside."""
    assert event.subject_id is not None
    hold_give_up(event.subject_id)


def simulate(event: DomainEvent, cursor: int) -> int | None:
    """Go through the next slice of members of a simulation, which keeps its own place."""
    assert event.subject_id is not None
    return simulation_advance(event.subject_id)


def judge_labelled(events: Sequence[DomainEvent]) -> None:
    """Have members judged anew who ordered products that are called something else, if the rules go by such names."""
    programme = facts.programme()
    if programme and programme.goes_by_labels:
        members_judge_soon({event.subject_id for event in events if event.subject_id is not None})


register(Consumer(name="loyalty.judge_labelled", types=frozenset({"product.labelled"}), batch=judge_labelled))
register(
    Consumer(
        name="loyalty.bring_up_to_date",
        types=_OF_ORDERS | _OF_MEMBERS | {"order.deleted", "order.moved", "customer.merged", "customer.signed_in"},
        batch=bring_up_to_date,
    )
)
register(Consumer(name="loyalty.catch_up", types=_OF_PROGRAMME, step=catch_up))
register(Consumer(name="loyalty.simulate", types=frozenset({"programme.simulation_asked"}), step=simulate))
register(Consumer(name="loyalty.resume_spending", types=frozenset({"spending.asked"}), step=resume_spending))
register(Consumer(name="loyalty.give_up_spending", types=frozenset({"spending.stuck"}), step=give_up_spending))
