"""What this process knows of each shop's cost bucket (the platform's leaky bucket of query points)."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Bucket:
    """The bucket as last seen in an answer, and what our operations asked for. Never hard-coded: plans differ."""

    available: float = 0.0
    maximum: float = 0.0
    restore_rate: float = 0.0  # points a second; 0 until the first answer
    seen_at: float = 0.0  # seconds of the monotonic clock
    requested: dict[str, float] = field(default_factory=dict)  # operation → points it was last charged up front

    def learn(self, operation_name: str, cost: dict[str, Any]) -> None:
        """Take in the cost block of an answer; an incomplete one teaches nothing."""
        status = cost.get("throttleStatus") or {}
        if status.get("restoreRate"):
            self.available = float(status["currentlyAvailable"])
            self.maximum = float(status["maximumAvailable"])
            self.restore_rate = float(status["restoreRate"])
            self.seen_at = time.monotonic()
        if cost.get("requestedQueryCost") is not None:
            self.requested[operation_name] = float(cost["requestedQueryCost"])

    def seconds_until(self, operation_name: str) -> float:
        """How long until the operation's points are there, as far as this process knows; 0 when they are."""
        if not self.restore_rate:
            return 0.0
        needed = min(self.requested.get(operation_name, 0.0), self.maximum)
        restored = self.available + (time.monotonic() - self.seen_at) * self.restore_rate
        return max(0.0, (needed - restored) / self.restore_rate)


_buckets: dict[str, Bucket] = {}


def bucket_of(domain: str) -> Bucket:
    return _buckets.setdefault(domain, Bucket())
