"""Comparing the mirror with the platform, and repairing what differs through the same upsert as webhooks (DESIGN 4).

Every hour what changed since the last comparison is listed by `updated_at`, with an overlap; every night, and when
staff ask, the counts are compared too, and where they differ every id is. Doing any of it twice changes nothing; a
killed one goes on at the page it was at.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog
from django.db import models, transaction
from django.db.models import Q

from retention_app import clock, work
from retention_app.models import Customer, DomainEvent, Order, Product, Reconciliation, Shop, ShopToken, SyncRun
from retention_app.refresh import AT_A_TIME, READS_OF_MISSING, Refreshed, forget, refresh
from retention_app.shopify.client import Session
from retention_app.shopify.errors import AccessDenied, ShopClosed, Throttled, TransientError
from retention_app.shopify.mapping import instant, numeric_id
from retention_app.shopify.topics import Kind
from retention_app.sync import sync_repeat
from retention_app.wake import wake

log = structlog.get_logger(__name__)

LAG = dt.timedelta(hours=1)  # how far behind the platform's data its lists and copies may be
READS_OF_STALE = 3
PAUSE_SECONDS = 1.0  # between two reads of what seems gone: a copy of the platform's data may be slow
RECENT_ORDERS = dt.timedelta(days=59)
_RECONCILE = DomainEvent.Origin.RECONCILE


@dataclass(frozen=True)
class Resource:
    """How one kind of resource is listed, and which rows of the mirror it should equal."""

    kind: Kind
    name: str  # the key of the list in the platform's answer
    operation: str
    model: type[Customer] | type[Order] | type[Product]
    present: Q = field(default_factory=Q)


RESOURCES = (
    Resource(Kind.CUSTOMERS, "customers", "CustomerIdsPage", Customer, Q(gone_at=None)),
    Resource(Kind.PRODUCTS, "products", "ProductIdsPage", Product),
    Resource(Kind.ORDERS, "orders", "OrderIdsPage", Order),
)
_NAMED = {resource.name: resource for resource in RESOURCES}


class StillStale(TransientError):
    """The platform kept answering with an older state than it lists."""


def reconciliation_start(*, shop_id: int, kind: Reconciliation.Kind, actor: str = "") -> Reconciliation:
    """Ask for a comparison, or answer the one that waits and does at least as much; wakes a worker on commit. An import
    that was given up begins anew: there is nothing to compare before it."""
    as_much = [kind] if kind is Reconciliation.Kind.CHANGES else [Reconciliation.Kind.WHOLE, Reconciliation.Kind.ASKED]
    with transaction.atomic():
        Shop.objects.select_for_update().get(id=shop_id)
        waiting = Reconciliation.objects.filter(shop_id=shop_id, state=Reconciliation.State.WAITING, kind__in=as_much)
        if kind is Reconciliation.Kind.ASKED:  # who asks wants to know of now; one that has begun may have passed it
            waiting = waiting.filter(read_at=None)
        row = waiting.first()
        if row is None:
            now = clock.now()
            row = Reconciliation.objects.create(shop_id=shop_id, kind=kind, requested_at=now, due_at=now, actor=actor)
        sync_repeat(shop_id=shop_id)
        from retention_app.tasks import reconcile_work

        wake(reconcile_work, shop_id=shop_id)
    return row


def reconcile(row: Reconciliation, *, until: dt.datetime) -> None:
    """Go on with a claimed comparison until it is done or `until` has come; finish it, hand it over, put it back or
    aside. Runs in the shop's scope, outside transactions."""
    try:
        if not Comparison(row).advance(until):
            work.wait([row], seconds=0)
    except ClaimLost:
        log.warning("reconciliation_claim_lost", reconciliation_id=row.id)
    except Throttled as error:
        work.wait([row], seconds=error.wait_seconds)
    except ShopClosed:
        work.wait([row], seconds=work.CLOSED_SHOP_SECONDS)
    except TransientError as error:
        work.postponed(row, error, since=row.requested_at)
    except Exception as error:
        log.exception("reconciliation_failed", reconciliation_id=row.id)
        work.failed(row, error)


class ClaimLost(Exception):
    """Another worker claimed the comparison meanwhile; what is left is its successor's to do."""


