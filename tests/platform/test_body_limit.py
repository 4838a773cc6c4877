"""Large bodies never reach Django."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from retention_app.body_limit import body_limit

LIMIT = 10


class Exchange:
    """One request against an application that reads its whole body, then answers 200."""

    def __init__(self, *chunks: bytes, headers: dict[bytes, bytes] | None = None, kind: str = "http") -> None:
        self.chunks: Iterator[bytes] = iter(chunks)
        self.left = len(chunks)
        self.sent: list[dict[str, Any]] = []
        self.got = b""
        self.reached = False
        scope = {"type": kind, "headers": list((headers or {}).items())}
        asyncio.run(body_limit(self.application, LIMIT)(scope, self.receive, self.send))

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached = True
        while scope["type"] == "http":
            message = await receive()
            self.got += message.get("body", b"")
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200})

    async def receive(self) -> dict[str, Any]:
        self.left -= 1
        return {"type": "http.request", "body": next(self.chunks), "more_body": self.left > 0}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


def test_body_of_the_largest_size_goes_through() -> None:
    exchange = Exchange(b"12345", b"67890", headers={b"content-length": b"10"})
    assert (exchange.status, exchange.got) == (200, b"1234567890")


def test_body_said_to_be_too_large_is_not_read() -> None:
    exchange = Exchange(b"x", headers={b"content-length": b"11"})
    assert (exchange.status, exchange.reached, exchange.left) == (413, False, 1)


@pytest.mark.parametrize("headers", [{}, {b"content-length": b"3"}, {b"content-length": b"many"}])
def test_body_that_turns_out_too_large_is_cut_off(headers: dict[bytes, bytes]) -> None:
    exchange = Exchange(b"123456", b"789012", b"never read", headers=headers)
    assert (exchange.status, exchange.left) == (413, 1)


def test_length_of_absurdly_many_digits_is_too_large() -> None:
    assert Exchange(b"x", headers={b"content-length": b"9" * 5000}).status == 413


def test_what_is_no_request_passes() -> None:
    assert Exchange(kind="lifespan").reached
