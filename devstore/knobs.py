"""What can be made to go wrong, for a shop (`/devstore/knobs`) or for one request (`X-Devstore-Knobs: {json}`)."""

import random
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Knobs:
    """Probabilities from 0 to 1, or milliseconds.

    `latency_ms` added to each Admin API call; `throttle` calls answered THROTTLED; `fail` calls answered 503 before
    doing anything and webhook attempts lost on the way (they are retried); `timeout_after_work` calls that do their
    work and whose connection is then dropped without an answer, after `hang_ms`; `stale` resources read in an earlier
    state; `withheld` calls and webhooks in which the app may not see who customers are; `duplicate` webhooks
    delivered twice; `delay_ms` added before each delivery; `reorder` webhooks overtaken by later ones; `drop`
    webhooks never sent."""

    latency_ms: float = 0
    throttle: float = 0
    fail: float = 0
    timeout_after_work: float = 0
    hang_ms: float = 0
    stale: float = 0
    withheld: float = 0
    duplicate: float = 0
    delay_ms: float = 0
    reorder: float = 0
    drop: float = 0

    def turned(self, changes: dict[str, Any]) -> "Knobs":
        """A copy with some knobs changed. Raises ValueError for an unknown name or a value out of range."""
        for name, value in changes.items():
            if name not in NAMES:
                raise ValueError(f"unknown knob {name!r}; there are {', '.join(sorted(NAMES))}")
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise ValueError(f"knob {name} wants a number from 0 up, not {value!r}")
            if not name.endswith("_ms") and value > 1:
                raise ValueError(f"knob {name} is a probability from 0 to 1, not {value!r}")
        return replace(self, **changes)

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


NAMES = frozenset(field.name for field in fields(Knobs))

# Changes that the request being served carries; set by the application around each request.
for_this_request: ContextVar[dict[str, Any] | None] = ContextVar("for_this_request", default=None)


def happens(probability: float) -> bool:
    return probability > 0 and random.random() < probability
