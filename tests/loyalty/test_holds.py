"""Points set aside while the outside decides: one purchase and one booking, or none and the points back."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.models import Sum

from loyalty import holds, ledger, tasks
from loyalty.holds import HoldRefused, KeyReused, NotRedeemed, hold, hold_give_up, hold_resume, undo
from loyalty.models import Account, Entry, LedgerTransaction, Spending
from loyalty.verification import ledger_verify
from retention_app import clock, outbound, removals
from retention_app.models import Customer, DiscountCode, DomainEvent, EventRun, Outbound, Shop
from retention_app.outbound import MayBeDone, Refused
from retention_app.shopify.client import Session
from retention_app.shopify.errors import TransientError
from retention_app.tenancy import shop_scope
from tests.loyalty.ground import LIVE, bring, customers, mirrored, points_of, publish
from tests.loyalty.test_ledger import in_scope, on_postgresql
from tests.orders import line_row, order_row, refund_row
from tests.retention_app.test_outbound import Probe
from tests.workers import work_off


class Bought(Probe):
    """A purchase that lives in this process."""

    name = "bought"
    ended_by = "bought_end"

    def __init__(self) -> None:
        super().__init__()
        self.crashes: list[BaseException] = []

    def named(self, terms: Mapping[str, Any]) -> dict[str, Any]:
        return {"code": f"IT-{terms['of']}"}

    def write(self, spending: Spending) -> int:
        if self.crashes:
            raise self.crashes.pop(0)
        return spending.id

    def settle(self, call: Outbound, effect: int | None) -> None:
        holds.purchase_settle(call)
        if self.crashes:
            raise self.crashes.pop(0)


class Ended(Probe):
    name = Bought.ended_by
    used = False

    def settle(self, call: Outbound, effect: int | None) -> None:
        holds.ending_settle(call, lambda: self.used)


@pytest.fixture
def bought(monkeypatch: pytest.MonkeyPatch) -> Bought:
    """What points buy; nobody wakes a worker."""
    kind = Bought()
    monkeypatch.setitem(outbound._kinds, kind.name, kind)
    monkeypatch.setitem(outbound._kinds, Ended.name, Ended())
    monkeypatch.setattr("retention_app.tasks.outbound_work.apply_async", lambda *_args, **_given: None)
    monkeypatch.setattr("retention_app.tasks.event_runs_work.apply_async", lambda *_args, **_given: None)
    return kind


@pytest.fixture
def ana(shop: Shop, bought: Bought) -> Customer:
    """A member with 50 points from order 5: two mugs at 25.00."""
    publish(shop)
    customers(1, 2)
    mirrored(order_row(5, lines=[line_row(50, 5000, quantity=2)]))
    bring(1)
    return Customer.objects.get(shopify_id=1)


def spend(customer: Customer, points: int = 30, key: str = "form-1", **fields: Any) -> Spending:
    return hold(customer=customer, points=points, key=key, **{"purchase": "bought", "terms": {"of": "a"}, **fields})


def worked(spending: Spending, *, later: float = 0) -> str:
    """The spending's state after everything that is due was done, so many seconds later."""
    with time_machine.travel(clock.now() + dt.timedelta(seconds=later), tick=False):
        work_off()
    spending.refresh_from_db()
    return spending.state


def sums() -> dict[str, int]:
    """What each kind of account adds up to; checks that every transaction sums to zero and nothing is left to post."""
    with time_machine.travel(clock.now() + dt.timedelta(days=3)):  # some of it happened later than now
        assert not ledger_verify().findings
    by_transaction = Entry.objects.order_by().values("transaction").annotate(sum=Sum("amount"))
    assert {row["sum"] for row in by_transaction} <= {0}
    found = Entry.objects.order_by().values_list("account__kind").annotate(Sum("amount"))
    return {kind: points for kind, points in found if points}


HELD = {"member": 20, "held": 30, "issued": -50}
REDEEMED = {"member": 20, "redeemed": 30, "issued": -50}
BACK = {"member": 50, "issued": -50}


def events(type_: str) -> int:
    return DomainEvent.objects.filter(type=type_).count()


# --- asking -----------------------------------------------------------------------------------------------------------


