"""How often somebody may ask: a limit each process keeps by itself, so that keeping it asks nobody.

With several web processes behind one address a visitor gets up to that many times the limit.
"""

from __future__ import annotations

import hashlib
import math
import secrets

KEYS_MAX = 50_000  # who is beyond, and asked longest ago, starts anew


class Rate:
    """At most `per_minute` at once, and as many each minute from then on (the "leaky bucket"). Whoever asks is kept as
    a digest with a key of this process's own."""

    def __init__(self, per_minute: int) -> None:
        self._seconds_each = 60.0 / per_minute
        self._full_at: dict[bytes, float] = {}  # when everything used is given back, who asked last at the end
        self._key = secrets.token_bytes(16)

    def wait(self, who: str, now: float) -> int:
        """Whole seconds until `who` may ask again; 0 when they may now, which is counted. `now` is monotonic."""
        digest = hashlib.blake2b(who.encode(errors="replace"), key=self._key, digest_size=16).digest()
        full_at = max(self._full_at.pop(digest, now), now) + self._seconds_each
        over = full_at - now - 60.0
        self._full_at[digest] = full_at if over <= 0 else full_at - self._seconds_each
        if len(self._full_at) > KEYS_MAX:
            del self._full_at[next(iter(self._full_at))]
        return max(0, math.ceil(over))
