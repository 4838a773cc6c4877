"""An operator with a second factor, and stuck rows of every queue."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.models import User
from django.test import Client

from retention_app import clock
from retention_app.models import (
    DomainEvent,
    EventRun,
    FailedTry,
    Outbound,
    PrivacyRequest,
    Reconciliation,
    Shop,
    WebhookDelivery,
)
from retention_app.tenancy import shop_scope

PASSWORD = "a long enough passphrase"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
QUEUES = ("delivery", "run", "outbound", "reconciliation", "privacy")
ENTERED_WITHIN_SECONDS = 5


@pytest.fixture(autouse=True)
def own_cache(settings: Any, request: pytest.FixtureRequest) -> None:
    """Tries at the door are counted in the cache: each test begins without any."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": request.node.nodeid}
    }


def make_operator(name: str = "ada", *, is_staff: bool = True) -> User:
    return User.objects.create_user(name, f"{name}@example.com", PASSWORD, is_staff=is_staff)


def code(secret: str = SECRET) -> str:
    """What an authenticator app with this key shows now, or next where that is about to end."""
    left = app_settings.TOTP_PERIOD - time.time() % app_settings.TOTP_PERIOD
    if left < ENTERED_WITHIN_SECONDS:
        time.sleep(left)
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


def enroll(user: User) -> list[str]:
    """Give a user the authenticator app and answer their recovery codes."""
    TOTP.activate(user, SECRET)
    return list(RecoveryCodes.activate(user).generate_codes())


def enter(user: User) -> Client:
    """A client whose session has shown its user's second factor."""
    client = Client()
    client.force_login(user)
    session = client.session
    session["second_factor_of"] = user.pk
    session.save()
    return client


@pytest.fixture
def user(db: None) -> User:
    user = make_operator()
    enroll(user)
    assert Authenticator.objects.filter(user=user).count() == 2
    return user


@pytest.fixture
def operator(user: User) -> Client:
    return enter(user)


def make_row(queue: str, shop: Shop, **fields: Any) -> Any:
    """A row of a queue that was put aside an hour ago after one failed try, unless `fields` say otherwise."""
    hour_ago = clock.now() - dt.timedelta(hours=1)
    stuck = {
        "state": "dead",
        "due_at": hour_ago,
        "attempts": 8,
        "error_class": "Malformed",
        "error": "It says nothing.",
    }
    stuck |= fields
    row = _MAKERS[queue](shop, hour_ago, stuck)
    if stuck["error_class"]:
        FailedTry.objects.create(
            queue=queue,
            row_id=row.pk,
            at=hour_ago,
            error_class=stuck["error_class"],
            error=stuck["error"],
            traceback='  File "intake.py", line 7, in <module>\n',
        )
    return row


def _delivery(shop: Shop, at: dt.datetime, fields: dict[str, Any]) -> WebhookDelivery:
    made = {"topic": "orders/paid", "body": b'{"id": 7, "email": "maria@example.com"}', "received_at": at, **fields}
    number = WebhookDelivery.objects.count()
    return WebhookDelivery.objects.create(webhook_id=f"w-{number}", shop_domain=shop.domain, **made)


def _run(shop: Shop, at: dt.datetime, fields: dict[str, Any]) -> EventRun:
    with shop_scope(shop.id):
        number = DomainEvent.objects.count()
        event = DomainEvent.objects.create(
            shop=shop, type="order.paid", key=f"order:{number}:paid", origin="live", occurred_at=at, recorded_at=at
        )
        made = {"consumer": "loyalty.bring_up_to_date", "created_at": at, **fields}
        return EventRun.objects.create(shop_id=shop.id, event=event, **made)


def _outbound(shop: Shop, at: dt.datetime, fields: dict[str, Any]) -> Outbound:
    made = {"kind": "script_tag", "key": f"k-{Outbound.objects.count()}", "created_at": at, **fields}
    return Outbound.objects.create(shop=shop, **made)


def _reconciliation(shop: Shop, at: dt.datetime, fields: dict[str, Any]) -> Reconciliation:
    return Reconciliation.objects.create(shop=shop, **{"kind": "whole", "requested_at": at, **fields})


def _privacy(shop: Shop, at: dt.datetime, fields: dict[str, Any]) -> PrivacyRequest:
    made = {"kind": "customer_redact", "received_at": at, "deadline_at": at + dt.timedelta(days=30), **fields}
    return PrivacyRequest.objects.create(shop=shop, key=f"p-{PrivacyRequest.objects.count()}", **made)


_MAKERS: dict[str, Callable[[Shop, dt.datetime, dict[str, Any]], Any]] = {
    "delivery": _delivery,
    "run": _run,
    "outbound": _outbound,
    "reconciliation": _reconciliation,
    "privacy": _privacy,
}
