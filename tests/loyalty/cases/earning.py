"""What orders earn."""

from __future__ import annotations

from tests.loyalty.cases.told import (
    SAO_PAULO,
    TAIPEI,
    Bonus,
    BonusTaken,
    Cancelled,
    Case,
    Edited,
    Line,
    Order,
    Paid,
    Returned,
    on,
    tiers,
    times,
)

TITLE = "What orders earn"
ABOUT = "An order earns by the rules of its own day: what was paid for goods, times the rate, rounded down once."

MUG, TEA = Line("Mug", "11.67"), Line("Tea", "24.33", 3)
GREEN = Line("Green tea", 20, labels=("product:7", "collection:9", "tag:tea"))
CUP = Line("Cup", 30)

CASES = (
    Case(
        title="Points are rounded down once an order, not once a line",
        rules={"earn": {"points": 3, "per_minor": 100}},
        note="The mug alone would give 35, the tea 72: 107. Together they are 36.00, which is 108.",
        rows=(on("2026-03-02", Order("A", (MUG, TEA)), 108), on("2026-03-03", Order("B", (MUG,)), 35, usable=143)),
    ),
    Case(
        title="One point for every 2.50",
        rules={"earn": {"points": 1, "per_minor": 250}},
        rows=(
            on("2026-03-02", Order("A", "2.49"), 0, usable=0),
            on("2026-03-03", Order("B", "2.50"), 1, usable=1),
            on("2026-03-04", Order("C", "99.99"), 39, usable=40),
        ),
    ),
    Case(
        title="A product that counts double",
        rules={"multipliers": [times("Green tea", "product:7", 200)]},
        note="20.00 × 2 + 30.00.",
        rows=(on("2026-03-02", Order("A", (GREEN, CUP)), 70, usable=70),),
    ),
    Case(
        title="A product with a tag that counts half as much again",
        rules={"multipliers": [times("Tea", "tag:tea", 150)]},
        rows=(on("2026-03-02", Order("A", (GREEN, CUP)), 60, usable=60),),
    ),
    Case(
        title="A collection that doesn't count at all",
        rules={"multipliers": [times("Outlet", "collection:9", 0)]},
        rows=(on("2026-03-02", Order("A", (GREEN, CUP)), 30, usable=30),),
    ),
    Case(
        title="Two that meet in one product multiply",
        rules={"multipliers": [times("Tea", "tag:tea", 150), times("Spring", "collection:9", 200)]},
        note="The tea counts 1.5 × 2 = 3 times: 60 and 30.",
        rows=(on("2026-03-02", Order("A", (GREEN, CUP)), 90, usable=90),),
    ),
    Case(
        title="A double weekend begins and ends on the second",
        rules={"multipliers": [times("Tea", "tag:tea", 200, "2026-03-28 00:00", "2026-03-30 00:00")]},
        zones=(SAO_PAULO, "Europe/Berlin", TAIPEI),
        note="In Berlin the clocks go forward that Sunday; the weekend is an hour shorter and still ends at midnight.",
        rows=(
            on("2026-03-27 23:59:59", Order("A", (GREEN,)), 20),
            on("2026-03-28 00:00", Order("B", (GREEN,)), 40),
            on("2026-03-29 23:59:59", Order("C", (GREEN,)), 40),
            on("2026-03-30 00:00", Order("D", (GREEN,)), 20, usable=120),
        ),
    ),
    Case(
        title="Silver's orders count more, from the next order on",
        rules=tiers("spend", "lifetime", Silver=(100, 150)),
        note="The order that brings the tier earns by the tier held before it.",
        rows=(
            on("2026-03-02", Order("A", 100), 100, tier="Silver"),
            on("2026-03-03", Order("B", "33.33"), 49, usable=149, tier="Silver"),
        ),
    ),
    Case(
        title="A bonus for large orders",
        rules={"bonuses": {"order": {"from_minor": 5000, "points": 20}, "first_order": None}},
        note="After the return the order is worth 45.00, which is no large order any more: 45 instead of 75.",
        rows=(
            on("2026-03-02", Order("A", "49.99"), 49),
            on("2026-03-03", Order("B", (Line("Pot", 45), Line("Spoon", 10))), 75, usable=124),
            on("2026-03-10", Returned("B", {"Spoon": 1}), -30, usable=94),
        ),
    ),
    Case(
        title="A bonus for the first order goes to the next when the first is returned whole",
        rules={"bonuses": {"order": None, "first_order": 25}},
        rows=(
            on("2026-03-02", Order("A", 40), 40),
            on("2026-03-02", Bonus("A"), 25, usable=65),
            on("2026-03-05", Order("B", 10), 10, usable=75),
            on("2026-03-10", Returned("A"), -40),
            on("2026-03-10", BonusTaken("A"), -25, usable=10),
            on("2026-03-20", Order("C", 10), 10),
            on("2026-03-20", Bonus("C"), 25, usable=45),
        ),
    ),
    Case(
        title="A most for one order, the first-order bonus beyond it",
        rules={
            "order_max": 100,
            "bonuses": {"order": {"from_minor": 5000, "points": 20}, "first_order": 25},
        },
        note="As long as what is left of the order still earns the most, a return takes nothing.",
        rows=(
            on("2026-03-02", Order("A", (Line("Chair", 150), Line("Lamp", 60))), 100),
            on("2026-03-02", Bonus("A"), 25, usable=125),
            on("2026-03-10", Returned("A", {"Lamp": 1}), 0, usable=125),
        ),
    ),
    Case(
        title="Orders that earn nothing",
        note="A test, another currency, and one that was never paid.",
        rows=(
            on("2026-03-02", Order("A", 50, test=True), 0),
            on("2026-03-03", Order("B", 50, currency="USD"), 0),
            on("2026-03-04", Order("C", 50, paid=False), 0, usable=0),
        ),
    ),
    Case(
        title="An order earns on its own day, once it is paid",
        note="Until the payment there is nothing; then it earns by the rules of its own day, which were others.",
        later=(("2026-03-05 00:00", {"earn": {"points": 5, "per_minor": 100}}),),
        rows=(
            on("2026-03-02", Order("A", 50, paid=False), 50),
            on("2026-03-08", "Still not paid", usable=0, pending=0),
            on("2026-03-09", Paid("A"), usable=50, pending=0),
        ),
    ),
    Case(
        title="Pieces taken off an order never earned",
        rows=(
            on("2026-03-02", Order("A", (CUP, Line("Tea", 24, 3))), 46),
            on("2026-03-03", Edited("A", "Tea", 1), usable=46),
        ),
        note="An edit counts from the order's own day: 30.00 and two teas, once the edit is known.",
    ),
    Case(
        title="A cancelled order gives everything back",
        rows=(
            on("2026-03-02", Order("A", (MUG, TEA)), 36),
            on("2026-03-03", Returned("A", {"Mug": 1}), -12, usable=24),
            on("2026-03-04", Cancelled("A"), -24, usable=0),
        ),
    ),
)