def test_granted_points_are_held_and_the_outside_is_asked(ana: Customer) -> None:
    spending = spend(ana, actor="42")
    assert (spending.state, spending.purpose["code"]) == ("held", "IT-a")
    assert sums() == HELD
    call = Outbound.objects.get()
    assert (call.kind, call.key, call.subject_id) == ("bought", f"spending:{spending.id}", spending.id)
    assert (call.customer_id, call.actor) == (ana.id, "42")


def test_who_lacks_points_is_refused_and_nobody_is_asked(ana: Customer) -> None:
    spending = spend(ana, points=51)
    assert worked(spending) == "refused"
    assert not Outbound.objects.exists()
    assert sums() == BACK


def test_who_never_earned_any_spends_nothing(ana: Customer) -> None:
    assert spend(Customer.objects.get(shopify_id=2), points=1).state == "refused"


def test_the_same_key_spends_once(ana: Customer, bought: Bought) -> None:
    spending = spend(ana)
    assert spend(ana) == spending
    assert worked(spending) == "redeemed"
    assert spend(ana).state == "redeemed"
    assert (bought.did, Spending.objects.count(), sums()) == ([f"spending:{spending.id}"], 1, REDEEMED)


@pytest.mark.parametrize("other", [{"points": 20}, {"terms": {"of": "b"}}])
def test_a_key_that_asked_for_something_else_is_refused(ana: Customer, other: dict[str, Any]) -> None:
    spending = spend(ana)
    with pytest.raises(KeyReused) as reused:
        spend(ana, **other)
    assert reused.value.asked == spending
    with pytest.raises(KeyReused):
        spend(Customer.objects.get(shopify_id=2))


@pytest.mark.parametrize("fields", [{"points": 0}, {"points": -5}, {"points": 10**18}, {"purchase": "probably"}])
def test_nonsense_is_refused(ana: Customer, fields: dict[str, Any]) -> None:
    with pytest.raises(HoldRefused):
        spend(ana, **fields)
    assert not Spending.objects.exists()


@pytest.mark.parametrize(
    "terms",
    [
        {"kind": "percentage", "value": 10_001, "days": 30},
        {"kind": "percentage", "value": 0, "days": 30},
        {"kind": "fixed", "value": 500, "days": 366},
        {"kind": "free", "value": 500, "days": 30},
    ],
)
def test_a_code_has_sane_terms(ana: Customer, terms: dict[str, Any]) -> None:
    with pytest.raises(HoldRefused):
        spend(ana, purchase="spending_code", terms=terms)


def test_who_is_gone_spends_nothing(ana: Customer) -> None:
    removals.customers_gone([1], origin=LIVE)
    ana.refresh_from_db()
    with pytest.raises(HoldRefused):
        spend(ana)


def test_a_strangers_shop_reaches_no_spending(ana: Customer, beta: Shop) -> None:
    spending = spend(ana)

    def as_beta() -> None:
        with pytest.raises(Spending.DoesNotExist):
            hold_resume(spending.id)
        with pytest.raises(NotRedeemed):
            undo(spending=spending, key="undo-1")
        hold_give_up(spending.id)
        holds.spend_again([spending.id])

    in_scope(beta, as_beta)
    assert worked(spending) == "redeemed"


# --- deciding ---------------------------------------------------------------------------------------------------------


def test_what_was_made_is_redeemed(ana: Customer) -> None:
    spending = spend(ana)
    assert worked(spending) == "redeemed"
    assert spending.decided_at is not None
    assert sums() == REDEEMED
    assert (events("points.spent"), events("points.returned")) == (1, 0)


def test_what_was_refused_gives_the_points_back(ana: Customer, bought: Bought) -> None:
    bought.before = [Refused("No such customer")]
    spending = spend(ana)
    assert worked(spending) == "released"
    assert (spending.undone_at is not None, bought.did) == (True, [])
    assert sums() == BACK
    assert points_of(ana.shop) == {1: 50}
    assert Outbound.objects.get().state == "skipped"  # nobody can make it any more
    assert (events("points.spent"), events("points.returned")) == (0, 1)


def test_what_worked_and_was_not_answered_is_redeemed_once(ana: Customer, bought: Bought) -> None:
    bought.after = [TransientError("timed out")]
    spending = spend(ana)
    assert worked(spending) == "held"
    assert worked(spending, later=9) == "redeemed"
    assert (len(bought.did), sums()) == (1, REDEEMED)


