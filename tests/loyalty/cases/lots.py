"""Waiting, expiry, debts."""

from __future__ import annotations

from tests.loyalty.cases.told import (
    BERLIN,
    SAO_PAULO,
    TAIPEI,
    Adjusted,
    Announced,
    Case,
    Expired,
    Fulfilled,
    GivenBack,
    Order,
    Paid,
    Returned,
    TakenAfterAll,
    Used,
    on,
)

TITLE = "When points can be used, and how long"
ABOUT = (
    "Points of each order are kept apart: they wait, can be used, and expire together. What expires first is used"
    " first. Nothing expires that wasn't announced at least 7 days before."
)
WAITING = {"waiting": {"days": 14, "after": "payment"}}
YEAR = {"expiry_months": 12}
MONTH = {"expiry_months": 1}
FLOORED = {"short": "floored"}

CASES = (
    Case(
        title="Fourteen days after payment",
        rules=WAITING,
        rows=(
            on("2026-03-02", Order("A", 50), 50, usable=0, pending=50),
            on("2026-03-16 11:59:59", "A second before", usable=0, pending=50),
            on("2026-03-16", "Fourteen days later", usable=50, pending=0),
        ),
    ),
    Case(
        title="Fourteen days over a change of clocks end at the same time of day",
        rules=WAITING,
        zones=(SAO_PAULO, BERLIN, TAIPEI),
        note="In Berlin the clocks go forward on 29 March and back on 25 October; in the other two they don't.",
        rows=(
            on("2026-03-20", Order("A", 50), 50, pending=50),
            on("2026-04-03 11:59:59", "A second before", usable=0),
            on("2026-04-03", "Fourteen days later", usable=50),
            on("2026-10-20", Order("B", 30), 30, usable=50, pending=30),
            on("2026-11-03 11:59:59", "A second before", usable=50),
            on("2026-11-03", "Fourteen days later", usable=80),
        ),
    ),
    Case(
        title="The waiting begins with the payment where that is later",
        rules=WAITING,
        rows=(
            on("2026-03-02", Order("A", 50, paid=False), 50, usable=0, pending=0),
            on("2026-03-12", Paid("A"), usable=0, pending=50),
            on("2026-03-26", "Fourteen days after the payment", usable=50, pending=0),
        ),
    ),
    Case(
        title="After fulfilment, once that is known",
        rules={"waiting": {"days": 14, "after": "fulfilment"}, **YEAR},
        note="Until everything is fulfilled, nobody knows when the points can be used, nor when they expire.",
        rows=(
            on("2026-03-02", Order("A", 50), 50, usable=0, pending=50),
            on("2026-04-30", "Still not fulfilled", usable=0, pending=50),
            on("2026-05-04", Fulfilled("A"), usable=0, pending=50),
            on("2026-05-18", "Fourteen days after the fulfilment", usable=50, pending=0),
        ),
    ),
    Case(
        title="Announced 30 and 7 days before, expired on the day",
        rules=YEAR,
        zones=(SAO_PAULO, BERLIN, TAIPEI),
        complaint="18: everything expires at midnight in one office's time zone.",
        note="A year later, at midnight of the shop's own day.",
        rows=(
            on("2026-03-02", Order("A", 50), 50),
            on("2027-01-31", Announced("A", "2027-03-02 00:00")),
            on("2027-02-23 00:00", Announced("A", "2027-03-02 00:00")),
            on("2027-03-01 23:59:59", "The last second", usable=50),
            on("2027-03-02 00:00", Expired("A"), -50, usable=0),
        ),
    ),
    Case(
        title="On the day on which midnight doesn't exist",
        rules=MONTH,
        zones=(SAO_PAULO,),
        published="2018-01-01 00:00",
        note="On 4 November 2018 São Paulo's clocks went from midnight to one o'clock at once.",
        rows=(
            on("2018-10-04", Order("A", 50), 50),
            on("2018-10-20", Announced("A", "2018-11-04 00:00")),
            on("2018-11-03 23:59:59", "The last second", usable=50),
            on("2018-11-04 01:00", Expired("A", "2018-11-04 00:00"), -50, usable=0),
        ),
    ),
    Case(
        title="A month after the last of January is the last of February",
        rules=MONTH,
        rows=(
            on("2026-01-31", Order("A", 50), 50),
            on("2026-02-10", Announced("A", "2026-02-28 00:00")),
            on("2026-02-28 00:00", Expired("A"), -50, usable=0),
        ),
    ),
    Case(
        title="Announced late: seven days more",
        rules=YEAR,
        note="It was announced on the very day only, so it takes effect seven days after that.",
        rows=(
            on("2026-03-02", Order("A", 50), 50),
            on("2027-03-02", Announced("A", "2027-03-02 00:00"), usable=50),
            on("2027-03-09 11:59:59", "A second before", usable=50),
            on("2027-03-09", Expired("A", "2027-03-02 00:00"), -50, usable=0),
        ),
    ),
    Case(
        title="Never announced: never expired",
        rules=YEAR,
        complaint="13: existing members aren't told when expiry is switched on.",
        rows=(
            on("2026-03-02", Order("A", 50), 50),
            on("2027-03-02", "A year later", usable=50),
            on("2029-03-02", Used(50), -50, usable=0),
        ),
    ),
    Case(
        title="Each order's points expire by themselves",
        rules=YEAR,
        complaint="12, 13: one quiet year and the whole balance is gone; an expiry date that did nothing.",
        note="What expires first is used first: the 30 come out of order A's 50.",
        rows=(
            on("2026-03-02", Order("A", 50), 50),
            on("2026-09-01", Order("B", 40), 40, usable=90),
            on("2026-10-01", Used(30), -30, usable=60),
            on("2027-01-31", Announced("A", "2027-03-02 00:00")),
            on("2027-03-02 00:00", Expired("A"), -20, usable=40),
            on("2027-08-31", "Order B's are still there", usable=40),
        ),
    ),
    Case(
        title="Points given by staff, with a day on which they expire, and points taken",
        rows=(
            on("2026-03-02", Order("A", 50), 50),
            on("2026-03-03", Adjusted(100, until="2026-12-31 00:00"), 100, usable=150),
            on("2026-03-04", Adjusted(-30), -30, usable=120),
            on("2027-01-01", "Not announced, so still there", usable=120),
        ),
    ),
    Case(
        title="Points used and given back",
        rows=(
            on("2026-03-02", Order("A", 50), 50),
            on("2026-03-03", Used(40), -40, usable=10),
            on("2026-03-05", GivenBack(), 40, usable=50, owed=0),
        ),
    ),
    Case(
        title="Given back after they would have expired: thirty days more",
        rules=MONTH,
        note="Order A's points would have expired on 2 April; given back on 10 April they live until 10 May.",
        rows=(
            on("2026-03-02", Order("A", 50), 50),
            on("2026-03-03", Used(50), -50, usable=0),
            on("2026-04-10", GivenBack(), 50, usable=50),
            on("2026-04-20", Announced("A", "2026-05-10")),
            on("2026-05-10", Expired("A"), -50, usable=0),
        ),
    ),
    Case(
        title="What was used and then returned is owed, and the next order pays it",
        rows=(
            on("2026-03-02", Order("A", 100), 100),
            on("2026-03-03", Used(80), -80, usable=20),
            on("2026-03-10", Returned("A"), -100, usable=0, owed=80),
            on("2026-04-01", Order("B", 50), 50, usable=0, owed=30),
            on("2026-04-02", Order("C", 50), 50, usable=20, owed=0),
        ),
    ),
    Case(
        title="A debt is settled by points that can be used, not by those that wait",
        rules=WAITING,
        rows=(
            on("2026-03-02", Order("A", 100), 100, pending=100),
            on("2026-03-20", Used(80), -80, usable=20),
            on("2026-03-25", Returned("A"), -100, usable=0, owed=80),
            on("2026-04-01", Order("B", 100), 100, usable=0, pending=100, owed=80),
            on("2026-04-15", "Order B's points can be used", usable=20, pending=0, owed=0),
        ),
    ),
    Case(
        title="A shop that gives up what is short",
        rules=FLOORED,
        note="Only the 20 that are left go back; nothing is owed.",
        rows=(
            on("2026-03-02", Order("A", 100), 100),
            on("2026-03-03", Used(80), -80, usable=20),
            on("2026-03-10", Returned("A"), -20, usable=0, owed=0),
            on("2026-04-01", Order("B", 50), 50, usable=50, owed=0),
        ),
    ),
    Case(
        title="A return and then the points given back: owed",
        note="In the end the member has nothing, in whichever order the two come.",
        rows=(
            on("2026-03-02", Order("A", 100), 100),
            on("2026-03-03", Used(80), -80, usable=20),
            on("2026-03-10", Returned("A"), -100, usable=0, owed=80),
            on("2026-03-12", GivenBack(), 80, usable=0, owed=0),
        ),
    ),
    Case(
        title="A return and then the points given back: given up",
        rules=FLOORED,
        note="The 80 that the return had been spared are taken when they come back: no free points.",
        rows=(
            on("2026-03-02", Order("A", 100), 100),
            on("2026-03-03", Used(80), -80, usable=20),
            on("2026-03-10", Returned("A"), -20, usable=0, owed=0),
            on("2026-03-12", GivenBack(), 80),
            on("2026-03-12", TakenAfterAll("A"), -80, usable=0, owed=0),
        ),
    ),
    Case(
        title="A return after the points expired takes nothing twice",
        rules=MONTH,
        rows=(
            on("2026-03-02", Order("A", 100), 100),
            on("2026-03-03", Used(40), -40, usable=60),
            on("2026-03-10", Announced("A", "2026-04-02 00:00")),
            on("2026-04-02 00:00", Expired("A"), -60, usable=0),
            on("2026-04-20", Returned("A"), -40, usable=0, owed=40),
        ),
    ),
)
