"""Answers webhooks: verify the raw bytes, bound the headers, store, and only then acknowledge.

200 once the delivery is committed, also when it was before. 401 without a genuine signature, 405 for another method,
413 for a body over 20 MiB, 408 for one that takes too long to come, 400 for headers that can't be stored. 503, which
the platform repeats, while the database is out of reach, too much waits, or the process is about to end. Memory is
bounded: no more than `HELD_BYTES_MAX` of bodies, verified or not, are held at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from retention_app import clock
from retention_app.body_limit import Application, Receive, Send, declared_bytes
from retention_app.observability import DELIVERIES, REQUESTS
from retention_app.receiving.delivery_table import DeliveryTable, Outcome
from retention_app.receiving.group_writer import GroupWriter, Table
from retention_app.receiving.headers import delivery_from, fields_from
from retention_app.receiving.wake_ups import WakeUps
from retention_app.shopify.signature import webhook_is_genuine
from retention_app.shopify.topics import TOPIC_HANDLERS

log = structlog.get_logger(__name__)

BODY_BYTES_MAX = 20 * 1024 * 1024
BODY_SECONDS_MAX = 10.0  # from a body's first piece to its last; the platform gives itself 5
HELD_BYTES_MAX = 128 * 1024 * 1024
VIEW = "webhooks_shopify"  # the name requests are counted under

_STATUS = {Outcome.STORED: 200, Outcome.REFUSED: 400, Outcome.UNAVAILABLE: 503}
_HEADERS = [(b"content-length", b"0")]
# What was not read to its end can't be followed by another request.
_HEADERS_UNREAD = [*_HEADERS, (b"connection", b"close")]
_HEADERS_METHOD = [*_HEADERS_UNREAD, (b"allow", b"POST")]


class _Refused(Exception):
    """The body isn't taken."""

    def __init__(self, status: int) -> None:
        self.status = status


class _Disconnected(Exception):
    """The client is gone: there is nobody to answer."""


class Receiver(Protocol):
    """An ASGI application for one path, with an end."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None: ...

    async def stop(self) -> None: ...


def in_front_of(application: Application, receivers: Mapping[str, Receiver]) -> Application:
    """The application, with receivers for some paths in front of it. Speaks the lifespan protocol for them; a server
    that doesn't speak it loses only the wake-ups of the last moment."""

    async def front(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receivers, receive, send)
        elif scope["type"] == "http" and scope["path"] in receivers:
            await receivers[scope["path"]](scope, receive, send)
        else:
            await application(scope, receive, send)

    return front


async def _lifespan(receivers: Mapping[str, Receiver], receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await asyncio.gather(*(receiver.stop() for receiver in receivers.values()))
            await send({"type": "lifespan.shutdown.complete"})
            return


class WebhookReceiver:
    """The receiver of the platform's webhooks. Belongs to one event loop."""

    def __init__(self, table: Table | None = None, wake_ups: WakeUps | None = None) -> None:
        self._writer = GroupWriter(table or DeliveryTable())
        self._wake_ups = wake_ups or WakeUps()
        self._held_bytes = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        fields = fields_from(scope["headers"])
        headers = _HEADERS
        if scope["method"] != "POST":
            status, headers = 405, _HEADERS_METHOD
        else:
            try:
                status = await self._receive(fields, declared_bytes(scope), receive)
            except _Disconnected:
                return
            except _Refused as refused:
                status, headers = refused.status, _HEADERS_UNREAD
        _count(scope["method"], fields, status, began)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        if status == 200:
            self._wake_ups.add(fields["shop_domain"])

    async def stop(self) -> None:
        """Answer what was accepted after its commit; what comes later gets 503."""
        await self._writer.stop()
        await self._wake_ups.stop()

    async def _receive(self, fields: Mapping[str, str], declared: int, receive: Receive) -> int:
        """The answer. Raises `_Refused` for a body that isn't read to its end, and `_Disconnected`."""
        if declared > BODY_BYTES_MAX:
            raise _Refused(413)
        body = await self._body(receive)
        try:
            if not webhook_is_genuine(body, fields.get("signature", "")):
                return 401
            delivery = delivery_from(fields, body, clock.now())
            return 400 if delivery is None else _STATUS[await self._writer.store(delivery)]
        finally:
            self._held_bytes -= len(body)

    async def _body(self, receive: Receive) -> bytes:
        """The raw body, counted as held. Raises `_Refused` and `_Disconnected`, holding nothing."""
        piece, more = await self._piece(receive, 0)
        if not more:
            return piece
        pieces, held = [piece], len(piece)
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                while more:
                    piece, more = await self._piece(receive, held)
                    pieces.append(piece)
                    held += len(piece)
        except BaseException as error:
            self._held_bytes -= held
            if isinstance(error, TimeoutError):
                raise _Refused(408) from error
            raise
        return b"".join(pieces)

    async def _piece(self, receive: Receive, before: int) -> tuple[bytes, bool]:
        """The body's next piece, counted as held, and whether another follows."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        piece: bytes = message.get("body", b"")
        if before + len(piece) > BODY_BYTES_MAX:
            raise _Refused(413)
        if self._held_bytes + len(piece) > HELD_BYTES_MAX:
            raise _Refused(503)
        self._held_bytes += len(piece)
        return piece, message.get("more_body", False)


def _count(method: str, fields: Mapping[str, str], status: int, began: float) -> None:
    topic = fields.get("topic", "")
    DELIVERIES.labels(topic if topic in TOPIC_HANDLERS else "other", status).inc()
    REQUESTS.labels(VIEW, method if method == "POST" else "other", status).observe(time.perf_counter() - began)
    if status != 200:
        log.warning("webhook_refused", status=status)