def test_what_worked_and_was_then_refused_is_found_and_redeemed(ana: Customer, bought: Bought) -> None:
    bought.after = [Refused("said by a proxy that knows nothing")]
    spending = spend(ana)
    assert worked(spending) == "redeemed"
    assert (len(bought.did), sums(), Outbound.objects.get().state) == (1, REDEEMED, "done")


def test_nothing_is_released_while_the_outside_cannot_be_asked(
    ana: Customer, bought: Bought, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(call: Outbound, session: Session) -> None:
        raise TransientError("down")

    bought.before = [Refused("No")]
    spending = spend(ana)
    look_up = bought.look_up
    monkeypatch.setattr(bought, "look_up", down)
    assert worked(spending) == "held"
    with pytest.raises(MayBeDone):
        hold_give_up(spending.id)
    EventRun.objects.filter(consumer="loyalty.give_up_spending").update(state="dead")  # tried to the end
    monkeypatch.setattr(bought, "look_up", look_up)
    with time_machine.travel(clock.now() + 2 * tasks.HELD_LONG):
        tasks.holds_go_on(shop_id=ana.shop_id)
    assert worked(spending, later=9000) == "released"
    assert sums() == BACK


def test_one_that_fails_keeps_no_other_from_being_looked_at(ana: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [spend(ana, 10, key).id for key in ("form-1", "form-2")]
    looked: list[int] = []

    def resume(spending_id: int) -> None:
        looked.append(spending_id)
        raise RuntimeError("Broken.")

    monkeypatch.setattr(tasks, "hold_resume", resume)
    with time_machine.travel(clock.now() + 2 * tasks.HELD_LONG):
        tasks.holds_go_on(shop_id=ana.shop_id)
    assert looked == both


def test_looking_at_many_goes_on_where_its_slice_of_time_ended(ana: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [spend(ana, 10, key).id for key in ("form-1", "form-2")]
    looked: list[int] = []
    monkeypatch.setattr(tasks, "SLICE_SECONDS", 0)
    monkeypatch.setattr(tasks, "hold_resume", looked.append)
    monkeypatch.setattr(tasks.holds_go_on, "delay", lambda **given: tasks.holds_go_on(**given))
    with time_machine.travel(clock.now() + 2 * tasks.HELD_LONG):
        tasks.holds_go_on(shop_id=ana.shop_id)
    assert looked == both


def test_while_the_app_is_off_nothing_is_decided(ana: Customer, bought: Bought) -> None:
    spending = spend(ana)
    Shop.objects.update(state=Shop.State.UNINSTALLED)
    assert worked(spending, later=90_000) == "held"
    Shop.objects.update(state=Shop.State.INSTALLED)
    assert worked(spending, later=90_000) == "redeemed"


def test_a_call_given_up_before_it_was_made_gives_the_points_back(ana: Customer, bought: Bought) -> None:
    spending = spend(ana)
    outbound.outbound_skip(call=Outbound.objects.get(), reason="The customer was erased.")
    assert worked(spending) == "released"
    assert (bought.did, bought.looked, sums()) == ([], [], BACK)


def test_a_person_who_tries_a_refused_call_again_gets_one_purchase(ana: Customer, bought: Bought) -> None:
    bought.before = [Refused("No")]
    spending = spend(ana)
    outbound.calls_make(shop_id=ana.shop_id, until=clock.now() + dt.timedelta(seconds=20))
    outbound.outbound_retry(call=Outbound.objects.get(), actor="42")
    assert worked(spending) == "redeemed"
    assert (len(bought.did), sums(), events("points.returned")) == (1, REDEEMED, 0)


# --- crashes ----------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process dies."""


def crashed_at(step: str, bought: Bought, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process die once at a step."""

    def dying(function: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
        left = [Crash()]

        def once(*args: Any, **kwargs: Any) -> Any:
            if before and left:
                raise left.pop()
            answer = function(*args, **kwargs)
            if left:
                raise left.pop()
            return answer

        return once

    match step:
        case "asked":
            monkeypatch.setattr(holds, "spending_grant", dying(holds.spending_grant, before=True))
        case "granted":
            monkeypatch.setattr(holds, "spending_grant", dying(holds.spending_grant, before=False))
        case "posting":
            monkeypatch.setattr(ledger, "post", dying(ledger.post, before=True))
        case "writing":
            bought.crashes = [Crash()]
        case "wanted":
            monkeypatch.setattr(holds, "outbound_request", dying(holds.outbound_request, before=False))
        case "calling":
            bought.before = [Crash()]
        case "called":
            bought.after = [Crash()]
        case "settled":
            monkeypatch.setattr(bought, "settle", dying(bought.settle, before=False))


STEPS = ["asked", "posting", "granted", "writing", "wanted", "calling", "settled"]
DEATHS = [(step, refused) for step in STEPS for refused in (False, True)]


@pytest.mark.parametrize(("step", "refused"), [*DEATHS, ("called", False)])
def test_whoever_dies_at_any_step_leaves_the_same_behind(
    ana: Customer, bought: Bought, monkeypatch: pytest.MonkeyPatch, step: str, refused: bool
) -> None:
    crashed_at(step, bought, monkeypatch)
    crashes = 0
    try:
        spend(ana)
    except Crash:
        crashes += 1
    spending = Spending.objects.get()
    if refused:
        bought.before += [Refused("No"), Refused("No")]
    for lease in range(1, 4):
        try:
            with time_machine.travel(clock.now() + dt.timedelta(seconds=lease * 2 * outbound.CALL_SECONDS_MAX)):
                for queue in (Outbound, EventRun):
                    queue.objects.filter(lease_until__lte=clock.system_now()).update(lease_until=None)
                work_off()
        except Crash:
            crashes += 1
    spending.refresh_from_db()
    assert crashes == 1
    assert (spending.state, sums()) == (("released", BACK) if refused else ("redeemed", REDEEMED))
    assert (len(bought.did), events("points.spent"), events("points.returned")) == (not refused, not refused, refused)
    assert Outbound.objects.count() == 1


# --- what happens meanwhile -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (False, {"member": -30, "redeemed": 30}),
        (True, {}),
    ],
)
def test_an_order_refunded_while_its_points_are_held(
    ana: Customer, bought: Bought, refused: bool, expected: dict[str, int]
) -> None:
    bought.before = [Refused("No")] if refused else []
    spending = spend(ana)
    with time_machine.travel(clock.now() + dt.timedelta(minutes=1)):
        lines = [line_row(50, 5000, quantity=2, current_quantity=0)]
        refund = refund_row(55, 6, [(50, 2, 5000)], processed_at=clock.now())
        mirrored(order_row(5, lines=lines, refunds=[refund]))
        bring(1)
        assert sums() | {"issued": 0, "reversed": 0} == {"member": -30, "held": 30, "issued": 0, "reversed": 0}
        worked(spending)
        found = sums()
    assert found.pop("issued") == -50
    assert found.pop("reversed") == 50
    assert found == expected


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("early", [False, True])
def test_a_customer_merged_while_their_points_are_held(
    ana: Customer, bought: Bought, refused: bool, early: bool
) -> None:
    bought.before = [Refused("No")] if refused else []
    spending = spend(ana)
    removals.customers_merge(kept_id=2, deleted_id=1, origin=LIVE)
    if early:  # the merge is posted before the outside decides
        bring(2)
        assert sums() == HELD
    assert worked(spending) == ("released" if refused else "redeemed")
    assert sums() == (BACK if refused else REDEEMED)
    balances = dict(Account.objects.exclude(member=None).values_list("member__customer__shopify_id", "balance"))
    assert balances == {1: 0, 2: 50 if refused else 20}


def test_a_customer_merged_after_points_were_redeemed_can_have_them_back(ana: Customer) -> None:
    spending = spend(ana)
    worked(spending)
    removals.customers_merge(kept_id=2, deleted_id=1, origin=LIVE)
    work_off()
    assert sums() == REDEEMED
    undo(spending=spending, key="undo-1")
    assert worked(spending) == "undone"
    assert sums() == BACK


# --- giving back ------------------------------------------------------------------------------------------------------


@pytest.fixture
def redeemed(ana: Customer) -> Spending:
    spending = spend(ana)
    assert worked(spending) == "redeemed"
    return spending


def test_undone_points_are_back(redeemed: Spending) -> None:
    undo(spending=redeemed, key="undo-1", actor="42")
    undo(spending=redeemed, key="undo-1", actor="42")
    assert worked(redeemed) == "undone"
    assert sums() == BACK
    assert events("points.returned") == 1
    assert Outbound.objects.filter(kind="bought_end").count() == 1
    with pytest.raises(NotRedeemed):
        undo(spending=redeemed, key="undo-2")


def test_two_who_undo_at_once_give_back_once(redeemed: Spending) -> None:
    undo(spending=redeemed, key="undo-1")
    undo(spending=redeemed, key="undo-2")
    assert worked(redeemed) == "undone"
    assert (sums(), events("points.returned")) == (BACK, 1)


def test_what_was_used_stays_spent(redeemed: Spending, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ended, "used", True)
    undo(spending=redeemed, key="undo-1")
    assert worked(redeemed) == "redeemed"
    assert (sums(), events("points.returned")) == (REDEEMED, 0)


def test_what_is_not_redeemed_cannot_be_undone(ana: Customer, bought: Bought) -> None:
    spending = spend(ana)
    with pytest.raises(NotRedeemed):
        undo(spending=spending, key="undo-1")
    assert worked(spending) == "redeemed"


@pytest.mark.parametrize("released", [False, True])
def test_an_order_found_later_with_the_code_spends_the_points_again(ana: Customer, released: bool) -> None:
    terms = {"kind": "fixed", "value": 500, "days": 30}
    spending = spend(ana, purchase="spending_code", terms=terms)
    settle_calls("skipped" if released else "done")
    if not released:
        undo(spending=spending, key="undo-1")
        settle_calls("done")
    assert worked(spending) == ("released" if released else "undone")
    assert sums() == BACK
    code = DiscountCode.objects.get().code
    for _ in range(2):  # told twice
        mirrored(order_row(9, net_minor=1000, paid=False, discount_codes=[code]))
        mirrored(order_row(9, net_minor=1000, discount_codes=[code]))
        assert worked(spending) == "redeemed"
    assert sums() == {"member": 30, "redeemed": 30, "issued": -60}
    assert events("points.spent") == (1 if released else 2)


def test_points_undone_used_and_undone_again_between_two_judgements_are_judged_anew(redeemed: Spending) -> None:
    row = Spending.objects.filter(id=redeemed.id)
    for hours in (1, 2):
        row.update(state="undone", undone_at=clock.now() + dt.timedelta(hours=hours))
        assert bring(1).members == 1
    assert bring(1).members == 0


def settle_calls(state: str) -> None:
    """Finish what is wanted of the platform without asking it."""
    for call in Outbound.objects.filter(state="waiting"):
        call.state, call.done_at = state, clock.now()
        call.save()
        outbound.kinds()[call.kind].settle(call, 91 if state == "done" else None)


# --- races ------------------------------------------------------------------------------------------------------------

PARALLEL = 50


def test_who_loses_the_revision_is_judged_anew(ana: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    write, overtaken = ledger.post, []

    def overtaking(*args: Any, **kwargs: Any) -> Any:
        if not overtaken:
            overtaken.append(True)
            assert spend(ana, key="form-2").state == "held"
        return write(*args, **kwargs)

    monkeypatch.setattr(ledger, "post", overtaking)
    assert spend(ana).state == "refused"
    assert sums() == HELD


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_spend_a_balance_for_one_once(alpha: Shop, bought: Bought) -> None:
    with shop_scope(alpha.id):
        publish(alpha)
        customers(1)
        mirrored(order_row(5, net_minor=3000))
        bring(1)
        ana = Customer.objects.get()
    states: list[str] = []
    failures: list[BaseException] = []
    barrier = threading.Barrier(PARALLEL)

    def work_one(number: int) -> None:
        try:
            with shop_scope(alpha.id):
                barrier.wait(timeout=60)
                states.append(spend(ana, key=f"form-{number}").state)
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=work_one, args=(number,)) for number in range(PARALLEL)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sorted(states) == ["held", *["refused"] * (PARALLEL - 1)]
    with shop_scope(alpha.id):
        assert Outbound.objects.count() == 1
        assert sums() == {"held": 30, "issued": -30}
        assert LedgerTransaction.objects.count() == 2
        work_off()
        assert sums() == {"redeemed": 30, "issued": -30}
        assert Spending.objects.filter(state="redeemed").count() == 1
        assert len(bought.did) == 1
