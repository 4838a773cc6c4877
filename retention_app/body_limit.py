"""Keeps large request bodies out, in front of Django (which spools a body to disk before any view can refuse it)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


class _TooLarge(Exception):
    pass


def body_limit(application: Application, bytes_max: int) -> Application:
    """The application, with 413 for a body over `bytes_max`: unread when its length says so, else once it turns out."""

    async def limited(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > bytes_max:
                raise _TooLarge
            return message

        try:
            if _declared(scope) > bytes_max:
                raise _TooLarge
            await application(scope, counted, send)
        except _TooLarge:
            await send({"type": "http.response.start", "status": 413, "headers": [(b"connection", b"close")]})
            await send({"type": "http.response.body", "body": b""})

    return limited


def _declared(scope: dict[str, Any]) -> int:
    """The Content-Length; 0 without one."""
    value = dict(scope["headers"]).get(b"content-length", b"")
    return int(value) if value.isdigit() else 0
