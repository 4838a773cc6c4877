"""The one place that reads the clock. Everything else asks `now()`; rules are handed instants."""

import datetime as dt

from django.utils import timezone


def now() -> dt.datetime:
    """The present instant, aware, in UTC."""
    return timezone.now()
