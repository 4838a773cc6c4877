"""Answers `GET /proxy/v1/session?locale=`: a shop's programme and, for a customer who is logged in, their points.

200 with an ETag of the answer, or 304 to who has it. 401 without the app proxy's signature, 404 where we aren't
installed, 405 for another method, 414 and 431 for more than a storefront sends, 429 with Retry-After to whoever asks
too often, 503 while the database doesn't answer in time. Nothing is to be stored on the way, and what this process
keeps (the answer to the anonymous, for a moment) is nobody's.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
import structlog
from django.db import DatabaseError, connection
from django.utils import translation

from loyalty.session.answer import answer
from loyalty.session.statement import Asked, Found, asked, found_in, statement
from retention_app import clock
from retention_app.body_limit import Receive, Send
from retention_app.languages import visitor_language
from retention_app.models import Shop
from retention_app.observability import REQUESTS
from retention_app.receiving.rates import Rate
from retention_app.receiving.shop_reader import DatabaseAway, ShopReader
from retention_app.services.storefront import PAGES, SEEN_EVERY, storefront_seen
from retention_app.shopify.signature import ProxyCaller, proxy_caller
from retention_app.sign_ins import customer_signed_in
from retention_app.tenancy import shop_scope
from retention_app.words import Words

log = structlog.get_logger(__name__)

VIEW = "proxy_session"  # the name requests are counted under
QUERY_BYTES_MAX = 4_096
HEADERS_BYTES_MAX = 16_384
READ_SECONDS_MAX = 2.0  # from the question to the answer, the wait for others' reads included
WAITING_MAX = 256  # reads
VISITOR_PER_MINUTE = 120  # a customer, or an address of the anonymous
SHOP_PER_MINUTE = 60_000
ANONYMOUS_SECONDS = 2.0  # how long the anonymous are told the same
ANONYMOUS_MAX = 2_000  # shops and languages
NOTED_MAX = 20_000  # shops with kinds of pages, and customers

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)


class SessionReceiver:
    """Belongs to one event loop; the reader is used in a single thread of its own."""

    def __init__(self, reader: ShopReader | None = None) -> None:
        self._reader = reader or ShopReader(statement)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sessions")
        self._notes = ThreadPoolExecutor(max_workers=1, thread_name_prefix="seen")
        self._noted: dict[tuple[str, str], float] = {}
        self._waiting = 0
        self._visitors, self._shops = Rate(VISITOR_PER_MINUTE), Rate(SHOP_PER_MINUTE)
        self._anonymous: dict[tuple[str, str], tuple[float, _Answer]] = {}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        headers = _headers(scope["headers"])
        told = await self._answer(scope, headers)
        if told.status == 200 and _has_it(headers.get(b"if-none-match", b""), dict(told.headers)[b"etag"]):
            told = _Answer(304, headers=told.headers)
        method = scope["method"]
        REQUESTS.labels(VIEW, method if method in _METHODS else "other", told.status).observe(
            time.perf_counter() - began
        )
        length = [] if told.status == 304 else [(b"content-length", b"%d" % len(told.body))]
        await send(
            {"type": "http.response.start", "status": told.status, "headers": [*_KEPT_NOWHERE, *told.headers, *length]}
        )
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else told.body})

    async def stop(self) -> None:
        """End the read that is under way, if it doesn't end by itself."""
        closed = asyncio.get_running_loop().run_in_executor(self._thread, self._reader.close)
        _done, pending = await asyncio.wait([closed], timeout=READ_SECONDS_MAX)
        if pending:
            self._reader.hang_up(0)
        self._thread.shutdown(wait=False)
        self._notes.shutdown(wait=False)

    async def _answer(self, scope: dict[str, Any], headers: dict[bytes, bytes]) -> _Answer:
        query = scope.get("query_string", b"")
        if scope["method"] not in _METHODS:
            return _Answer(405, headers=[(b"allow", b"GET, HEAD")])
        if len(query) > QUERY_BYTES_MAX:
            return _Answer(414)
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADERS_BYTES_MAX:
            return _Answer(431)
        text = query.decode(errors="replace")
        caller = proxy_caller(text)
        if caller is None:
            return _Answer(401)
        if seconds := self._wait(caller, scope, headers):
            return _Answer(429, headers=[(b"retry-after", b"%d" % seconds)])
        asked_for = dict(parse_qsl(text))
        if (page := asked_for.get("page", "")) in PAGES:
            self._note(caller.shop_domain, page, storefront_seen)
        language = visitor_language(asked_for.get("locale", ""), headers.get(b"accept-language", b"").decode("latin-1"))
        if caller.customer_shopify_id is None:
            return await self._for_the_anonymous(caller, language)
        return await self._read(caller, language)

    def _wait(self, caller: ProxyCaller, scope: dict[str, Any], headers: dict[bytes, bytes]) -> int:
        """Seconds until this visitor may ask again; 0: now. Customers are told apart by the platform's id, the
        anonymous by the addresses they came from."""
        now = time.monotonic()
        address = headers.get(b"x-forwarded-for", b"").decode("latin-1") or (scope.get("client") or ("",))[0]
        who = caller.customer_shopify_id or address
        return self._visitors.wait(f"{caller.shop_domain} {who}", now) or self._shops.wait(caller.shop_domain, now)

    def _note(self, domain: str, what: str, write: Callable[[Shop, str], object]) -> None:
        """Have it written down, now and then, that a visitor's browser ran our script on a kind of page, or that a
        customer signed in."""
        now = time.monotonic()
        if now >= self._noted.get((domain, what), 0.0):
            if len(self._noted) >= NOTED_MAX:
                self._noted.clear()
            self._noted[domain, what] = now + SEEN_EVERY
            self._notes.submit(_written, domain, what, write)

    async def _for_the_anonymous(self, caller: ProxyCaller, language: str) -> _Answer:
        """The same for all of them, kept for a moment once there is something to show."""
        key, now = (caller.shop_domain, language), time.monotonic()
        until, told = self._anonymous.get(key, (0.0, _Answer(404)))
        if now < until:
            return told
        told = await self._read(caller, language)
        if told.status == 200 and _NO_PROGRAMME not in told.body:
            if len(self._anonymous) >= ANONYMOUS_MAX:
                self._anonymous.clear()
            self._anonymous[key] = (now + ANONYMOUS_SECONDS, told)
        return told

    async def _read(self, caller: ProxyCaller, language: str) -> _Answer:
        now, customer_id = clock.now(), caller.customer_shopify_id
        try:
            found = await self._found(caller.shop_domain, asked(caller.shop_domain, customer_id, now))
        except (DatabaseAway, TimeoutError):
            return _Answer(503, headers=[(b"retry-after", b"2")])
        if found is None:
            return _Answer(404)
        told = found_in(found)
        if customer_id is not None and told.person and not told.person.has_signed_in:
            self._note(caller.shop_domain, str(customer_id), _signed_in)
        return _told(told, customer_id is not None, language, now)

    async def _found(self, domain: str, parameters: Asked) -> str | None:
        """Raises `DatabaseAway` and `TimeoutError`; a read that takes too long is ended for all who wait behind it."""
        if self._waiting >= WAITING_MAX:
            raise DatabaseAway
        self._waiting += 1
        try:
            async with asyncio.timeout(READ_SECONDS_MAX):
                loop = asyncio.get_running_loop()
                found: str | None = await loop.run_in_executor(self._thread, self._reader.read, domain, parameters)
                return found
        except TimeoutError:
            self._reader.hang_up(READ_SECONDS_MAX / 2)  # a busy reader isn't a stuck one
            raise
        finally:
            self._waiting -= 1


