"""The rights table: every address of the admin, and from which role on people may look there and change something.

A missing address fails. Roles in their order: viewer, support, manager, owner; "" where the method isn't taken.
"""

from __future__ import annotations

import itertools

import pytest
from django.test import Client
from pytest_django import Settings

from retention_app.models import AuditEntry, Role, Shop, StaffMember
from retention_app.rights import RIGHTS, Right, may
from retention_app.tenancy import shop_scope
from tests.conftest import id_token, make_staff
from tests.test_fuzz import CLOSED
from tests.test_strangers import STAFF

ROLES = ["viewer", "support", "manager", "owner"]
LOOK = ("viewer", "")
TABLE = {
    "admin:home": LOOK,
    "admin:language": ("", "viewer"),
    "admin:look_again": ("", "viewer"),
    "admin:definitions": LOOK,
    "admin:customers": LOOK,
    "admin:customers_export": ("", "manager"),
    "admin:customer": LOOK,
    "admin:code_give": ("support", "support"),
    "admin:activity": LOOK,
    "admin:activity_check": ("", "manager"),
    "admin:activity_item": LOOK,
    "admin:activity_retry": ("", "manager"),
    "admin:activity_skip": ("", "manager"),
    "admin:settings": LOOK,
    "admin:store": ("viewer", "manager"),
    "admin:staff": LOOK,
    "admin:staff_rules": ("", "owner"),
    "admin:staff_person": ("owner", "owner"),
    "admin:languages": LOOK,
    "admin:audit": LOOK,
    "admin:audit_export": ("", "manager"),
    "admin:storefront": LOOK,
    "admin:storefront_look": ("", "manager"),
    "admin:storefront_switch": ("", "manager"),
    "admin:api_keys": LOOK,
    "admin:api_key_new": ("owner", "owner"),
    "admin:api_key_revoke": ("", "owner"),
    "admin:privacy": LOOK,
    "admin:privacy_download": ("", "owner"),
    "member:adjust": ("support", "support"),
    "member:tier": ("manager", "manager"),
    "liability:page": LOOK,
    "liability:close": ("", "manager"),
    "liability:download": ("", "viewer"),
    "start:step": ("manager", "manager"),
    "start:dismiss": ("", "manager"),
    "loyalty:overview": LOOK,
    "loyalty:programme": LOOK,
    "loyalty:launch_cancel": ("", "manager"),
    "loyalty:draft": ("viewer", "manager"),
    "loyalty:discard": ("", "manager"),
    "loyalty:review": ("viewer", "manager"),
    "loyalty:moves": ("viewer", "manager"),
    "loyalty:versions": LOOK,
    "loyalty:version": LOOK,
    "loyalty:bring_back": ("", "manager"),
    "loyalty:withdraw": ("", "manager"),
    "loyalty:backfill": ("manager", "manager"),
    "loyalty:tiers": LOOK,
    "loyalty:approve": ("", "manager"),
    "loyalty:refuse": ("", "manager"),
}


def test_every_address_states_its_right() -> None:
    assert set(TABLE) == set(STAFF)


@pytest.fixture
def roles(alpha: Shop, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, Client]:
    """Somebody of each role, and "" whose role isn't known yet."""
    settings.SHOPIFY_DEVSTORE_URL = CLOSED
    monkeypatch.setattr("retention_app.shopify.client.BACKOFF_SECONDS", 0)
    for role in (*ROLES, ""):
        make_staff(alpha, f"of-{role}", role, "Bruno")
    with shop_scope(alpha.id):
        StaffMember.objects.filter(role="").update(lease_until="2999-01-01T00:00Z")  # who isn't known stays so
    return {
        role: Client(headers={"Authorization": f"Bearer {id_token(alpha, sub=f'of-{role}')}"}) for role in (*ROLES, "")
    }


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_address_opens_from_the_role_on_that_the_table_says(roles: dict[str, Client], method: str) -> None:
    ids = dict.fromkeys(("customer", "call", "request", "key", "staff", "asked"), 999)
    for name, allowed in TABLE.items():
        path, lowest = STAFF[name].format_map(ids), allowed[method == "post"]
        ask = {role: getattr(client, method) for role, client in roles.items()}
        if not lowest:
            assert ask["owner"](path).status_code == 405, name
            continue
        assert ask[lowest](path).status_code not in (403, 405), name
        if lowest != "viewer":
            assert ask[ROLES[ROLES.index(lowest) - 1]](path).status_code == 403, name
            assert ask[""](path).status_code == 403, name


def test_who_is_refused_reads_why_and_who_can_change_it(alpha: Shop) -> None:
    make_staff(alpha, "77", "viewer", "Bruno")
    client = Client(headers={"Authorization": f"Bearer {id_token(alpha, sub='77')}"})
    answer = client.post("/app/settings/storefront/switch/", {"on": "0"})
    assert answer.status_code == 403
    for said in ("Your role is Viewer, so you can", "Olivia Owner can give you another role", "Nothing was changed."):
        assert said in answer.content.decode()
    with shop_scope(alpha.id):
        assert not AuditEntry.objects.exists()


def test_each_role_may_what_the_one_below_may(alpha: Shop) -> None:
    for lower, higher in itertools.pairwise(ROLES):
        assert RIGHTS[lower] < RIGHTS[higher]
    assert RIGHTS[Role.OWNER] == frozenset(Right)
    assert [right for right in Right if may(StaffMember(role=""), right)] == [Right.READ]
