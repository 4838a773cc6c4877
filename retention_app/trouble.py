"""What keeps us from working for an installed shop: noted where a call runs into it, taken back where one works.

A shop has one trouble at a time; missing scopes are remembered apart and show when nothing worse does. While there is
trouble, queued work waits (`ShopClosed`); when it is over, what waits becomes due at once.
"""

from __future__ import annotations

import datetime as dt

import structlog
from django.db import transaction
from django.db.models import Case, Q, Value, When

from retention_app import clock, work
from retention_app.models import Shop, ShopToken
from retention_app.shopify.scopes import scopes_in, scopes_missing
from retention_app.tenancy import shop_scope

log = structlog.get_logger(__name__)

Trouble = Shop.Trouble

FROZEN_PAUSE = dt.timedelta(minutes=10)  # between two calls to a shop that is closed; less than its work waits


def met(shop_id: int, trouble: Shop.Trouble) -> None:
    """Note that a call ran into this. Missing scopes give way to worse."""
    now = clock.now()
    installed = Shop.objects.filter(id=shop_id, state=Shop.State.INSTALLED)
    if installed.exclude(trouble=trouble).update(trouble=trouble, trouble_since=now, trouble_met_at=now):
        log.warning("shop_in_trouble", shop_id=shop_id, trouble=trouble.value)
    else:
        installed.update(trouble_met_at=now)


def over(shop_id: int, trouble: str) -> None:
    """A call worked: the trouble it ran into before is over, and what waited for that is due now."""
    now = clock.now()
    with transaction.atomic():
        ended = Shop.objects.filter(id=shop_id, trouble=trouble).update(
            trouble=Case(When(missing_scopes="", then=Value("")), default=Value(Trouble.SCOPES.value)),
            trouble_since=Case(When(missing_scopes="", then=Value(None)), default=Value(now)),
            trouble_met_at=None,
            calls_paused_until=None,
        )
        if ended:
            work.due_now(Shop.objects.get(id=shop_id))
            log.info("shop_out_of_trouble", shop_id=shop_id, trouble=trouble)


def scopes_granted(shop_id: int, granted: str) -> None:
    """Compare what the platform says the shop granted with what we need."""
    missing = ",".join(scopes_missing(granted))
    shop = Shop.objects.filter(id=shop_id)
    if not shop.exclude(missing_scopes=missing).update(missing_scopes=missing):
        return
    if missing:
        now = clock.now()
        shop.filter(trouble="").update(trouble=Trouble.SCOPES, trouble_since=now, trouble_met_at=now)
        log.warning("scopes_missing", shop_id=shop_id, missing=missing)
    else:
        over(shop_id, Trouble.SCOPES)


def scopes_named(shop_id: int, refusal: str) -> list[str]:
    """The scopes named by a refusal that the shop hasn't granted, as far as we know: then they explain it."""
    named = scopes_in(refusal)
    with shop_scope(shop_id):
        row = ShopToken.objects.first()
    missing = scopes_missing(row.scope) if row else []
    explained = [scope for scope in missing if {scope, scope.replace("write_", "read_", 1)} & named]
    if row and explained:
        scopes_granted(shop_id, row.scope)
    return explained


def is_paused(shop: Shop) -> bool:
    """Whether the closed shop was asked a moment ago. Who is told that it wasn't is the one to ask."""
    if shop.trouble != Trouble.FROZEN:
        return False
    now = clock.now()
    due = Q(trouble_met_at=None) | Q(trouble_met_at__lte=now - FROZEN_PAUSE)
    return not Shop.objects.filter(due, id=shop.id).update(trouble_met_at=now)


def look_again(shop_id: int) -> None:
    """Let the next call through to a closed shop."""
    Shop.objects.filter(id=shop_id).update(trouble_met_at=None)
