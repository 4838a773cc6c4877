"""Returns, refunds and cancellations; the complaints are those told of other programmes."""

from __future__ import annotations

from tests.loyalty.cases.told import (
    Cancelled,
    Case,
    Edited,
    Fulfilled,
    GivenBack,
    Line,
    Order,
    Paid,
    Returned,
    Used,
    on,
    times,
)

TITLE = "Returns and refunds"
ABOUT = (
    "A return takes back what the order is worth less, line by line, by the rules the order earned by, and never more"
    " than it earned. What would need rewards or markets isn't here (complaints 8 and 21), nor what two tills do at the"
    " same second (11)."
)

CUP, POT = Line("Cup", 20), Line("Pot", 30)
TEA = Line("Tea", 25, labels=("tag:tea",))
OUTLET = Line("Outlet cup", 40, labels=("collection:9",))
DOUBLE_TEA = {"multipliers": [times("Tea", "tag:tea", 200)]}

CASES = (
    Case(
        title="A return goes by the rate its order earned by",
        complaint="1: a refund uses today's rule: 50 earned, the rule doubled, 100 removed.",
        later=(("2026-04-01 00:00", {"earn": {"points": 2, "per_minor": 100}}),),
        rows=(
            on("2026-03-02", Order("A", 50), 50),
            on("2026-04-02", Order("B", 50), 100, usable=150),
            on("2026-04-10", Returned("A"), -50, usable=100),
        ),
    ),
    Case(
        title="A rule that is gone still takes back what it gave",
        complaint="1: the rule is deleted, the refund removes nothing.",
        rules=DOUBLE_TEA,
        later=(("2026-04-01 00:00", {"multipliers": []}),),
        rows=(on("2026-03-02", Order("A", (TEA,)), 50), on("2026-04-10", Returned("A"), -50, usable=0)),
    ),
    Case(
        title="A return paid out as store credit is a return",
        complaint="2: returns issued as store credit don't cancel points.",
        rows=(
            on("2026-03-02", Order("A", (CUP, POT)), 50),
            on("2026-03-10", Returned("A", {"Pot": 1}, how="as store credit"), -30, usable=20),
        ),
    ),
    Case(
        title="Three returns in parts, where one product doesn't count",
        complaint="3: with products left out, several partial refunds are deducted once.",
        rules={"multipliers": [times("Outlet", "collection:9", 0)]},
        note="The outlet cup earned nothing, so its return takes nothing.",
        rows=(
            on("2026-03-02", Order("A", (CUP, POT, OUTLET)), 50),
            on("2026-03-10", Returned("A", {"Cup": 1}), -20, usable=30),
            on("2026-03-11", Returned("A", {"Outlet cup": 1}), 0, usable=30),
            on("2026-03-12", Returned("A", {"Pot": 1}), -30, usable=0),
        ),
    ),
    Case(
        title="Money given back without a return counts, each time",
        complaint="3: refunds of a typed amount are ignored.",
        rows=(
            on("2026-03-02", Order("A", (CUP, POT)), 50),
            on("2026-03-10", Returned("A", money="5.50"), -6, usable=44),
            on("2026-03-11", Returned("A", money="5.50"), -5, usable=39),
            on("2026-03-12", Returned("A", {"Cup": 1, "Pot": 1}), -39, usable=0),
        ),
        note="50.00, 44.50, 39.00: what is left is rounded down, not what is taken. The goods then take only the rest.",
    ),
    Case(
        title="By lines, not by the order's total",
        complaint="4: returning a 20.00 item without a bonus removes 35 of 70 points instead of 20.",
        rules=DOUBLE_TEA,
        rows=(
            on("2026-03-02", Order("A", (CUP, TEA)), 70),
            on("2026-03-10", Returned("A", {"Cup": 1}), -20, usable=50),
        ),
    ),
    Case(
        title="Money given back on an order with a bonus product",
        rules=DOUBLE_TEA,
        note="45.00 earned 70; 9.00 are a fifth of it, so a fifth of the points goes.",
        rows=(
            on("2026-03-02", Order("A", (CUP, TEA)), 70),
            on("2026-03-10", Returned("A", money=9), -14, usable=56),
        ),
    ),
    Case(
        title="A partial return takes its part, also when points were used",
        complaint="5: a partial refund cancels everything, or nothing once some were used.",
        note="30 go back and 10 are there: 20 are owed. The cup's own points stay.",
        rows=(
            on("2026-03-02", Order("A", (CUP, POT)), 50),
            on("2026-03-03", Used(40), -40, usable=10),
            on("2026-03-10", Returned("A", {"Pot": 1}), -30, usable=0, owed=20),
        ),
    ),
    Case(
        title="Buy, use, return everything: nothing is free",
        complaint="6: buy, refund, keep the points.",
        rows=(
            on("2026-03-02", Order("A", 100), 100),
            on("2026-03-03", Used(100), -100, usable=0),
            on("2026-03-04", Returned("A"), -100, usable=0, owed=100),
            on("2026-03-05", Order("B", 100), 100, usable=0, owed=0),
            on("2026-03-06", Cancelled("B"), -100, usable=0, owed=100),
        ),
    ),
    Case(
        title="A return takes what its order gave, never what was used for it again",
        complaint="7: a refund charges spent points a second time.",
        note="The 40 were used for order B. Its return takes B's own 30 points only.",
        rows=(
            on("2026-03-02", Order("A", 100), 100),
            on("2026-03-05 11:55", Used(40), -40, usable=60),
            on("2026-03-05", Order("B", 30), 30, usable=90),
            on("2026-03-10", Returned("B"), -30, usable=60),
        ),
    ),
    Case(
        title="A return and the points used given back at once",
        note="The 40 points used on the order come back, the points it earned go.",
        rows=(
            on("2026-03-02", Order("A", 100), 100),
            on("2026-03-05 11:55", Used(40), -40, usable=60),
            on("2026-03-05", Order("B", 30), 30, usable=90),
            on("2026-03-10", Returned("B"), -30),
            on("2026-03-10", GivenBack(), 40, usable=100, owed=0),
        ),
    ),
    Case(
        title="Paid, edited, fulfilled: earned once",
        complaint="9: each change of an order's status awards again.",
        rows=(
            on("2026-03-02", Order("A", (CUP, POT), paid=False), 30),
            on("2026-03-03", Paid("A")),
            on("2026-03-04", Edited("A", "Cup"), usable=30),
            on("2026-03-05", Fulfilled("A"), usable=30),
        ),
    ),
    Case(
        title="More pieces returned than were bought",
        complaint="10: a notification delivered twice is counted twice.",
        rows=(
            on("2026-03-02", Order("A", (CUP, POT)), 50),
            on("2026-03-10", Returned("A", {"Cup": 1}), -20, usable=30),
            on("2026-03-11", Returned("A", {"Cup": 1}), 0, usable=30, owed=0),
        ),
    ),
    Case(
        title="Returned and cancelled: taken once",
        rows=(
            on("2026-03-02", Order("A", (CUP, POT)), 50),
            on("2026-03-10", Cancelled("A"), -50, usable=0),
            on("2026-03-11", Returned("A"), 0, usable=0, owed=0),
        ),
    ),
    Case(
        title="Returned while the points still wait",
        rules={"waiting": {"days": 14, "after": "payment"}},
        note="They go straight from the waiting ones; other points aren't touched.",
        rows=(
            on("2026-03-02", Order("A", 100), 100, usable=0, pending=100),
            on("2026-03-20", Order("B", 30), 30, usable=100, pending=30),
            on("2026-03-22", Returned("B"), -30, usable=100, pending=0),
        ),
    ),
    Case(
        title="Three for 100.00, returned one by one",
        note="A piece is worth 33.33…; the sums are exact, and in the end nothing is left over.",
        rows=(
            on("2026-03-02", Order("A", (Line("Soap", 100, 3),)), 100),
            on("2026-03-10", Returned("A", {"Soap": 1}), -34, usable=66),
            on("2026-03-11", Returned("A", {"Soap": 1}), -33, usable=33),
            on("2026-03-12", Returned("A", {"Soap": 1}), -33, usable=0),
        ),
    ),
    Case(
        title="A gift card earns when it is spent, not when it is bought",
        complaint="20: a gift card earns when bought and again when spent.",
        note="Order B was paid with the card; it earns as any order does.",
        rows=(
            on("2026-03-02", Order("A", (Line("Gift card", 50, gift_card=True), CUP)), 20),
            on("2026-03-20", Order("B", (POT,)), 30, usable=50),
            on("2026-03-25", Returned("A", {"Gift card": 1}), 0, usable=50),
        ),
    ),
)
