"""Devstore's clock: the real time plus an offset that staff can turn forward. The product follows it
(`/devstore/clock`)."""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo


class Clock:
    """Real time plus `offset` seconds. ID tokens and URL signatures are made with the real time, since libraries
    check them against the system clock; everything commercial, and the life of access tokens, follows this clock."""

    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def seconds(self) -> float:
        return time.time() + self.offset

    def now(self) -> str:
        """The instant as Shopify's GraphQL writes it, to the second: `2026-11-21T10:02:07Z`."""
        return timestamp(self.seconds())


def timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> datetime:
    """An ISO 8601 instant as an aware datetime; one without a zone counts as UTC. Raises ValueError."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def normal(text: str) -> str:
    """Any ISO 8601 instant in devstore's own form (UTC, seconds, `Z`)."""
    return timestamp(parse(text).timestamp())


def local(text: str, zone: str) -> str:
    """An instant as webhooks write it: in the shop's zone with its offset, `2026-11-21T11:02:07+01:00`."""
    return parse(text).astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")
