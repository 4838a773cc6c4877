"""New versions of the programme, and orders of before it."""

from __future__ import annotations

from tests.loyalty.cases.told import Announced, Case, Expired, Order, Returned, Used, on, tiers

TITLE = "New versions, and orders of before the programme"
ABOUT = "A new version counts from its start on; what was earned before stays as it was."
STRICTER = tiers("spend", "lifetime", Silver=200)

CASES = (
    Case(
        title="Each order by the version of its own second",
        later=(
            ("2026-04-01 00:00", {"earn": {"points": 2, "per_minor": 100}}),
            ("2026-05-01 00:00", {"earn": {"points": 5, "per_minor": 100}}),
        ),
        rows=(
            on("2026-03-31 23:59:59", Order("A", 10), 10),
            on("2026-04-01 00:00", Order("B", 10), 20),
            on("2026-05-02", Order("C", 10), 50, usable=80),
        ),
    ),
    Case(
        title="Expiry is switched on for new points only",
        later=(("2026-04-01 00:00", {"expiry_months": 1}),),
        rows=(
            on("2026-03-02", Order("A", 50), 50),
            on("2026-04-02", Order("B", 30), 30, usable=80),
            on("2026-04-10", Announced("B", "2026-05-02 00:00")),
            on("2026-05-02 00:00", Expired("B"), -30, usable=50),
            on("2030-01-01", "Order A's never expire", usable=50),
        ),
    ),
    Case(
        title="What is short is judged on the day of the return",
        later=(("2026-04-01 00:00", {"short": "floored"}),),
        note="The first return was before the shop gave up such debts and stays owed; the second is given up.",
        rows=(
            on("2026-03-02", Order("A", 50), 50),
            on("2026-03-03", Order("B", 50), 50),
            on("2026-03-04", Used(100), -100, usable=0),
            on("2026-03-10", Returned("A"), -50, usable=0, owed=50),
            on("2026-04-10", Returned("B"), 0, usable=0, owed=50),
        ),
    ),
    Case(
        title="Tiers are switched on: what was spent before counts",
        later=(("2026-06-01 00:00", tiers("spend", "lifetime", Silver=100)),),
        rows=(
            on("2026-03-02", Order("A", 120), 120, tier="none"),
            on("2026-06-01 00:00", "The version starts", tier="Silver"),
        ),
    ),
    Case(
        title="Stricter tiers, with everybody protected to the year's end",
        complaint="15: re-enabling tiers recalculates everyone and may demote.",
        rules=tiers("spend", "lifetime", Silver=100),
        later=(("2026-06-01 00:00", tiers("spend", "lifetime", protect="2027-01-01 00:00", Silver=200)),),
        rows=(
            on("2026-03-02", Order("A", 120), 120, tier="Silver"),
            on("2026-06-01 00:00", "The version starts", tier="Silver"),
            on("2026-12-02", Announced("Silver", "2027-01-01 00:00"), tier="Silver"),
            on("2026-12-31 23:59:59", "The last second", tier="Silver"),
            on("2027-01-01 00:00", "The tier ends", tier="none"),
        ),
    ),
    Case(
        title="Stricter tiers without protection wait for the announcement",
        complaint="15: demoted without an e-mail.",
        rules=tiers("spend", "lifetime", Silver=100),
        later=(("2026-06-01 00:00", STRICTER),),
        rows=(
            on("2026-03-02", Order("A", 120), 120, tier="Silver"),
            on("2026-06-05", Announced("Silver", "2026-06-01 00:00"), tier="Silver"),
            on("2026-06-12 11:59:59", "The last second", tier="Silver"),
            on("2026-06-12", "The tier ends", tier="none"),
        ),
    ),
    Case(
        title="A tier that no longer exists becomes the one below it",
        rules=tiers("spend", "lifetime", Silver=100, Gold=300),
        later=(("2026-06-01 00:00", tiers("spend", "lifetime", Silver=100, Platinum=500)),),
        rows=(
            on("2026-03-02", Order("A", 320), 320, tier="Gold"),
            on("2026-06-01 00:00", "The version starts", tier="Silver"),
        ),
    ),
    Case(
        title="Orders of before the start, by the first version",
        published="2026-03-01 00:00",
        counts_from="2025-06-01 00:00",
        rules={"expiry_months": 12},
        note="Their points expire a year after the start at the earliest, not a year after the order.",
        rows=(
            on("2025-05-31", Order("A", 70), 0),
            on("2025-07-01", Order("B", 50), 50),
            on("2026-03-01 00:00", "The programme starts", usable=50),
            on("2027-01-30", Announced("B", "2027-03-01 00:00")),
            on("2027-02-28 23:59:59", "The last second", usable=50),
            on("2027-03-01 00:00", Expired("B"), -50, usable=0),
        ),
    ),
    Case(
        title="Counting earlier orders after all",
        complaint="14, 19: what is brought in counts as earned that day; existing members get nothing.",
        rules={"expiry_months": 12, **tiers("spend", "lifetime", Silver=100)},
        backfill=("2024-01-01 00:00", "2026-05-10"),
        note="The orders keep their own days, also for tiers. Their points expire a year after the decision.",
        rows=(
            on("2023-12-31", Order("A", 500), 0),
            on("2024-06-01", Order("B", 50), 50, tier="none"),
            on("2025-06-01", Order("C", 60), 60, tier="Silver"),
            on("2026-05-10", "The decision", usable=110, tier="Silver"),
            on("2027-04-10", Announced("B", "2027-05-10 00:00")),
            on("2027-05-10 00:00", Expired("B"), -50, usable=60, tier="Silver"),
        ),
    ),
)