class Comparison:
    """A pass over a shop, page by page: each page's repairs are done before the row says that the next one follows.

    `progress` is `{"since", "steps", "after", "below"}`: what is still to do, as `[what, resource]`, and where in the
    first of it the next page begins.
    """

    def __init__(self, row: Reconciliation) -> None:
        self.row = row
        self.session = Session(row.shop_id)
        self.progress: dict[str, Any] = row.progress
        self.checked = Counter({resource.name: 0 for resource in RESOURCES} | row.checked)
        self.repaired = Counter({resource.name: 0 for resource in RESOURCES} | row.repaired)
        self._keep = work.keeping([row])

    def advance(self, until: dt.datetime) -> bool:
        """Do pages until `until`; answers whether nothing is left. Raises `ClaimLost`, and as `Session.graphql`."""
        if not self.progress:
            since = self._since()
            if since is None:  # nothing was ever imported: the import brings everything
                self._finish()
                return True
            self._begin(since)
        while self.progress["steps"]:
            if clock.now() >= until:
                return False
            what, name = self.progress["steps"][0]
            try:
                self._STEPS[what](self, _NAMED[name])
            except AccessDenied:  # the others are compared all the same; the banner asks for what is missing
                self._leave_out(name)
            self._save(progress=self.progress, checked=dict(self.checked), repaired=dict(self.repaired))
        self._finish()
        return True

    def _since(self) -> dt.datetime | None:
        shop = Shop.objects.get(id=self.row.shop_id)
        known = shop.reconciled_to
        if known is None:
            imported = SyncRun.objects.filter(shop=shop, phase=SyncRun.Phase.DONE).order_by("-id").first()
            known = imported.read_at if imported else None
        return known - LAG if known else None

    def _begin(self, since: dt.datetime) -> None:
        whole = self.row.kind != Reconciliation.Kind.CHANGES
        whats = ["changes", "count"] if whole else ["changes"]
        steps = [[what, resource.name] for what in whats for resource in RESOURCES]
        self.progress = {"since": f"{since:%Y-%m-%dT%H:%M:%SZ}", "steps": steps, "after": None, "below": 0}
        self._save(progress=self.progress, read_at=clock.now())

    def _leave_out(self, name: str) -> None:
        """Give up what we may not see; the next comparison begins where this one did."""
        log.warning("reconciliation_denied", resource=name)
        self.progress["steps"] = [step for step in self.progress["steps"] if step[1] != name]
        self.progress |= {"after": None, "below": 0, "denied": True}

    def _save(self, **changes: Any) -> None:
        """Keep how far it has come, and the lease."""
        ours = Reconciliation.objects.filter(id=self.row.id, attempts=self.row.attempts, state="waiting")
        if not ours.update(lease_until=work.lease_end(), **changes):
            raise ClaimLost
        for name, value in changes.items():
            setattr(self.row, name, value)

    def _finish(self) -> None:
        denied = self.progress.get("denied", False)
        with transaction.atomic():
            self._save(checked=dict(self.checked), repaired=dict(self.repaired), progress={})
            work.done([self.row])
            if self.row.read_at and not denied:
                older = Q(reconciled_to=None) | Q(reconciled_to__lt=self.row.read_at)
                Shop.objects.filter(older, id=self.row.shop_id).update(reconciled_to=self.row.read_at)
        log.info("reconciled", kind=self.row.kind, checked=dict(self.checked), repaired=dict(self.repaired))

    def _changes(self, resource: Resource) -> None:
        """A page of what changed since."""
        self._repair(resource, self._page(resource, "UPDATED_AT", f"updated_at:>='{self.progress['since']}'"))

    def _count(self, resource: Resource) -> None:
        """Compare how many there are; where the numbers differ every id is compared next."""
        there = self.session.graphql("ResourceCounts")[f"{resource.name}Count"]["count"]
        self.progress["steps"].pop(0)
        if there != self._present(resource).count():
            self.progress["steps"].insert(0, ["sweep", resource.name])

    def _sweep(self, resource: Resource) -> None:
        """A page of all ids: read what the mirror lacks or has older, forget what the platform has no more."""
        below = self.progress["below"]
        listed = self._page(resource, "ID")
        self._repair(resource, listed)
        above = max(listed, default=below)
        if self.progress["after"] is None:  # the last page: nothing lies beyond it
            self.progress["below"] = 0
            self._forget(resource, Q(shopify_id__gt=below), listed)
        else:
            self.progress["below"] = above
            self._forget(resource, Q(shopify_id__gt=below, shopify_id__lte=above), listed)

    _STEPS: ClassVar[dict[str, Callable[[Comparison, Resource], None]]] = {
        "changes": _changes,
        "count": _count,
        "sweep": _sweep,
    }

    def _page(self, resource: Resource, sort_key: str, query: str | None = None) -> dict[int, dt.datetime]:
        """The next page of Shopify id → `updated_at`, as the platform lists them; the last one ends the step."""
        variables: dict[str, Any] = {"query": query, "sortKey": sort_key, "after": self.progress["after"]}
        answer = self.session.graphql(resource.operation, variables)[resource.name]
        self._keep()
        self.progress["after"] = answer["pageInfo"]["endCursor"] if answer["pageInfo"]["hasNextPage"] else None
        if self.progress["after"] is None:
            self.progress["steps"].pop(0)
        return {numeric_id(node["id"]): instant(node["updatedAt"]) for node in answer["nodes"]}

    def _repair(self, resource: Resource, listed: dict[int, dt.datetime]) -> None:
        """Read again what the mirror lacks, has older, or read so soon that a copy of the platform's data may have had
        an earlier state of the same second: `updated_at` has no fractions, and both look alike."""
        self.checked[resource.name] += len(listed)
        known = {
            shopify_id: (updated_at, read_at)
            for shopify_id, updated_at, read_at in resource.model._default_manager.filter(
                resource.present, shopify_id__in=listed
            ).values_list("shopify_id", "updated_at", "read_at")
        }
        behind = {id_ for id_, changed in listed.items() if id_ not in known or known[id_][0] < changed}
        unsettled = {id_ for id_, changed in listed.items() if id_ in known and known[id_][1] < changed + LAG}
        for _ in range(READS_OF_STALE):
            written, wrong = self._read(resource, behind | unsettled, listed)
            self.repaired[resource.name] += len(written & behind if resource.kind is not Kind.ORDERS else written)
            if not wrong:
                return
            behind, unsettled = wrong, set()
        raise StillStale(f"{len(wrong)} {resource.name} were answered in an older state than listed.")

    def _read(self, resource: Resource, ids: set[int], listed: dict[int, dt.datetime]) -> tuple[set[int], set[int]]:
        """Read resources again; answers what was written, and what came older than it was listed."""
        written: set[int] = set()
        wrong: set[int] = set()
        for batch in _batches(sorted(ids), AT_A_TIME[resource.kind]):
            brought = self._refresh(resource, batch)
            written.update(brought.written)
            wrong.update(
                id_ for id_, state in brought.states.items() if state is not None and state["updated_at"] < listed[id_]
            )
        return written, wrong

    def _forget(self, resource: Resource, span: Q, listed: dict[int, dt.datetime]) -> None:
        """Take out of the mirror what stands in this span of ids, isn't listed, and isn't there however often asked."""
        known = self._present(resource).filter(span).values_list("shopify_id", flat=True)
        for batch in _batches(sorted(set(known) - listed.keys()), AT_A_TIME[resource.kind]):
            gone = self._gone(resource, batch)
            orphans = _orders_of(gone) if resource.kind is Kind.CUSTOMERS else []
            self.repaired[resource.name] += forget(resource.kind, gone, origin=_RECONCILE)
            for some in _batches(orphans, AT_A_TIME[Kind.ORDERS]):  # a merge nobody told of gave them to somebody else
                self._refresh(_NAMED["orders"], some)

    def _gone(self, resource: Resource, ids: list[int]) -> frozenset[int]:
        """Those that are null in answer to every read of several."""
        gone = self._refresh(resource, ids).gone
        for _ in range(READS_OF_MISSING - 1):
            if gone:
                time.sleep(PAUSE_SECONDS)
                gone = self._refresh(resource, sorted(gone)).gone
        return gone

    def _refresh(self, resource: Resource, ids: list[int]) -> Refreshed:
        brought = refresh(self.row.shop_id, resource.kind, ids, origin=_RECONCILE, keep=self._keep)
        self._keep()
        return brought

    def _present(self, resource: Resource) -> models.QuerySet[Any]:
        """The rows the platform should list. Without `read_all_orders` it shows those of the last 60 days only: older
        ones are no business of a comparison."""
        rows = resource.model._default_manager.filter(resource.present)
        if resource.kind is Kind.ORDERS and "read_all_orders" not in ShopToken.objects.get().scope.split(","):
            return rows.filter(Q(created_at__gt=clock.now() - RECENT_ORDERS))
        return rows


def _orders_of(customer_shopify_ids: Collection[int]) -> list[int]:
    return list(
        Order.objects.filter(customer__shopify_id__in=customer_shopify_ids).values_list("shopify_id", flat=True)
    )


def _batches(ids: list[int], size: int) -> Iterator[list[int]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))


def reconciliation_due(shop: Shop, kind: Reconciliation.Kind) -> None:
    """Ask for the shop's periodic comparison, once its first import has ended."""
    if SyncRun.objects.filter(shop_id=shop.id, phase__in=[SyncRun.Phase.DONE, SyncRun.Phase.FAILED]).exists():
        reconciliation_start(shop_id=shop.id, kind=kind)
