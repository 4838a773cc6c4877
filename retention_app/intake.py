"""Working off webhook deliveries: a delivery is a hint, the platform is the truth (DESIGN 4).

Bodies only say which resources to read again; uninstalling, finished bulk operations and what the law asks for have
nothing to read and are acted on from the body, once it names this shop or no shop. A body that makes no sense is put
aside with the reason, its neighbours go through. Applying a delivery twice, late or out of order changes nothing.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from django.db import transaction

from retention_app import clock, sync, work
from retention_app.models import DomainEvent, PrivacyRequest, Shop, SyncRun, WebhookDelivery
from retention_app.observability import ids_said
from retention_app.privacy.deliveries import deliveries_of_erased_forget
from retention_app.privacy.requests import request_record
from retention_app.refresh import AT_A_TIME, READS_OF_MISSING, Refreshed, forget, refresh
from retention_app.removals import customers_merge
from retention_app.services.install import shop_reread, shop_uninstalled
from retention_app.services.storefront import theme_read
from retention_app.shopify.errors import ShopClosed, ShopifyError, Throttled, TransientError
from retention_app.shopify.mapping import instant, numeric_id
from retention_app.shopify.topics import TOPIC_HANDLERS, Handling, Kind
from retention_app.work import Keep

log = structlog.get_logger(__name__)

_LARGEST_ID = 2**63 - 1
_SURVIVOR_AT = ("admin_graphql_api_customer_kept_id",)
_NO_MERGE = ("requested", "in_progress", "failed")
_COMPLIANCE = {
    Kind.DATA_REQUEST: PrivacyRequest.Kind.DATA_REQUEST,
    Kind.CUSTOMER_REDACT: PrivacyRequest.Kind.CUSTOMER_REDACT,
    Kind.SHOP_REDACT: PrivacyRequest.Kind.SHOP_REDACT,
}
_NAMING_THE_SHOP = {Kind.UNINSTALLED: "myshopify_domain", **dict.fromkeys(_COMPLIANCE, "shop_domain")}
_NAMED_AT_A_TIME = 100  # merges, and what speaks of the shop itself
_LIVE = DomainEvent.Origin.LIVE

ByResource = dict[int, list["Hint"]]


@dataclass(frozen=True)
class Hint:
    """What a delivery says: which resource, how new its state is at least, whether it is gone, and merged into whom; of
    the shop itself, what it is called now."""

    delivery: WebhookDelivery
    kind: Kind
    resource_id: int
    newest: dt.datetime | None
    gone: bool = False
    survivor_id: int | None = None
    shop_domain: str = ""


class Malformed(ValueError):
    """A body that says nothing we can act on, or speaks of another shop."""


class ResourceMissing(Exception):
    """The platform answers null for a resource that a delivery names."""


class StaleAnswer(Exception):
    """The platform answered with an older state than a delivery told of."""


def deliveries_apply(shop: Shop, deliveries: Sequence[WebhookDelivery]) -> None:
    """Bring the mirror up to what these leased deliveries hint at, and finish, postpone or put aside each of them.

    Runs inside the shop's scope, outside transactions (it talks to the platform). What speaks of people who were erased
    is forgotten before anything else, so that a worker killed anywhere leaves nothing of them.
    """
    deliveries_of_erased_forget(shop, deliveries)
    wanted: dict[Kind, ByResource] = {kind: defaultdict(list) for kind in Kind}
    for delivery in deliveries:
        try:
            hint = _read_hint(shop, delivery)
        except Malformed as error:
            work.failed(delivery, error, permanent=True)
        except Exception as error:  # no oddity of one body may hold up the shop's others
            log.exception("delivery_unreadable", delivery_ids=str(delivery.id))
            work.failed(delivery, error, permanent=True)
        else:
            if hint is None:
                work.done([delivery])
            else:
                wanted[hint.kind][hint.resource_id].append(hint)

    keep = work.keeping(deliveries)
    for kind in _NAMING_THE_SHOP:
        _bring(shop, kind, wanted.pop(kind), keep)
    if shop.state != Shop.State.INSTALLED:  # nothing can be read any more; a re-install imports everything anew
        work.done([delivery for rows in wanted.values() for delivery in _all(rows)])
        return
    for kind, rows in wanted.items():
        _bring(shop, kind, rows, keep)


def _all(rows: ByResource) -> list[WebhookDelivery]:
    return [hint.delivery for hints in rows.values() for hint in hints]


# --- what a body says -------------------------------------------------------------------------------------------------


def _read_hint(shop: Shop, delivery: WebhookDelivery) -> Hint | None:
    """What the body says, as far as it is believed; None when it is no news. Raises `Malformed`."""
    handling = TOPIC_HANDLERS.get(delivery.topic)
    if handling is None:
        raise Malformed(f"We don't handle the topic {delivery.topic}.")
    try:
        body = orjson.loads(bytes(delivery.body))
    except orjson.JSONDecodeError as error:
        raise Malformed("The body is no JSON.") from error
    if not isinstance(body, dict):
        raise Malformed("The body is no JSON object.")
    _check_shop(shop, body, handling)
    if handling.kind is Kind.ACCOUNTS:
        if not isinstance(body.get(handling.id_at[0]), str):
            raise Malformed("The body doesn't say which customer accounts there are.")
        return Hint(delivery, Kind.SHOP, shop.id, None)
    resource_id = _id_at(body, handling.id_at)
    if handling.kind is Kind.SHOP:
        return Hint(delivery, handling.kind, resource_id, None, shop_domain=str(body.get("myshopify_domain", "")))
    if handling.kind is not Kind.MERGED:
        return Hint(delivery, handling.kind, resource_id, _newest(body), gone=handling.deletes)
    if body.get("status") in _NO_MERGE:
        return None
    if body.get("status") != "completed":
        raise Malformed("The body doesn't say how the merge ended.")
    return Hint(delivery, handling.kind, resource_id, None, gone=True, survivor_id=_id_at(body, _SURVIVOR_AT))


def _newest(body: dict[str, Any]) -> dt.datetime | None:
    """The instant of the change the body tells of, where it says one (a refund has no `updated_at`)."""
    try:
        return instant(body.get("updated_at") or body["created_at"]).replace(microsecond=0)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return None


def _check_shop(shop: Shop, body: dict[str, Any], handling: Handling) -> None:
    """The shop header isn't signed, the body is: where it names a shop, it must be this one. Names change, so they
    count only where there is no id."""
    if handling.kind in _NAMING_THE_SHOP and _NAMING_THE_SHOP[handling.kind] not in body:
        raise Malformed("The body names no shop.")
    ids = _shop_ids(body)
    if ids and shop.shopify_id is not None:
        ours = ids <= {str(shop.shopify_id), f"gid://shopify/Shop/{shop.shopify_id}"}
    else:
        ours = {body.get("shop_domain"), body.get("myshopify_domain")} <= {None, shop.domain}
    if not ours:
        raise Malformed("The body speaks of another shop than the header.")


def _shop_ids(body: dict[str, Any]) -> set[str]:
    """The ids by which a body names its shop; some bodies are the shop."""
    ids = [body.get("shop_id"), body.get("id") if "myshopify_domain" in body else None]
    return {str(id_) for id_ in ids if id_ is not None}


def readdress(delivery: WebhookDelivery) -> bool:
    """Send a leased delivery whose shop header nobody answers to on to the shop that its body names by id: the shop was
    renamed. Answers whether there is one."""
    try:
        body = orjson.loads(bytes(delivery.body))
        ids = {numeric_id(id_) if "/" in id_ else int(id_) for id_ in _shop_ids(body)}
        (shop_id,) = ids
        shop = Shop.objects.filter(shopify_id=shop_id).first() if 0 < shop_id <= _LARGEST_ID else None
    except (ValueError, TypeError, AttributeError):  # no JSON object, or no single id
        return False
    if shop is None:
        return False
    WebhookDelivery.objects.filter(id=delivery.id).update(shop_domain=shop.domain)
    work.wait([delivery], seconds=0)
    return True


def _id_at(body: dict[str, Any], path: Sequence[str]) -> int:
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, str) and value.startswith("gid://shopify/"):
        try:
            value = numeric_id(value)
        except ValueError:
            value = None
    if type(value) is not int or not 0 < value <= _LARGEST_ID:
        raise Malformed(f"The body has no id at {'.'.join(path)}.")
    return value


def _triggered_at(delivery: WebhookDelivery) -> dt.datetime:
    try:
        return instant(delivery.triggered_at)
    except (ValueError, OverflowError):
        return delivery.received_at


# --- reading again ----------------------------------------------------------------------------------------------------


def _bring(shop: Shop, kind: Kind, rows: ByResource, keep: Keep) -> None:
    """Do what is said, a batch at a time. A failing batch is split until the bad one is alone; while the platform is
    out of reach, what is left is put back."""
    size = AT_A_TIME.get(kind, _NAMED_AT_A_TIME)
    batches = deque(_slice(rows, start, start + size) for start in range(0, len(rows), size))
    while batches:
        batch = batches.popleft()
        deliveries = _all(batch)
        left = [*deliveries, *(delivery for rest in batches for delivery in _all(rest))]
        keep()
        try:
            with structlog.contextvars.bound_contextvars(delivery_ids=ids_said(each.id for each in deliveries)):
                _take_in(shop, kind, batch, keep)
                log.info("deliveries_worked", kind=kind.value)
        except Throttled as error:
            work.wait(left, seconds=error.wait_seconds)
            return
        except TransientError as error:
            for delivery in left:
                work.postponed(delivery, error, since=delivery.received_at)
            return
        except ShopClosed as error:
            log.warning("deliveries_wait_for_shop", reason=str(error))
            work.wait(left, seconds=work.CLOSED_SHOP_SECONDS)
            return
        except Exception as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                batches.extendleft([_slice(batch, middle, None), _slice(batch, 0, middle)])
                continue
            log.exception("deliveries_failed", kind=kind.value, delivery_ids=ids_said(each.id for each in deliveries))
            for delivery in deliveries:
                work.failed(delivery, error, permanent=isinstance(error, ShopifyError))


def _slice(rows: ByResource, start: int, stop: int | None) -> ByResource:
    return dict(itertools.islice(rows.items(), start, stop))


def _take_in(shop: Shop, kind: Kind, rows: ByResource, keep: Keep) -> None:
    """Act on what the bodies say, or read the resources again and upsert them, and finish the deliveries. Done once
    more after a failure half-way it changes nothing."""
    if kind is Kind.UNINSTALLED:
        for delivery in _all(rows):
            shop_uninstalled(shop, at=_triggered_at(delivery))
    elif kind in _COMPLIANCE:
        for customer_id, hints in rows.items():
            for hint in hints:
                whom = None if kind is Kind.SHOP_REDACT else customer_id
                request_record(shop, hint.delivery, kind=_COMPLIANCE[kind], customer_shopify_id=whom)
    elif kind is Kind.BULK_FINISHED:
        _sync_wake(shop, rows)
    elif kind is Kind.THEME:
        theme_read(shop.id)
    elif kind is Kind.SHOP:
        domains = [hint.shop_domain for hints in rows.values() for hint in hints if hint.shop_domain]
        shop_reread(shop_id=shop.id, domain=domains[-1] if domains else "")
    else:
        _finish(kind, rows, _refresh(shop, kind, rows, keep))
        return
    work.done(_all(rows))


def _refresh(shop: Shop, kind: Kind, rows: ByResource, keep: Keep) -> Refreshed:
    if kind is not Kind.MERGED:
        return refresh(shop.id, kind, list(rows), origin=_LIVE, keep=keep)
    survivors = {hint.survivor_id for hints in rows.values() for hint in hints if hint.survivor_id}
    return refresh(shop.id, Kind.CUSTOMERS, [*rows, *sorted(survivors)], origin=_LIVE, keep=keep)


def _finish(kind: Kind, rows: ByResource, refreshed: Refreshed) -> None:
    """Act on what is gone and finish the deliveries; those that know of a newer state come again."""
    outdated = list(_outdated(rows, refreshed))
    waiting = {hint.delivery.id for hint, _ in outdated}
    settled = [hint for hints in rows.values() for hint in hints if hint.delivery.id not in waiting]
    told_gone = {hint.resource_id for hint in settled if hint.gone} & refreshed.gone
    if kind is Kind.MERGED:
        for hint in settled:
            if hint.survivor_id and hint.resource_id in told_gone:
                customers_merge(kept_id=hint.survivor_id, deleted_id=hint.resource_id, origin=_LIVE)
        kind = Kind.CUSTOMERS
    forget(kind, told_gone, origin=_LIVE)
    work.done([hint.delivery for hint in settled])
    for hint, error in outdated:
        if isinstance(error, StaleAnswer) and not hint.gone:
            work.postponed(hint.delivery, error, since=hint.delivery.received_at)
        else:
            work.failed(hint.delivery, error)


def _outdated(rows: ByResource, refreshed: Refreshed) -> Iterator[tuple[Hint, Exception]]:
    """The hints that speak of a newer state than the one that was read: reads may be answered from a slow copy. What
    they say about being there or gone is believed after `READS_OF_MISSING` reads only."""
    for resource_id, hints in rows.items():
        state = refreshed.states[resource_id]
        for hint in hints:
            early = work.tries(hint.delivery) < READS_OF_MISSING
            if hint.gone:
                if resource_id not in refreshed.gone and early:
                    yield hint, StaleAnswer("The platform still knows what it told us is gone.")
                elif hint.survivor_id in refreshed.gone and early:
                    yield hint, ResourceMissing("The platform doesn't know the surviving customer, or not yet.")
            elif state is None:
                if early:
                    yield hint, ResourceMissing("The platform doesn't know the resource, or not yet.")
            elif hint.newest and state["updated_at"].replace(microsecond=0) < hint.newest:
                yield hint, StaleAnswer("The platform answered with an older state than it told of.")


def _sync_wake(shop: Shop, finished: ByResource) -> None:
    """Tell the running import that one of its files is ready."""
    with transaction.atomic():
        run = (
            SyncRun.objects.filter(shop=shop)
            .exclude(phase__in=[SyncRun.Phase.DONE, SyncRun.Phase.FAILED])
            .order_by("id")
            .first()
        )
        if run and any(numeric_id(operation["id"]) in finished for operation in run.operations.values()):
            SyncRun.objects.filter(id=run.id).update(due_at=clock.now())
            sync.sync_wake(run)
