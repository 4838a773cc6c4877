"""Shopify's own paths: access tokens, the Admin API, bulk results."""

import asyncio
import hmac
import json
import time
import uuid
from collections.abc import Mapping
from typing import Any, cast

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from devstore import bulk, calllog, oauth
from devstore.graphql.api import AdminApi, Answer, served_version
from devstore.knobs import happens
from devstore.shops import Shop

WRONG_TOKEN = "[API] Invalid API key or access token (unrecognized login or wrong password)"  # noqa: S105 - a message


UNAVAILABLE = {"frozen": (402, "Unavailable Shop"), "locked": (423, "Locked Shop")}  # by the shop's status


class NoAnswer(Response):
    """The connection is dropped, after a while, and no byte is sent. Without a server under the application (in tests
    of it alone) it raises ConnectionAbortedError instead."""

    def __init__(self, after_ms: float) -> None:
        super().__init__()
        self.after_ms = after_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(self.after_ms / 1000)
        connections = [each for each in scope["app"].state.connections if each.client == tuple(scope["client"])]
        if not connections:
            raise ConnectionAbortedError("dropped without an answer")
        for connection in connections:
            connection.transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass


class Json(JSONResponse):
    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


async def access_token(request: Request) -> Response:
    shop = cast(Shop, request.state.shop)
    try:
        fields = await body_fields(request)
    except ValueError:
        return Json({"error": "invalid_request", "error_description": "The body is neither JSON nor a form"}, 400)
    await asyncio.sleep(shop.knobs.latency_ms / 1000)
    if happens(shop.knobs.fail):
        return Json({"error": "temporarily_unavailable"}, 503)
    return await run_in_threadpool(token_answer, shop, fields)


async def body_fields(request: Request) -> Mapping[str, Any]:
    """A JSON object or a form. Raises ValueError."""
    if "json" not in request.headers.get("content-type", ""):
        return {name: str(value) for name, value in (await request.form()).items()}
    fields = json.loads(await request.body())
    if not isinstance(fields, dict):
        raise ValueError("not an object")
    return fields


def token_answer(shop: Shop, fields: Mapping[str, Any]) -> Response:
    grant = str(fields.get("grant_type") or ("code" if "code" in fields else "")).rpartition(":")[2]
    answer: dict[str, Any]
    error: str | None = None
    try:
        if shop.status in UNAVAILABLE:
            status, error = UNAVAILABLE[shop.status]
            answer = {"errors": error}
        else:
            answer, status = oauth.access_token(shop, fields), 200
    except oauth.OAuthError as problem:
        status, error = problem.status, problem.error
        answer = {"error": problem.error, "error_description": problem.description}
    lost = happens(shop.knobs.timeout_after_work)
    online = fields.get("requested_token_type") == oauth.ONLINE
    calllog.record(shop, "token", grant=grant, online=online, status=None if lost else status, error=error)
    return NoAnswer(shop.knobs.hang_ms) if lost else Json(answer, status)


async def graphql(request: Request) -> Response:
    shop = cast(Shop, request.state.shop)
    body = await request.body()
    knobs = shop.knobs
    await asyncio.sleep(knobs.latency_ms / 1000)
    return await run_in_threadpool(graphql_answer, request, shop, body)


def graphql_answer(request: Request, shop: Shop, body: bytes) -> Response:
    started = time.perf_counter()
    version = served_version(request.path_params["version"])
    headers = {"X-Shopify-API-Version": version, "X-Request-Id": str(uuid.uuid4())}
    answer, status = Answer({}), 200
    access = oauth.access(shop, request.headers.get("x-shopify-access-token", ""))
    if happens(shop.knobs.fail):
        answer, status = Answer({"errors": "Service Unavailable"}), 503
    elif shop.status in UNAVAILABLE:
        status, message = UNAVAILABLE[shop.status]
        answer = Answer({"errors": message})
    elif access is None:
        answer, status = Answer({"errors": WRONG_TOKEN}), 401
    else:
        try:
            payload = orjson.loads(body)
            if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
                answer, status = Answer({"errors": {"query": "Required parameter missing or invalid"}}), 400
            else:
                api = cast(AdminApi, request.app.state.admin_api)
                answer = api.answer(shop, version, access.scopes, access.offline, payload)
        except orjson.JSONDecodeError:
            answer, status = Answer({"errors": "The body is not JSON"}), 400
    errors = answer.body.get("errors")
    codes = [(each.get("extensions") or {}).get("code") for each in errors] if isinstance(errors, list) else []
    lost = happens(shop.knobs.timeout_after_work)
    calllog.record(
        shop,
        "graphql",
        operation=answer.operation,
        document=calllog.remember_document(shop.database, answer.query) if answer.query is not None else None,
        version=version,
        status=None if lost else status,
        errors=codes or bool(errors),
        requested_cost=answer.requested,
        actual_cost=answer.actual,
        **({} if answer.created is None else {"created": answer.created}),
        ms=round((time.perf_counter() - started) * 1000, 1),
    )
    return NoAnswer(shop.knobs.hang_ms) if lost else Json(answer.body, status, headers)


async def bulk_file(request: Request) -> Response:
    shop = cast(Shop, request.state.shop)
    number = int(request.path_params["number"])
    given = request.query_params.get("signature", "")
    path = shop.store.bulk.path(number)
    if not hmac.compare_digest(given.encode(), bulk.signature(shop.store, number).encode()) or not path.exists():
        return Response(status_code=403)
    await run_in_threadpool(calllog.record, shop, "bulk_file", bulk_operation=number, bytes=path.stat().st_size)
    return FileResponse(path, media_type="application/jsonl")


routes = [
    Route("/admin/oauth/access_token", access_token, methods=["POST"]),
    Route("/admin/api/{version}/graphql.json", graphql, methods=["POST"]),
    Route("/devstore/bulk/{number:int}.jsonl", bulk_file, methods=["GET"]),
]
