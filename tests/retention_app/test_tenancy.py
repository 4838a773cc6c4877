"""The shop scope and the wall behind it."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection, connections, transaction
from django.db.utils import ConnectionHandler

from retention_app import clock
from retention_app.models import AuditEntry, Shop
from retention_app.row_security import SPANNING_TABLES, RowSecurity
from retention_app.tenancy import ShopOwned, ShopScopeMissing, WrongShop, current_shop_id, scoped_shop_id, shop_scope

postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="row-level security is PostgreSQL's")


def audit(shop: Shop, code: str = "test.done") -> AuditEntry:
    return AuditEntry(shop=shop, code=code, actor="42", at=clock.now())


def test_without_a_scope_every_read_and_write_raises(alpha: Shop) -> None:
    with pytest.raises(ShopScopeMissing):
        AuditEntry.objects.count()
    with pytest.raises(ShopScopeMissing):
        audit(alpha).save()
    with pytest.raises(ShopScopeMissing):
        current_shop_id()


def test_a_scope_of_nobody_is_refused() -> None:
    with pytest.raises(ShopScopeMissing), shop_scope(None):  # type: ignore[arg-type]
        pass


def test_a_scope_sees_its_own_rows_only(alpha: Shop, beta: Shop) -> None:
    with shop_scope(alpha.id):
        audit(alpha, "alpha.did").save()
    with shop_scope(beta.id):
        audit(beta, "beta.did").save()
        assert list(AuditEntry.objects.values_list("code", flat=True)) == ["beta.did"]


def test_another_shops_row_is_refused_singly_and_in_bulk(shop: Shop, beta: Shop) -> None:
    with pytest.raises(WrongShop):
        audit(beta).save()
    with pytest.raises(WrongShop):
        AuditEntry.objects.bulk_create([audit(shop), audit(beta)])
    with pytest.raises(WrongShop):
        AuditEntry.objects.update(shop=beta)
    with pytest.raises(WrongShop):
        AuditEntry.objects.update(shop_id=beta.id)
    assert AuditEntry.objects.count() == 0


def test_a_row_can_be_changed_but_not_moved(shop: Shop) -> None:
    audit(shop).save()
    assert AuditEntry.objects.update(code="other") == 1


def test_another_shops_scope_cannot_be_opened_inside(shop: Shop, beta: Shop) -> None:
    with pytest.raises(WrongShop), shop_scope(beta.id):
        pass
    with shop_scope(shop.id):
        assert scoped_shop_id() == shop.id
    assert scoped_shop_id() == shop.id


def test_every_model_is_owned_by_a_shop_or_listed_as_spanning() -> None:
    ours = [model for label in ("retention_app", "loyalty") for model in apps.get_app_config(label).get_models()]
    spanning = {model._meta.db_table for model in ours if not issubclass(model, ShopOwned)}
    assert spanning == SPANNING_TABLES


def test_unique_constraints_of_owned_models_begin_with_the_shop() -> None:
    for label in ("retention_app", "loyalty"):
        for model in apps.get_app_config(label).get_models():
            if issubclass(model, ShopOwned):
                unique = [field for field in model._meta.fields if field.unique and not field.primary_key]
                assert not [field.name for field in unique if not field.one_to_one]  # one to one: of a row of the shop
                for constraint in model._meta.total_unique_constraints:
                    assert constraint.fields[0] == "shop", f"{model.__name__}: {constraint.name}"


# --- the second wall: PostgreSQL's row-level security, raw SQL, the serving role -------------------------------------


@pytest.fixture
def two_rows(alpha: Shop, beta: Shop) -> None:
    for shop in (alpha, beta):
        with shop_scope(shop.id):
            audit(shop).save()


def count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM retention_app_auditentry")
        return int(cursor.fetchone()[0])


@postgresql
@pytest.mark.django_db
def test_the_serving_role_is_neither_superuser_nor_owner() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False, False)
        cursor.execute(
            "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND pg_has_role(current_user, relowner, 'USAGE')"
            " AND relnamespace = 'public'::regnamespace"
        )
        assert cursor.fetchone() == (0,)


@postgresql
@pytest.mark.django_db
def test_every_owned_table_has_a_forced_policy() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_policy p ON p.polrelid = c.oid"
            " WHERE c.relrowsecurity AND c.relforcerowsecurity"
        )
        walled = {name for (name,) in cursor.fetchall()}
    owned = {
        model._meta.db_table
        for label in ("retention_app", "loyalty")
        for model in apps.get_app_config(label).get_models()
        if issubclass(model, ShopOwned)
    }
    assert walled == owned


@postgresql
def test_raw_sql_without_a_scope_sees_no_row(two_rows: None, alpha: Shop) -> None:
    assert count() == 0
    with shop_scope(alpha.id):
        assert count() == 1
    assert count() == 0


@postgresql
@pytest.mark.django_db(transaction=True)
def test_a_lone_query_in_a_scope_gets_a_transaction_of_its_own(two_rows: None, alpha: Shop, beta: Shop) -> None:
    assert connection.get_autocommit()
    with shop_scope(beta.id):
        assert count() == 1
        with connection.cursor() as cursor:
            cursor.execute("SELECT shop_id FROM retention_app_auditentry")
            assert cursor.fetchall() == [(beta.id,)]
    assert count() == 0
    with transaction.atomic():
        with shop_scope(alpha.id):
            assert count() == 1
        assert count() == 0


@postgresql
@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_savepoint_does_not_leave_the_scope_behind(two_rows: None, alpha: Shop, beta: Shop) -> None:
    with transaction.atomic():
        with shop_scope(alpha.id):
            assert count() == 1
            with pytest.raises(RuntimeError), transaction.atomic():
                raise RuntimeError
            assert count() == 1
        savepoint = transaction.savepoint()
        with shop_scope(beta.id):
            assert count() == 1
        transaction.savepoint_rollback(savepoint)
        assert count() == 0


@postgresql
def test_raw_sql_cannot_write_another_shops_row(alpha: Shop, beta: Shop) -> None:
    from django.db.utils import ProgrammingError

    with shop_scope(alpha.id), pytest.raises(ProgrammingError, match="row-level security"):  # noqa: SIM117
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO retention_app_auditentry (shop_id, code, actor, at, data)"
                " VALUES (%s, 'x', 'x', now(), '{}')",
                [beta.id],
            )


@postgresql
def test_following_a_foreign_key_out_of_the_shop_finds_nothing(alpha: Shop, beta: Shop) -> None:
    with shop_scope(beta.id):
        entry = audit(beta)
        entry.save()
    with shop_scope(alpha.id), pytest.raises(AuditEntry.DoesNotExist):
        entry.refresh_from_db()


def test_the_policy_can_be_taken_back() -> None:
    operation = RowSecurity("some_table")
    assert operation.deconstruct() == ("RowSecurity", ["some_table"], {})
    assert "some_table" in operation.describe()


@postgresql
@pytest.mark.django_db(databases=["default", "owner"])
def test_taking_the_policy_back_and_giving_it_again_leaves_the_wall() -> None:
    operation = RowSecurity("retention_app_product")
    with connections["owner"].schema_editor() as editor:
        operation.state_forwards("retention_app", None)  # type: ignore[arg-type]
        operation.database_backwards("retention_app", editor, None, None)  # type: ignore[arg-type]
        operation.database_forwards("retention_app", editor, None, None)  # type: ignore[arg-type]
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT relforcerowsecurity FROM pg_class WHERE relname = 'retention_app_product'")
        assert cursor.fetchone() == (True,)


@pytest.mark.django_db
def test_without_policies_the_operation_changes_nothing() -> None:
    sqlite = ConnectionHandler({"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})["default"]
    operation = RowSecurity("retention_app_product")
    with sqlite.schema_editor(collect_sql=True) as editor:
        operation.database_forwards("retention_app", editor, None, None)  # type: ignore[arg-type]
        operation.database_backwards("retention_app", editor, None, None)  # type: ignore[arg-type]
    assert editor.collected_sql == []
