"""The one place that reads the clock. Everything else asks `now()`; rules are handed instants.

Where `CLOCK_URL` is set, never in production, `now()` follows the clock there: devstore's, which people and tests turn
forward. All processes follow it alike.
"""

import datetime as dt
import os
import threading
import time
from functools import cache

import httpx
from django.conf import settings
from django.utils import timezone

ASKED_EVERY_SECONDS = 0.5
ANSWER_SECONDS_MAX = 1.0


def now() -> dt.datetime:
    """The present instant, aware, in UTC. A clock that is followed never turns it back within a process."""
    url = settings.CLOCK_URL
    return _followed(os.getpid(), url).ahead + system_now() if url else system_now()


def system_now() -> dt.datetime:
    """The system's own time, whatever clock is followed: for what others date by theirs (signatures, sessions), and for
    leases and throttles, which no leap may end."""
    return timezone.now()


class _Followed:
    """How far another clock is `ahead` of the system's. It is asked in the background, so that asking the time never
    waits, but for a process's first time. A clock that doesn't answer changes nothing, nor does one turned back."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = httpx.Client(timeout=ANSWER_SECONDS_MAX, trust_env=False)
        self.ahead = self._asked() or dt.timedelta()
        threading.Thread(target=self._keep_asking, name="clock", daemon=True).start()

    def _keep_asking(self) -> None:
        while self._url == settings.CLOCK_URL:
            time.sleep(ASKED_EVERY_SECONDS)
            self.ahead = max(self.ahead, self._asked() or self.ahead)

    def _asked(self) -> dt.timedelta | None:
        try:
            return dt.timedelta(seconds=self._http.get(self._url).json()["offset"])
        except (httpx.HTTPError, ValueError, TypeError, KeyError, OverflowError):
            return None


@cache
def _followed(pid: int, url: str) -> _Followed:
    """The clock at `url` as this process follows it; threads don't survive a fork."""
    return _Followed(url)
