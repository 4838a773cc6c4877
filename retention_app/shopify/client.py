"""The Admin GraphQL API: one wrapper that knows the cost bucket, what may be repeated, and what an error means.

Logs name, cost and request id of each call; never a token, a variable or an answer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import structlog
from django.conf import settings

from retention_app import trouble
from retention_app.models import Shop
from retention_app.observability import PLATFORM_CALLS, VERSION_DRIFT
from retention_app.shopify import bucket, documents, tokens
from retention_app.shopify.errors import (
    CLOSED_STATUSES,
    AccessDenied,
    FileUnavailable,
    QueryRefused,
    QueryTooCostly,
    ScopesMissing,
    ShopifyError,
    ShopUnavailable,
    Throttled,
    TransientError,
    Unauthorized,
    UnreadableAnswer,
)
from retention_app.shopify.transport import http

log = structlog.get_logger(__name__)

Answer = dict[str, Any]

THROTTLE_SECONDS_MAX = 20.0  # the longest a call waits for points before it gives its caller the choice
ATTEMPTS_MAX = 4  # of a query, when the platform or the way to it fails
BACKOFF_SECONDS = 0.25  # doubled after each failed attempt, with jitter
BULK_FILE_HOSTS = frozenset({"storage.googleapis.com"})  # where the platform keeps bulk results
FILE_ATTEMPTS_MAX = 5  # of a download without a new line in between
CHUNK_BYTES = 1 << 18

Trouble = Shop.Trouble


def graphql(shop_id: int, operation_name: str, variables: dict[str, Any] | None = None) -> Answer:
    """Run one of our documents for a shop and answer its `data`. See `Session.graphql` for what it raises."""
    return Session(shop_id).graphql(operation_name, variables)


class Session:
    """Calls for one shop in a row. Its token is looked up for each, so that none is made once the app is uninstalled.

    While a shop is being installed it has no row yet: then `shop_id` is None and `access` all there is.
    """

    def __init__(self, shop_id: int | None, access: tokens.Access | None = None) -> None:
        self._shop_id = shop_id
        self._given = access

    def graphql(self, operation_name: str, variables: dict[str, Any] | None = None) -> Answer:
        """Run one of our documents and answer its `data`.

        Waits for cost points up to `THROTTLE_SECONDS_MAX`, repeats a query (a mutation only when it surely wasn't run),
        refreshes the token once. Protected fields the platform withholds come as null, listed as `withheld` beside.
        Raises `Throttled`, `TransientError`, `ShopClosed` (`Unauthorized`, `ShopUnavailable`, `ScopesMissing`; the
        shop's `trouble` then says so), `AccessDenied`, `QueryTooCostly`, `QueryRefused` or `UnreadableAnswer`.
        Business refusals (`userErrors`) are the caller's to read. Call it outside transactions.
        """
        deadline = time.monotonic() + THROTTLE_SECONDS_MAX
        failures, rejected, let_in = 0, None, False
        while True:
            access = self._open(rejected, let_in=let_in)
            let_in = True
            try:
                answer = self._send_in_turn(access, operation_name, variables or {}, deadline)
            except Throttled as error:
                _sleep(error.wait_seconds, deadline)
            except TokenRejected as error:
                if rejected or self._shop_id is None:
                    self._note(Trouble.REAUTHORIZE)
                    raise Unauthorized("The platform takes none of our tokens: open the app again.") from error
                rejected = access.token
            except ShopUnavailable:
                self._note(Trouble.FROZEN)
                raise
            except AccessDenied as error:
                if self._shop_id and (missing := trouble.scopes_named(self._shop_id, str(error))):
                    raise ScopesMissing(missing) from error
                raise
            except TransientError:
                failures += 1
                if failures >= ATTEMPTS_MAX or documents.is_mutation(operation_name):
                    raise
                time.sleep(BACKOFF_SECONDS * 2**failures * random.uniform(0.5, 1.5))
            else:
                if self._shop_id is not None and access.trouble in (Trouble.FROZEN, Trouble.REAUTHORIZE):
                    trouble.over(self._shop_id, access.trouble)
                return answer

    def _open(self, rejected: str | None, *, let_in: bool) -> tokens.Access:
        if self._shop_id is not None:
            return tokens.access(self._shop_id, rejected=rejected, let_in=let_in)
        assert self._given is not None  # a session without a shop is made with a token
        return self._given

    def _note(self, kind: Trouble) -> None:
        if self._shop_id is not None:
            trouble.met(self._shop_id, kind)

    def _send_in_turn(
        self, access: tokens.Access, operation_name: str, variables: dict[str, Any], deadline: float
    ) -> Answer:
        """Send once the operation's cost points are there."""
        while (reserved := bucket.reserve(access.domain, operation_name)).wait_seconds > 0:
            _sleep(reserved.wait_seconds, deadline)
        try:
            return self._send(access, operation_name, variables)
        finally:
            bucket.release(reserved)

    def _send(self, access: tokens.Access, operation_name: str, variables: dict[str, Any]) -> Answer:
        try:
            answer = self._post(access, operation_name, variables)
        except ShopifyError as error:
            PLATFORM_CALLS.labels(operation_name, type(error).__name__).inc()
            raise
        PLATFORM_CALLS.labels(operation_name, "ok").inc()
        return answer

    def _post(self, access: tokens.Access, operation_name: str, variables: dict[str, Any]) -> Answer:
        version = settings.SHOPIFY_API_VERSION
        try:
            response = http().post(
                f"https://{access.domain}/admin/api/{version}/graphql.json",
                content=orjson.dumps(
                    {
                        "query": documents.document(operation_name),
                        "variables": variables,
                        "operationName": operation_name,
                    }
                ),
                headers={"X-Shopify-Access-Token": access.token, "Content-Type": "application/json"},
            )
        except httpx.HTTPError as error:
            raise TransientError(f"{operation_name}: {type(error).__name__} on the way to the platform.") from error
        served = response.headers.get("X-Shopify-API-Version", version)
        if served != version:
            VERSION_DRIFT.labels(version, served[:16]).inc()
            log.warning("shopify_version_differs", operation=operation_name, asked=version, served=served)
        if deprecated := response.headers.get("X-Shopify-API-Deprecated-Reason"):
            log.warning("shopify_deprecated", operation=operation_name, reason=deprecated)
        _check_status(response, operation_name)
        return _read_answer(response, access.domain, operation_name)


class TokenRejected(Unauthorized):
    """The platform rejected this token: another may do."""


def _check_status(response: httpx.Response, operation_name: str) -> None:
    status = response.status_code
    if status == 200:
        return
    log.warning(
        "shopify_call_failed", operation=operation_name, status=status, shopify_request_id=_request_id(response)
    )
    if status == 401:
        raise TokenRejected("The platform rejected the token.")
    if status == 429:
        raise Throttled(_retry_after(response))
    if status in CLOSED_STATUSES:
        raise ShopUnavailable(f"The platform calls the shop {CLOSED_STATUSES[status]} (HTTP {status}).")
    if status >= 500:
        raise TransientError(f"{operation_name}: the platform answered HTTP {status}.")
    raise QueryRefused(f"{operation_name}: the platform answered HTTP {status}.")


def _read_answer(response: httpx.Response, domain: str, operation_name: str) -> Answer:
    try:
        body = orjson.loads(response.content)
        data, errors = body.get("data"), body.get("errors") or []
        cost = (body.get("extensions") or {}).get("cost") or {}
    except (orjson.JSONDecodeError, AttributeError) as error:
        raise TransientError(f"{operation_name}: the platform answered no JSON object.") from error
    bucket.learn(domain, operation_name, cost)
    log.info(
        "shopify_call",
        operation=operation_name,
        requested=cost.get("requestedQueryCost"),
        actual=cost.get("actualQueryCost"),
        available=(cost.get("throttleStatus") or {}).get("currentlyAvailable"),
        shopify_request_id=_request_id(response),
    )
    if errors:
        _check_errors(errors, data, bucket.seconds_until(domain, operation_name), operation_name)
    if not isinstance(data, dict):
        raise UnreadableAnswer(f"{operation_name}: an answer without data.")
    return data


def _check_errors(errors: Any, data: Any, wait_seconds: float, operation_name: str) -> None:
    """Raise what the errors mean; return when all they say is that protected fields were withheld."""
    if not isinstance(errors, list) or not all(isinstance(error, dict) for error in errors):
        raise QueryRefused(f"{operation_name}: {errors}"[:500])
    codes = {(error.get("extensions") or {}).get("code") for error in errors}
    message = f"{operation_name}: {errors[0].get('message', '')}"[:500]
    if "THROTTLED" in codes:
        raise Throttled(wait_seconds)
    if "MAX_COST_EXCEEDED" in codes:
        raise QueryTooCostly(message)
    if codes == {"ACCESS_DENIED"}:
        # A path that ends at a field below the root stands for a nullable field that came as null; one that ends at a
        # place in a list stands for a whole object we may not see, which must not be taken for one that is gone.
        if isinstance(data, dict) and all(
            len(error.get("path") or ()) > 1
            and isinstance(error["path"][-1], str)
            and data.get(error["path"][0]) is not None
            for error in errors
        ):
            log.warning("shopify_fields_withheld", operation=operation_name, fields=len(errors))
            for error in errors:
                _mark_withheld(data, error["path"])
            return
        raise AccessDenied(message)
    if "INTERNAL_SERVER_ERROR" in codes:
        raise TransientError(message)
    raise QueryRefused(message)


def _mark_withheld(data: Answer, path: list[Any]) -> None:
    """Tell null that means "not for you" from null that means "nothing": `withheld` lists an object's such fields."""
    parent: Any = data
    try:
        for step in path[:-1]:
            parent = parent[step]
        parent.setdefault("withheld", []).append(path[-1])
    except (LookupError, TypeError, AttributeError):
        log.warning("shopify_error_path_unknown", path=path)


def _request_id(response: httpx.Response) -> str | None:
    value: str | None = response.headers.get("X-Request-Id")
    return value


def _retry_after(response: httpx.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0


def _sleep(seconds: float, deadline: float) -> None:
    """Wait with some jitter. Raises `Throttled` at once when that would pass the deadline."""
    seconds = max(seconds, 0.05) * random.uniform(1.0, 1.2)
    if time.monotonic() + seconds > deadline:
        raise Throttled(seconds)
    time.sleep(seconds)


def stream_lines(url: str, skip: int = 0, after_chunk: Callable[[], None] | None = None) -> Iterator[bytes]:
    """The lines of a bulk result, without their line ends, from line `skip` on. Holds one chunk in memory.

    `after_chunk` is called for each chunk that came, also while lines are skipped: the caller's sign of life.
    A broken connection is taken up again where it broke. Raises `FileUnavailable` for an address no result lies at,
    `TransientError` when the connection keeps breaking.
    """
    _check_file_url(url)
    done, failures = skip, 0
    while True:
        number = 0
        try:
            for line in _lines(url, after_chunk):
                number += 1
                if number > done:
                    done, failures = number, 0
                    yield line
            return
        except httpx.HTTPError as error:
            failures += 1
            if failures >= FILE_ATTEMPTS_MAX:
                raise TransientError("The connection kept breaking while reading a bulk result.") from error
            time.sleep(BACKOFF_SECONDS * 2**failures * random.uniform(0.5, 1.5))


def _check_file_url(url: str) -> None:
    parts = urlsplit(url)
    devstore = urlsplit(settings.SHOPIFY_DEVSTORE_URL)
    if devstore.netloc and (parts.scheme, parts.netloc) == (devstore.scheme, devstore.netloc):
        return
    if parts.scheme != "https" or parts.netloc not in BULK_FILE_HOSTS:
        raise FileUnavailable("A bulk result lies at an unexpected address.")


def _lines(url: str, after_chunk: Callable[[], None] | None) -> Iterator[bytes]:
    with http().stream("GET", url) as response:
        if response.status_code >= 500:
            raise httpx.HTTPStatusError("server error", request=response.request, response=response)
        if response.status_code != 200:
            raise FileUnavailable(f"The platform answered HTTP {response.status_code} for a bulk result.")
        rest = b""
        for chunk in response.iter_bytes(CHUNK_BYTES):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            if after_chunk:
                after_chunk()
            yield from filter(None, lines)
        if rest:
            yield rest
