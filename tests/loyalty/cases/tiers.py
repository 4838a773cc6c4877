"""How members come to a tier and lose it."""

from __future__ import annotations

from tests.loyalty.cases.told import (
    BERLIN,
    SAO_PAULO,
    TAIPEI,
    Adjusted,
    Announced,
    Case,
    Order,
    Returned,
    TierSet,
    Used,
    on,
    tiers,
)

TITLE = "Tiers"
ABOUT = (
    "Up at once, down one tier at a time, and only after it was announced 7 days before. What counts is what was spent,"
    " the points earned or the number of orders; using points never takes a tier."
)
ZONES = (SAO_PAULO, BERLIN, TAIPEI)
ENDS = "The tier ends"

CASES = (
    Case(
        title="Lifetime, over the end of a year",
        rules=tiers("spend", "lifetime", Silver=100, Gold=300),
        zones=ZONES,
        note="A year's end means nothing here. Only a return lowers what was spent.",
        rows=(
            on("2026-12-31 23:30", Order("A", 200), 200, tier="Silver"),
            on("2027-01-01 00:30", Order("B", 100), 100, tier="Gold"),
            on("2030-01-01 00:00", "Three years later", tier="Gold"),
            on("2030-03-10", Returned("B"), -100, tier="Gold"),
            on("2030-03-11", Announced("Gold", "2030-03-10"), tier="Gold"),
            on("2030-03-18", ENDS, tier="Silver"),
            on("2035-01-01", "Order A still counts", tier="Silver"),
        ),
    ),
    Case(
        title="The last 12 months, over the end of a year",
        rules=tiers("spend", "rolling_year", grace=30, Silver=100),
        zones=ZONES,
        note="The two orders are in different years and count together, until the first is twelve months old.",
        rows=(
            on("2026-12-31 23:30", Order("A", 60), 60, tier="none"),
            on("2027-01-01 00:30", Order("B", 60), 60, tier="Silver"),
            on("2027-12-31 23:30", Announced("Silver", "2028-01-30 23:30"), tier="Silver"),
            on("2028-01-23 23:30", Announced("Silver", "2028-01-30 23:30"), tier="Silver"),
            on("2028-01-30 23:29:59", "The last second", tier="Silver"),
            on("2028-01-30 23:30", ENDS, tier="none"),
        ),
    ),
    Case(
        title="Calendar years: kept to the end of the next one, then one down",
        rules=tiers("spend", "calendar_year", grace=30, Silver=100, Gold=300),
        zones=ZONES,
        note="The year is the shop's own: in São Paulo order A was in 2027 by Greenwich.",
        rows=(
            on("2026-12-31 23:30", Order("A", 320), 320, tier="Gold"),
            on("2027-12-31 23:59:59", "Kept through the next year", tier="Gold"),
            on("2028-01-01 00:00", Announced("Gold", "2028-01-31 00:00"), tier="Gold"),
            on("2028-01-24 00:00", Announced("Gold", "2028-01-31 00:00"), tier="Gold"),
            on("2028-01-30 23:59:59", "The last second", tier="Gold"),
            on("2028-01-31 00:00", ENDS, tier="Silver"),
            on("2028-12-31", "One at a time: Silver for the year", tier="Silver"),
            on("2029-01-01 00:00", Announced("Silver", "2029-01-31 00:00"), tier="Silver"),
            on("2029-01-31 00:00", ENDS, tier="none"),
        ),
    ),
    Case(
        title="Calendar years: midnight is another year",
        rules=tiers("spend", "calendar_year", Silver=100),
        zones=ZONES,
        note="In Taipei order A was still in 2026 by Greenwich, and yet keeps the tier through 2028.",
        rows=(
            on("2027-01-01 00:00", Order("A", 120), 120, tier="Silver"),
            on("2028-12-31 23:59:59", "Kept through the next year", tier="Silver"),
            on("2028-12-31 23:59:59", Announced("Silver", "2029-01-01 00:00"), tier="Silver"),
            on("2029-01-07 23:59:59", "Announced a second before: seven days more", tier="none"),
        ),
    ),
    Case(
        title="Calendar years: two years aren't added up",
        rules=tiers("spend", "calendar_year", Silver=100),
        rows=(
            on("2026-12-31 23:30", Order("A", 60), 60, tier="none"),
            on("2027-01-01 00:30", Order("B", 60), 60, tier="none"),
            on("2027-12-31 23:59:59", Order("C", 40), 40, tier="Silver"),
        ),
    ),
    Case(
        title="Years of membership, over the end of a year",
        rules=tiers("spend", "anniversary", Silver=100),
        zones=ZONES,
        note="The member's years begin on 31 December, the day of the first order. A and B are in one of them.",
        rows=(
            on("2026-12-31 23:30", Order("A", 60), 60, tier="none"),
            on("2027-12-30 23:59:59", Order("B", 60), 60, tier="Silver"),
            on("2028-12-01 00:00", Announced("Silver", "2028-12-31 00:00"), tier="Silver"),
            on("2028-12-30 23:59:59", "The last second of the next year of membership", tier="Silver"),
            on("2028-12-31 00:00", ENDS, tier="none"),
        ),
    ),
    Case(
        title="Years of membership: the day itself is the next year",
        rules=tiers("spend", "anniversary", Silver=100),
        zones=ZONES,
        rows=(
            on("2026-12-31 23:30", Order("A", 60), 60, tier="none"),
            on("2027-12-31 00:00", Order("B", 60), 60, tier="none"),
            on("2028-12-30 23:59:59", Order("C", 40), 40, tier="Silver"),
        ),
    ),
    Case(
        title="A member since 29 February",
        rules=tiers("spend", "anniversary", Silver=100),
        zones=ZONES,
        note="In other years the year of membership begins on the 28th.",
        rows=(
            on("2028-02-29", Order("A", 120), 120, tier="Silver"),
            on("2030-02-01", Announced("Silver", "2030-02-28 00:00"), tier="Silver"),
            on("2030-02-27 23:59:59", "The last second", tier="Silver"),
            on("2030-02-28 00:00", ENDS, tier="none"),
        ),
    ),
    Case(
        title="A year of membership that begins on a day without a midnight",
        rules=tiers("spend", "anniversary", Silver=100),
        zones=(SAO_PAULO,),
        published="2016-01-01 00:00",
        note="On 4 November 2018 São Paulo's clocks went from midnight to one o'clock at once.",
        rows=(
            on("2016-11-04", Order("A", 120), 120, tier="Silver"),
            on("2018-10-05", Announced("Silver", "2018-11-04 00:00"), tier="Silver"),
            on("2018-11-03 23:59:59", "The last second", tier="Silver"),
            on("2018-11-04 01:00", ENDS, tier="none"),
        ),
    ),
    Case(
        title="Twelve months later at an hour that doesn't exist",
        rules=tiers("spend", "rolling_year", Silver=100),
        note="On 28 March 2027 Berlin's clocks go from two to three; half past two is half past three.",
        rows=(
            on("2026-03-28 02:30", Order("A", 120), 120, tier="Silver"),
            on("2027-03-01", Announced("Silver", "2027-03-28 03:30"), tier="Silver"),
            on("2027-03-28 03:29:59", "The last second", tier="Silver"),
            on("2027-03-28 03:30", ENDS, tier="none"),
        ),
    ),
    Case(
        title="Grace over a change of clocks, the last 12 months",
        rules=tiers("spend", "rolling_year", grace=14, Silver=100),
        zones=ZONES,
        note="In Berlin the clocks go back on 31 October 2027. The grace ends at the same time of day all the same.",
        rows=(
            on("2026-10-20 18:00", Order("A", 120), 120, tier="Silver"),
            on("2027-10-20 18:00", Announced("Silver", "2027-11-03 18:00"), tier="Silver"),
            on("2027-11-03 17:59:59", "The last second", tier="Silver"),
            on("2027-11-03 18:00", ENDS, tier="none"),
        ),
    ),
    Case(
        title="Grace over a change of clocks, calendar years",
        rules=tiers("spend", "calendar_year", grace=90, Silver=100),
        zones=ZONES,
        note="In Berlin the clocks go forward on 26 March 2028.",
        rows=(
            on("2026-06-01", Order("A", 120), 120, tier="Silver"),
            on("2028-03-01", Announced("Silver", "2028-03-31 00:00"), tier="Silver"),
            on("2028-03-30 23:59:59", "The last second", tier="Silver"),
            on("2028-03-31 00:00", ENDS, tier="none"),
        ),
    ),
    Case(
        title="Held at least so long, over a change of clocks, lifetime",
        rules=tiers("spend", "lifetime", hold=14, Silver=100),
        zones=ZONES,
        note="In Berlin the clocks go forward on 29 March 2026.",
        rows=(
            on("2026-03-20", Order("A", 120), 120, tier="Silver"),
            on("2026-03-25", Returned("A"), -120, tier="Silver"),
            on("2026-03-25", Announced("Silver", "2026-04-03"), tier="Silver"),
            on("2026-04-03 11:59:59", "The last second", tier="Silver"),
            on("2026-04-03", ENDS, tier="none"),
        ),
    ),
    Case(
        title="One tier at a time, each held a year",
        rules=tiers("spend", "rolling_year", hold=365, Silver=100, Gold=300),
        note="By 1 December 2027 nothing counts any more. Gold goes then, Silver 365 days later.",
        rows=(
            on("2026-02-01", Order("A", 100), 100, tier="Silver"),
            on("2026-12-01", Order("B", 200), 200, tier="Gold"),
            on("2027-02-01", "Order A no longer counts, but Gold is held a year", tier="Gold"),
            on("2027-11-01", Announced("Gold", "2027-12-01"), tier="Gold"),
            on("2027-12-01", ENDS, tier="Silver"),
            on("2028-10-31", Announced("Silver", "2028-11-30"), tier="Silver"),
            on("2028-11-30", ENDS, tier="none"),
        ),
    ),
    Case(
        title="An order within the grace keeps the tier",
        rules=tiers("spend", "rolling_year", grace=30, Silver=100),
        rows=(
            on("2026-03-02", Order("A", 120), 120, tier="Silver"),
            on("2027-03-02", Announced("Silver", "2027-04-01"), tier="Silver"),
            on("2027-03-20", Order("B", 100), 100, tier="Silver"),
            on("2027-04-01", "Announced, but there is no reason any more", tier="Silver"),
            on("2028-03-19", "To the end of order B's own twelve months", tier="Silver"),
        ),
    ),
    Case(
        title="Never announced: never lost",
        complaint="17: the shopper isn't told of the downgrade.",
        rules=tiers("spend", "calendar_year", Silver=100),
        rows=(
            on("2026-03-02", Order("A", 120), 120, tier="Silver"),
            on("2028-01-01 00:00", "Nothing was spent in 2027, nothing was announced", tier="Silver"),
            on("2028-02-01", Announced("Silver", "2028-01-01 00:00"), tier="Silver"),
            on("2028-02-08", ENDS, tier="none"),
        ),
    ),
    Case(
        title="Using points never takes a tier",
        complaint="16: tiers go by the balance, so spending demotes.",
        rules=tiers("points", "lifetime", Silver=100),
        rows=(
            on("2026-03-02", Order("A", 100), 100, tier="Silver"),
            on("2026-03-03", Used(100), -100, usable=0, tier="Silver"),
            on("2027-03-03", "A year later", tier="Silver"),
        ),
    ),
    Case(
        title="Points given by staff count only when staff says so",
        complaint="17: adjusting points ignores tiers.",
        rules=tiers("points", "lifetime", Silver=100),
        rows=(
            on("2026-03-02", Order("A", 60), 60, tier="none"),
            on("2026-03-03", Adjusted(50), 50, usable=110, tier="none"),
            on("2026-03-04", Adjusted(50, counts=True), 50, usable=160, tier="Silver"),
        ),
    ),
    Case(
        title="By the number of orders; one returned whole is none",
        rules=tiers("orders", "lifetime", Silver=2),
        rows=(
            on("2026-03-02", Order("A", 10), 10, tier="none"),
            on("2026-03-03", Order("B", 10), 10, tier="Silver"),
            on("2026-03-10", Returned("A"), -10, tier="Silver"),
            on("2026-03-10", Announced("Silver", "2026-03-10"), tier="Silver"),
            on("2026-03-17", ENDS, tier="none"),
        ),
    ),
    Case(
        title="A tier given by staff until a day, which is announced",
        rules=tiers("spend", "lifetime", Silver=100, Gold=300),
        note="What the member earns goes on underneath.",
        rows=(
            on("2026-03-02", TierSet("Gold", "2026-12-31 00:00"), tier="Gold"),
            on("2026-05-02", Order("A", 120), 120, tier="Gold"),
            on("2026-12-01", Announced("staff", "2026-12-31 00:00"), tier="Gold"),
            on("2026-12-31 00:00", ENDS, tier="Silver"),
        ),
    ),
    Case(
        title="A tier given by staff stays while its end wasn't announced",
        rules=tiers("spend", "lifetime", Silver=100, Gold=300),
        rows=(
            on("2026-03-02", TierSet("Gold", "2026-12-31 00:00"), tier="Gold"),
            on("2027-01-05", Announced("staff", "2026-12-31 00:00"), tier="Gold"),
            on("2027-01-12", ENDS, tier="none"),
        ),
    ),
    Case(
        title="Staff can set a lower tier, and take it back",
        complaint="17: staff cannot downgrade.",
        rules=tiers("spend", "lifetime", Silver=100, Gold=300),
        rows=(
            on("2026-03-02", Order("A", 320), 320, tier="Gold"),
            on("2026-04-01", TierSet("Silver"), tier="Silver"),
            on("2026-05-01", Order("B", 100), 100, tier="Silver"),
            on("2026-06-01", TierSet(None), tier="Gold"),
        ),
    ),
    Case(
        title="A lower tier set until a day ends that day by itself",
        rules=tiers("spend", "lifetime", Silver=100, Gold=300),
        rows=(
            on("2026-03-02", Order("A", 320), 320, tier="Gold"),
            on("2026-04-01", TierSet("no tier", "2026-07-01 00:00"), tier="none"),
            on("2026-06-30 23:59:59", "The last second", tier="none"),
            on("2026-07-01 00:00", "Back to what the member earned", tier="Gold"),
        ),
    ),
)
