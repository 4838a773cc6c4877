"""Fixtures for every test: the database under its two roles, three fixed shops, a merchant, the workers run by hand.

`make test` names PostgreSQL and Redis in the environment; without them tests run on SQLite, as `make demo` does.
"""

from __future__ import annotations

import contextvars
import datetime as dt
import gc
import os
import secrets
import socket
from collections.abc import Callable, Generator, Iterator
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import Client
from django.utils import translation
from pytest_django import Settings

from retention_app import clock
from retention_app.models import Shop, ShopToken, StaffMember
from retention_app.tenancy import shop_scope
from tests import migrated


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store-screenshots", action="store_true", help="store pictures in docs/screenshots/")


# What is judged by its coverage is tested here, but for the long property tests: what is measured takes twice as long.
MEASURED = {"loyalty", "retention_app", "invariants", "test_signature.py"}
UNMEASURED = {"test_arrival.py"}


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """In a worker pytest-cov starts a second measurement; the first one, never read, would not pause with it."""
    coverage = session.config.pluginmanager.get_plugin("_cov")
    if coverage and hasattr(session.config, "workerinput"):
        coverage.cov_controller.cov.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole installations first: they take long, and what is left over in the end should not."""
    items.sort(key=lambda item: "/flows/" not in str(item.path))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    coverage = item.config.pluginmanager.get_plugin("_cov")
    named = {item.path.parent.name, item.path.name}
    if not coverage or (named & MEASURED and not named & UNMEASURED):
        return (yield)
    coverage.cov_controller.pause()
    try:
        return (yield)
    finally:
        coverage.cov_controller.resume()


def pytest_collection_finish() -> None:
    """What was imported and collected stays: the garbage collector needn't look at it again, nor as often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """A database of this process's own. On PostgreSQL the owner role has its tables and the serving role uses it."""
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            name = f"test_encore_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{secrets.token_hex(4)}"
            migrated.postgresql_create(name)
            for alias in ("default", "owner"):
                connections[alias].close()
                connections[alias].settings_dict["NAME"] = name
            _prepare_for_tests()
            yield
            connections.close_all()
            migrated.postgresql_drop(name)
        else:
            former = connection.creation.create_test_db(verbosity=0, serialize=False)
            yield
            connection.creation.destroy_test_db(former, verbosity=0)


def _prepare_for_tests() -> None:
    """Transactional tests clean up after themselves. Nobody vacuums: of rows that are never committed it would only
    note that there are none, and plans for empty tables read full ones over and over."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"GRANT TRUNCATE ON ALL TABLES IN SCHEMA public TO {settings.DATABASES['default']['USER']}")
        for table in connections["owner"].introspection.table_names(cursor):
            cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        cursor.execute(
            "CREATE FUNCTION analyse_as_owner(names text) RETURNS void SECURITY DEFINER LANGUAGE plpgsql"
            " AS $$ BEGIN EXECUTE 'ANALYZE ' || names; END $$"
        )


def make_shop(name: str, **fields: Any) -> Shop:
    now = clock.now()
    shop = Shop.objects.create(
        domain=f"{name}.myshopify.com",
        public_id=f"{name}-public-id",
        shopify_id=548380009 + len(name),
        name=name.capitalize(),
        installed_at=now,
        **{"customer_accounts": "CLASSIC", **fields},
    )
    contextvars.Context().run(_settle, shop)  # whatever scope the test is in
    return shop


def make_staff(shop: Shop, actor: str, role: str, name: str = "", **fields: Any) -> StaffMember:
    """A person of the shop who was here just now, known to the platform."""
    now = clock.now()
    told = {"role": role, "name": name, "told_at": now, "last_seen_at": now, **fields}
    with shop_scope(shop.id):
        return StaffMember.objects.update_or_create(shop_id=shop.id, actor=actor, defaults=told)[0]


def _settle(shop: Shop) -> None:
    """Give a shop its token and its owner, whose number is 42 everywhere."""
    now = clock.now()
    make_staff(shop, "42", "owner", "Olivia Owner", owns_account=True)
    with shop_scope(shop.id):
        ShopToken.objects.create(
            shop=shop,
            access_token=f"shpat_{shop.handle}",
            expires_at=now + dt.timedelta(minutes=60),
            refresh_token=f"shprt_{shop.handle}",
            refresh_expires_at=now + dt.timedelta(days=90),
            scope=",".join(settings.SHOPIFY_SCOPES),
        )


@pytest.fixture
def alpha(db: None) -> Shop:
    """Our shop."""
    return make_shop("alpha", currency="USD", timezone="UTC")


@pytest.fixture
def beta(db: None) -> Shop:
    """A stranger's shop."""
    return make_shop("beta", currency="BRL", timezone="America/Sao_Paulo")


@pytest.fixture
def gone(db: None) -> Shop:
    """A shop that uninstalled."""
    return make_shop("gone", state=Shop.State.UNINSTALLED, uninstalled_at=clock.now())


@pytest.fixture
def shop(alpha: Shop) -> Iterator[Shop]:
    """Our shop, with its scope open."""
    with shop_scope(alpha.id):
        yield alpha


def id_token(shop: Shop, **claims: Any) -> str:
    """An ID token as the platform signs it, with any claim replaced (None leaves it out)."""
    now = int(clock.system_now().timestamp())
    payload = {
        "iss": f"https://{shop.domain}/admin",
        "dest": f"https://{shop.domain}",
        "aud": settings.SHOPIFY_API_KEY,
        "sub": "42",
        "exp": now + 60,
        "nbf": now - 1,
        "iat": now - 1,
        "jti": secrets.token_hex(8),
        "sid": secrets.token_hex(8),
        **claims,
    }
    secret = payload.pop("secret", settings.SHOPIFY_API_SECRET)
    return jwt.encode({k: v for k, v in payload.items() if v is not None}, secret, algorithm="HS256")


@pytest.fixture
def merchant() -> Callable[..., Client]:
    """`merchant(shop)`: a client whose every request carries an ID token of that shop, as App Bridge sends it; of its
    owner, or of whom it is told."""

    def client_of(shop: Shop, actor: str = "42") -> Client:
        return Client(headers={"Authorization": f"Bearer {id_token(shop, sub=actor)}"})

    return client_of


def redis_at(settings: Settings, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Keep the workers' common memory in a Redis at this port."""
    url = f"redis://127.0.0.1:{port}/0"
    settings.CACHES = {
        "default": {"BACKEND": "retention_app.shared_memory.SharedMemory", "LOCATION": url, "KEY_PREFIX": url}
    }
    settings.REDIS_URL = url
    monkeypatch.setattr("retention_app.shared_memory._avoided_until", 0.0)


@pytest.fixture
def redis_gone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens where Redis should be."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    redis_at(settings, monkeypatch, port)


@pytest.fixture
def work_off() -> Callable[[], None]:
    """Does by hand, in this process, everything a worker would do, until nothing is due."""
    from tests.workers import work_off

    return work_off


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """Whatever language an earlier test left active."""
    with translation.override("en"):
        yield
