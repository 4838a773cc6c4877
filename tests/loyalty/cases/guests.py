"""Guests: points that wait for their owner to sign in."""

from __future__ import annotations

from tests.loyalty.cases.told import (
    BERLIN,
    SAO_PAULO,
    Adjusted,
    Announced,
    Bonus,
    Case,
    Expired,
    Order,
    Returned,
    SignedIn,
    Used,
    on,
    tiers,
)

TITLE = "Guests, until they sign in"
ABOUT = (
    "Who buys without an account earns as everybody does, but the points wait until the e-mail address of the order has"
    " signed in: they can't be used, and they don't expire. From then on they are the member's, once and for good."
)

CASES = (
    Case(
        title="A guest's points wait, and are theirs at once when they sign in",
        guest=True,
        rows=(
            on("2026-03-02", Order("A", 108), 108, usable=0, pending=0, unclaimed=108),
            on("2026-05-04", Order("B", 132), 132, usable=0, pending=0, unclaimed=240),
            on("2026-06-01 11:59:59", "A second before", usable=0, unclaimed=240),
            on("2026-06-01", SignedIn(), usable=240, pending=0, unclaimed=0),
            on("2026-06-02", Used(200), -200, usable=40, unclaimed=0),
        ),
    ),
    Case(
        title="What is still in its waiting period goes on waiting",
        guest=True,
        rules={"waiting": {"days": 14, "after": "payment"}},
        rows=(
            on("2026-03-02", Order("A", 50), 50, unclaimed=50, pending=0),
            on("2026-03-25", Order("B", 30), 30, unclaimed=80, pending=0),
            on("2026-04-01", SignedIn(), usable=50, pending=30, unclaimed=0),
            on("2026-04-08", "Fourteen days after order B", usable=80, pending=0),
            on("2026-04-10", Order("C", 20), 20, usable=80, pending=20),
        ),
    ),
    Case(
        title="The clock of expiry starts when they sign in, not when they bought",
        guest=True,
        rules={"expiry_months": 3},
        zones=(BERLIN, SAO_PAULO),
        rows=(
            on("2026-01-10", Order("A", 50), 50, unclaimed=50),
            on("2026-08-01", "More than three months later", unclaimed=50),
            on("2026-08-20", SignedIn(), usable=50, unclaimed=0),
            on("2026-10-21", Announced("A", "2026-11-20 00:00"), usable=50),
            on("2026-11-20 00:00", Expired("A"), -50, usable=0),
        ),
    ),
    Case(
        title="A return before they sign in takes what it brought",
        guest=True,
        rules={"bonuses": {"order": None, "first_order": 25}},
        rows=(
            on("2026-03-02", Order("A", 50), 50),
            on("2026-03-02", Bonus("A"), 25, unclaimed=75),
            on("2026-03-05", Order("B", 30), 30, unclaimed=105),
            on("2026-03-09", Returned("B"), -30, unclaimed=75, owed=0),
            on("2026-04-01", SignedIn(), usable=75, unclaimed=0, owed=0),
        ),
    ),
    Case(
        title="Staff may give points to a guest, and take some: what is taken is owed until they sign in",
        guest=True,
        rows=(
            on("2026-03-02", Order("A", 50), 50, unclaimed=50),
            on("2026-03-03", Adjusted(30), 30, unclaimed=80),
            on("2026-03-04", Adjusted(-60), -60, usable=0, unclaimed=80, owed=60),
            on("2026-04-01", SignedIn(), usable=20, unclaimed=0, owed=0),
        ),
    ),
    Case(
        title="A guest's orders count towards tiers as they are placed",
        guest=True,
        rules=tiers("spend", "lifetime", Gold=(100, 200)),
        rows=(
            on("2026-03-02", Order("A", 100), 100, unclaimed=100, tier="Gold"),
            on("2026-03-09", Order("B", 50), 100, unclaimed=200, tier="Gold"),
            on("2026-04-01", SignedIn(), usable=200, unclaimed=0, tier="Gold"),
        ),
    ),
    Case(
        title="Who never signs in keeps them waiting",
        guest=True,
        rules={"expiry_months": 1},
        rows=(
            on("2026-03-02", Order("A", 50), 50, unclaimed=50),
            on("2030-03-02", "Four years later", usable=0, unclaimed=50),
        ),
    ),
)
