"""A running installation backed up, destroyed and restored from an older dump: nothing that Shopify knows is lost,
nothing is done twice outside. The whole of it is part of `make storm`; `make test` restores a database."""

from __future__ import annotations

import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from retention_app import clock
from retention_app.models import AuditEntry, Shop
from retention_app.outbound import outbound_request
from retention_app.tenancy import shop_scope
from tests.flows import final_state
from tests.flows.histories import History, place
from tests.flows.test_storm import FULL, Staff, codes_made, differences, listed, settle
from tests.stack import ROOT, Stack

PEOPLE = 8
KEYS = ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "SHOPIFY_API_SECRET")


def tool(name: str, *arguments: Path, database: str) -> subprocess.CompletedProcess[str]:
    url = f"{os.environ['TEST_DATABASE_ADMIN_URL'].rsplit('/', 1)[0]}/{database}"
    return subprocess.run(
        [ROOT / "tools" / name, *arguments],
        env={**os.environ, "ADMIN_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def keys_file(stack: Stack, path: Path) -> Path:
    settings = {**{key: stack.env[key] for key in KEYS}, "PRIVACY_PEPPER": stack.env["SECRET_KEY"]}
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path


@pytest.mark.skipif(not FULL, reason="part of make storm")
def test_a_restored_installation_goes_on_where_the_platform_is(tmp_path: Path) -> None:
    seed = random.Random(20261122)
    (tmp_path / "orders.csv").write_text(
        "customer,order,processed_at,sku,title,quantity,amount,currency\n"
        + "".join(f"c{n},first-{n},2026-01-01T12:00:00Z,S,Thing,1,{n}.00,USD\n" for n in range(1, PEOPLE + 1))
    )
    with Stack(tmp_path / "stack", scenario="csv", file=tmp_path / "orders.csv", database="postgresql") as stack:
        stack.install()
        stack.wait_done(60)
        staff, customers = Staff(stack), listed(stack, "customers")
        rows = list(staff.rows(customers).values())
        people = [customer["id"] for customer in customers]

        def buy(times: int) -> None:
            for _ in range(times):
                place(stack, History(seed.choice(people)), seed)

        assert staff.give(rows[0])
        buy(4)
        stack.wait_done(60)

        stack.stop("worker")
        assert staff.give(rows[1])  # waits in the dump, and is made after it
        meanwhile = threading.Thread(target=buy, args=(6,))
        meanwhile.start()
        made = tool("backup.sh", tmp_path / "backups", keys_file(stack, tmp_path / "keys.env"), database=stack.database)
        meanwhile.join()
        assert made.returncode == 0, made.stderr
        (backup,) = (tmp_path / "backups").iterdir()
        assert {(each.name, each.stat().st_mode & 0o777) for each in backup.iterdir()} == {
            ("encore.dump", 0o600),
            ("encore.env", 0o600),
        }

        stack.start_worker()
        buy(4)
        assert staff.give(rows[2])  # the dump knows nothing of it
        stack.wait_done(60)
        assert len(codes_made(stack)) == 3

        refused = tool("restore.sh", backup, database=stack.database)
        assert refused.returncode == 1
        assert "exists" in refused.stderr
        stack.stop("worker")
        stack.stop("web")
        stack.database_drop()
        restored = tool("restore.sh", backup, database=f"{stack.database}_again")
        assert restored.returncode == 0, restored.stderr
        stack.database_use(f"{stack.database}_again")
        stack.manage("migrate", "--check")
        stack.start_web()
        stack.start_worker()
        stack.wait_for(f"{stack.app_url}/readyz")
        assert len(differences(stack)) >= 4
        stack.manage("reconcile", "--shop", "csv")
        settle(stack)

        assert differences(stack) == {}
        assert stack.repaired()["orders"] >= 4  # webhooks that came late told of some
        buy(2)  # of which webhooks tell
        settle(stack)
        orders = listed(stack, "orders")
        assert differences(stack) == {}
        assert {c: points for c, points in stack.balances().items() if points} == final_state.balances(orders)
        assert "OK" in stack.manage("ledger_verify", "--shop", "csv")
        assert stack.manage_json("backlog") == {"deliveries": 0, "event_runs": 0, "outbound": 0, "dead": 0}
        assert set(codes_made(stack).values()) == {1}
        assert len(codes_made(stack)) == 3
        assert stack.devstore("GET", "/devstore/state")["counts"]["script_tags"] == 1
        assert staff.give(rows[3])  # new rows find numbers of their own
        settle(stack)
        assert len(codes_made(stack)) == 4


@pytest.fixture
def restored(transactional_db: None, alpha: Shop, beta: Shop, tmp_path: Path) -> Iterator[str]:
    """The database of the tests with two shops and a call that waits, dumped and restored under another name."""
    with shop_scope(alpha.id):
        outbound_request(kind="script_tag", key="waits")
        AuditEntry.objects.create(shop=alpha, code="test", actor="1", at=clock.now())
    keys = tmp_path / "keys.env"
    keys.write_text("SECRET_KEY=x\nFIELD_ENCRYPTION_KEYS=x\nPRIVACY_PEPPER=x\n")
    name = connection.settings_dict["NAME"]
    made = tool("backup.sh", tmp_path / "backups", keys, database=name)
    assert made.returncode == 0, made.stderr
    (backup,) = (tmp_path / "backups").iterdir()
    assert {(each.name, each.stat().st_mode & 0o777) for each in backup.iterdir()} == {
        ("encore.dump", 0o600),
        ("encore.env", 0o600),
    }
    try:
        done = tool("restore.sh", backup, database=f"{name}_again")
        assert done.returncode == 0, done.stderr
        assert "exists" in tool("restore.sh", backup, database=f"{name}_again").stderr
        yield f"{name}_again"
    finally:
        with psycopg.connect(os.environ["TEST_DATABASE_ADMIN_URL"], autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(f"{name}_again")))


@pytest.mark.skipif(connection.vendor != "postgresql", reason="about PostgreSQL")
def test_a_restored_database_has_everything_under_the_same_rules(restored: str, alpha: Shop, beta: Shop) -> None:
    url = f"{os.environ['DATABASE_URL'].rsplit('/', 1)[0]}/{restored}"
    with psycopg.connect(url, autocommit=True) as serving:
        assert serving.execute("SELECT domain FROM retention_app_shop ORDER BY id").fetchall() == [
            (alpha.domain,),
            (beta.domain,),
        ]
        assert serving.execute("SELECT count(*) FROM retention_app_auditentry").fetchone() == (0,)  # no scope, no rows
        serving.execute("SELECT set_config('app.shop_id', %s, false)", [str(alpha.id)])
        assert serving.execute("SELECT code FROM retention_app_auditentry").fetchall() == [("test",)]
        waits = serving.execute("SELECT state, called_at IS NOT NULL, lease_until FROM retention_app_outbound")
        assert waits.fetchall() == [("waiting", True, None)]  # it may have been made since, so it is looked up first
        number = "SELECT nextval(pg_get_serial_sequence('retention_app_shop', 'id'))"
        assert serving.execute(number).fetchone()[0] > beta.id  # type: ignore[index]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            serving.execute("DROP TABLE retention_app_shop")


@pytest.mark.parametrize(
    ("tool_name", "arguments", "reason"),
    [
        ("backup.sh", ["DIR", "/nowhere/.env"], "can't be read"),
        ("backup.sh", ["DIR", "/dev/null"], "has no FIELD_ENCRYPTION_KEYS"),
        ("restore.sh", ["/nowhere"], "is no back-up"),
        ("restore.sh", [], "usage"),
    ],
)
def test_what_can_not_work_is_refused_with_a_reason(
    tmp_path: Path, tool_name: str, arguments: list[str], reason: str
) -> None:
    given = [tmp_path / one if one == "DIR" else Path(one) for one in arguments]
    refused = tool(tool_name, *given, database="encore")
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert list(tmp_path.iterdir()) == []
