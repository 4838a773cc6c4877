"""Raw deliveries that name somebody who was erased: done with, they are deleted; one still to be worked on keeps the id
of what it hints at and nothing else. Only what asks for something by law keeps its words until that is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from retention_app.models import PrivacyRequest, Shop, WebhookDelivery
from retention_app.privacy import tombstones
from retention_app.privacy.person import Person, leaves
from retention_app.shopify.topics import TOPIC_HANDLERS, Kind

BATCH = 200  # bodies in memory at a time

_REQUESTS = frozenset({Kind.DATA_REQUEST, Kind.CUSTOMER_REDACT, Kind.SHOP_REDACT})
_ABOUT_PEOPLE = _REQUESTS | {Kind.CUSTOMERS, Kind.MERGED}
_UNDERSTOOD = (WebhookDelivery.State.WAITING, WebhookDelivery.State.DONE)
_KEPT = ("shop_id", "shop_domain", "myshopify_domain", "updated_at", "created_at")  # what intake reads beside the id
_CUSTOMER = "gid://shopify/Customer/"


def deliveries_naming(shop: Shop, person: Person, keep: Callable[[], None]) -> Iterator[list[WebhookDelivery]]:
    """The shop's deliveries that speak of the person, batch by batch. `keep` is called after each."""
    last = 0
    while True:
        batch = list(WebhookDelivery.objects.filter(shop_domain=shop.domain, id__gt=last).order_by("id")[:BATCH])
        if not batch:
            return
        last = batch[-1].id
        named = [delivery for delivery in batch if _is_named_in(person, bytes(delivery.body))]
        if named:
            yield named
        keep()


def _is_named_in(person: Person, body: bytes) -> bool:
    try:
        return person.is_named_in(orjson.loads(body))
    except orjson.JSONDecodeError:
        return person.is_named_in_raw(body)


def deliveries_forget(deliveries: Sequence[WebhookDelivery]) -> int:
    """Delete these deliveries, and cut those still waiting down to their hint; those of open requests stay. Answers how
    many said something."""
    deliveries = _without_open_requests(deliveries)
    rows = WebhookDelivery.objects.filter(id__in=[delivery.id for delivery in deliveries])
    cut = set()
    for delivery in rows.filter(state=WebhookDelivery.State.WAITING):
        hint = _hint(delivery)
        if hint is not None and rows.filter(id=delivery.id).update(body=hint):
            cut.add(delivery.id)
    rows.exclude(id__in=cut).delete()
    return len(deliveries)


def _without_open_requests(deliveries: Sequence[WebhookDelivery]) -> list[WebhookDelivery]:
    """Without those whose request isn't done: it needs their words, and deletes them when it finishes."""
    asking = {
        delivery.webhook_id
        for delivery in deliveries
        if (handling := TOPIC_HANDLERS.get(delivery.topic)) and handling.kind in _REQUESTS
        if delivery.state in _UNDERSTOOD
    }
    answered = PrivacyRequest.objects.filter(key__in=asking, state=PrivacyRequest.State.DONE)
    still_open = asking.difference(answered.values_list("key", flat=True))
    return [delivery for delivery in deliveries if delivery.webhook_id not in still_open]


def _hint(delivery: WebhookDelivery) -> bytes | None:
    """The body with what intake acts on, and nothing about people; None when that is nothing."""
    handling = TOPIC_HANDLERS.get(delivery.topic)
    if handling is None or handling.kind in _ABOUT_PEOPLE:
        return None
    try:
        body = orjson.loads(bytes(delivery.body))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict):
        return None
    value: Any = body
    for name in handling.id_at:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, int | str):
        return None
    for name in reversed(handling.id_at):
        value = {name: value}
    return orjson.dumps({**{name: body[name] for name in _KEPT if name in body}, **value})


def deliveries_of_erased_forget(shop: Shop, deliveries: Sequence[WebhookDelivery]) -> None:
    """Forget those of a claim that speak of somebody who was erased, and all of a shop that was: what comes late isn't
    kept."""
    if shop.state == Shop.State.REDACTED:
        forgotten = [delivery.id for delivery in _without_open_requests(deliveries)]
        WebhookDelivery.objects.filter(id__in=forgotten).delete()
        return
    named = {delivery.id: _customers_in(delivery) for delivery in deliveries}
    gone = tombstones.erased({id_ for ids in named.values() for id_ in ids})
    if gone:
        deliveries_forget([delivery for delivery in deliveries if named[delivery.id] & gone.keys()])


def _customers_in(delivery: WebhookDelivery) -> set[int]:
    """What may be a customer's id in a body: any number will do, a hash says which are."""
    try:
        body = orjson.loads(bytes(delivery.body))
    except orjson.JSONDecodeError:
        return set()
    found = {each for each in leaves(body) if type(each) is int and each > 0}
    for each in leaves(body):
        if isinstance(each, str) and each.removeprefix(_CUSTOMER).isdecimal():
            found.add(int(each.removeprefix(_CUSTOMER)[:19]))
    return found