def _signed_in(shop: Shop, customer_shopify_id: str) -> None:
    """The platform said so: their points are theirs from now on."""
    with shop_scope(shop.id):
        customer_signed_in(int(customer_shopify_id))


def _written(domain: str, what: str, write: Callable[[Shop, str], object]) -> None:
    """In a thread of its own: nobody waits for it."""
    try:
        if shop := Shop.objects.filter(domain=domain, state=Shop.State.INSTALLED).first():
            write(shop, what)
    except DatabaseError as error:
        log.info("visitor_not_noted", reason=str(error))
    finally:
        connection.close()


_METHODS = ("GET", "HEAD")
_NO_PROGRAMME = b'"programme":null'
_KEPT_NOWHERE: Headers = [(b"cache-control", b"private, no-store"), (b"x-content-type-options", b"nosniff")]
_READ = {b"accept-language", b"if-none-match", b"x-forwarded-for"}


def _headers(given: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers we read; one that appears twice is joined by a comma."""
    headers: dict[bytes, bytes] = {}
    for name, value in given:
        if name in _READ:
            headers[name] = headers[name] + b"," + value if name in headers else value
    return headers


def _told(facts: Found, is_logged_in: bool, language: str, now: Any) -> _Answer:
    with translation.override(language):
        told = answer(facts, is_logged_in, Words(language, facts.currency, facts.timezone), now)
    body = orjson.dumps(told, option=orjson.OPT_UTC_Z)
    tag = hashlib.blake2b(body, digest_size=16, key=language.encode()).hexdigest()
    return _Answer(
        200,
        body,
        [
            (b"content-type", b"application/json"),
            (b"content-language", language.encode()),
            (b"etag", f'"{tag}"'.encode()),
        ],
    )


def _has_it(given: bytes, tag: bytes) -> bool:
    """Whether one of the tags given is the answer's. A proxy that packed the answer may have weakened it."""
    return any(one.strip().removeprefix(b"W/") in (tag, b"*") for one in given.split(b","))
