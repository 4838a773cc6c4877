"""A whole shop's ledger: posting it, rebuilding it, changing everybody's tier, verifying it.

Each step prints its seconds and the most memory this process held meanwhile; the database's own isn't counted. By
default 100,000 members of five orders each, a million entries.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.posting import BATCH, _customers, _order_each, _slices

MEMBERS = 100_000
ORDERS = 5  # of each
SECONDS_MAX = {"rebuild": 300, "tier_change": 300, "verify": 600}
RSS_MAX_MB = 400


def run(members: int = MEMBERS, orders: int = ORDERS) -> dict[str, Any]:
    from loyalty.ledger import members_bring_up_to_date, members_repair
    from loyalty.models import Member
    from loyalty.programme import draft_save, programme_publish
    from loyalty.verification import Verification, ledger_verify
    from retention_app import clock
    from retention_app.models import Shop
    from retention_app.tenancy import shop_scope

    shop = Shop.objects.create(domain="ledger.myshopify.com", installed_at=clock.now(), customer_accounts="CLASSIC")
    rules = {"earn": {"points": 1, "per_minor": 100}, "worth": {"points": 100, "minor": 500}}
    level = {"key": "gold", "name": "Gold", "from": 1, "percent": 100}
    tiers = {"by": "spend", "period": "lifetime", "grace_days": 0, "hold_days": 0, "protect_until": None}
    checked = Verification()

    def everybody(bring: Callable[[list[int]], object]) -> None:
        for some in _slices(customers, BATCH):
            bring(some)

    def verify() -> None:
        nonlocal checked
        checked = ledger_verify()

    with shop_scope(shop.id):
        draft_save(shop.id, rules, "1")
        programme_publish(shop.id, "1", "all")
        customers: list[int] = []
        for first in range(0, members, BATCH):
            customers += _customers(min(BATCH, members - first), first)
            for _ in range(orders):
                _order_each(customers[first:])
        steps = {
            "post": _measured(lambda: everybody(members_bring_up_to_date)),
            "rebuild": _measured(lambda: everybody(members_repair)),
        }
        draft_save(shop.id, {**rules, "tiers": {**tiers, "levels": [level]}}, "1")
        programme_publish(shop.id, "1", "all")
        steps["tier_change"] = _measured(lambda: everybody(members_bring_up_to_date))
        steps["verify"] = _measured(verify)
        changed = Member.objects.filter(tier="gold").count()
    if checked.findings or changed != members or checked.entries != members * orders * 2:
        raise RuntimeError(f"{changed} tiers changed, {checked.entries} entries, wrong: {checked.findings[:3]}")
    return {
        "members": members,
        "entries": checked.entries,
        **{f"{name}_seconds": round(seconds, 1) for name, (seconds, _) in steps.items()},
        **{f"{name}_rss_mb": round(rss) for name, (_, rss) in steps.items()},
        "within": {
            name: steps[name][0] <= most * members / MEMBERS and steps[name][1] <= RSS_MAX_MB
            for name, most in SECONDS_MAX.items()
        },
    }


def _measured(step: Callable[[], object]) -> tuple[float, float]:
    """(seconds, the most memory in MB) of a step."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    began = time.perf_counter()
    step()
    seconds = time.perf_counter() - began
    [peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return seconds, int(peak.split()[1]) / 1000
