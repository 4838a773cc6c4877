"""Keeps large request bodies out, in front of Django (which spools a body to disk before any view can refuse it)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]

_DIGITS_MAX = 18  # enough for any limit; Python refuses to read thousands


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
            if declared_bytes(scope) > bytes_max:
                raise _TooLarge
            await application(scope, counted, send)
        except _TooLarge:
            await send({"type": "http.response.start", "status": 413, "headers": [(b"connection", b"close")]})
            await send({"type": "http.response.body", "body": b""})

    return limited


def declared_bytes(scope: Mapping[str, Any]) -> int:
    """The Content-Length; 0 without one that can be read."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value[:_DIGITS_MAX]) if value.isdigit() else 0
    return 0
