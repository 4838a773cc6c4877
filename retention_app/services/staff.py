"""The people of a shop: who they are, what they may do, and who changed that."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet

from retention_app import clock, work
from retention_app.models import AuditEntry, Role, Shop, StaffMember
from retention_app.rights import LIMITED, POINTS_MAX, role_code_limit, role_limit
from retention_app.shopify import tokens
from retention_app.shopify.auth import Staff
from retention_app.shopify.errors import ShopifyError

log = structlog.get_logger(__name__)

RENEW_AFTER = dt.timedelta(days=7)  # names and owners change
SEEN_EVERY = dt.timedelta(minutes=10)
LEASE_SECONDS = 10.0  # longer than the platform's answer may take
PAUSE_SECONDS = 600.0  # until a page asks again who somebody is, after the platform didn't say


class RoleRefused(ValueError):
    """A change of a role that nobody may make. `code`: "own", "last_owner" or "account"."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def staff_seen(*, shop: Shop, staff: Staff) -> StaffMember:
    """The person who opens a page, in the shop's scope and outside transactions. One query for somebody known.

    At their first visit, and every `RENEW_AFTER`, the platform is asked who they are; while it doesn't say, they have
    no name and the role of somebody who doesn't own the account.
    """
    now = clock.now()
    person = StaffMember.objects.filter(actor=staff.user_id).first()
    if person is None:
        person, _created = StaffMember.objects.get_or_create(
            shop_id=shop.id, actor=staff.user_id, defaults={"last_seen_at": now}
        )
    is_known = person.role and person.told_at is not None and now - person.told_at < RENEW_AFTER
    is_asked = person.lease_until is not None and person.lease_until > clock.system_now()
    if not is_known and not is_asked and _lease(person):
        person = _learn(shop, staff, person)
    if person.last_seen_at is None or now - person.last_seen_at >= SEEN_EVERY:
        StaffMember.objects.filter(id=person.id).update(last_seen_at=now)
    return person


def _lease(person: StaffMember) -> bool:
    """Become the one who asks the platform who the person is."""
    free = StaffMember.objects.filter(work.unleased(), id=person.id, told_at=person.told_at)
    return bool(free.update(lease_until=work.lease_end(LEASE_SECONDS)))


def _learn(shop: Shop, staff: Staff, person: StaffMember) -> StaffMember:
    """Ask the platform who the person is and write it down, holding the lease."""
    told: dict[str, Any]
    try:
        user = tokens.associated_user(staff.shop_domain, staff.user_id, staff.details)
        told = {**vars(user), "told_at": clock.now(), "lease_until": None}
    except ShopifyError as error:
        log.info("staff_not_told", reason=str(error))
        told = {"lease_until": work.lease_end(PAUSE_SECONDS)}
    with transaction.atomic():
        Shop.objects.select_for_update().get(id=shop.id)  # two first people can't both be the first
        person = StaffMember.objects.select_for_update().get(id=person.id)
        before = person.role
        for name, value in told.items():
            setattr(person, name, value)
        if person.owns_account:
            person.role = Role.OWNER
            StaffMember.objects.filter(owns_account=True).exclude(id=person.id).update(owns_account=False)
        elif not person.role:
            is_first = not StaffMember.objects.exclude(role="").exists()
            person.role = Role.MANAGER if is_first else shop.role_new
        person.save()
        if person.role != before:
            _audit("joined", person, person.actor, {"before": {"role": before}, "after": {"role": person.role}})
    return person


def staff_change(*, person: StaffMember, role: str, points_limit: int | None, actor: str) -> None:
    """Give a person another role, or another limit than their role's (None: the role's).

    Raises `RoleRefused`: nobody changes their own, one owner stays, and who owns the platform's account is one.
    """
    if role not in Role.values or (points_limit is not None and not 0 <= points_limit <= POINTS_MAX):
        raise ValueError(f"No role {role} with a limit of {points_limit}.")
    with transaction.atomic():
        owners = list(_locked(StaffMember.objects.filter(role=Role.OWNER)))
        person = _locked(StaffMember.objects.filter(id=person.id)).get()
        before = _allowed(person)
        if person.actor == actor:
            raise RoleRefused("own")
        if role != person.role:
            if person.owns_account:
                raise RoleRefused("account")
            if person.role == Role.OWNER and len(owners) == 1:
                raise RoleRefused("last_owner")
        person.role, person.points_limit = role, points_limit if role in LIMITED else None
        after = _allowed(person)
        if after != before:
            person.save(update_fields=["role", "points_limit"])
            _audit("changed", person, actor, {"before": before, "after": after})


def staff_rules_change(
    *, shop: Shop, role_new: str, limits: Mapping[str, int], code_limits: Mapping[str, int], actor: str
) -> None:
    """Choose the role of people who open the app from now on, and each limited role's points at once and percent off by
    a code."""
    are_points = all(0 <= limit <= POINTS_MAX for limit in limits.values())
    if role_new not in Role.values or not are_points or any(not 1 <= most <= 100 for most in code_limits.values()):
        raise ValueError(f"No rules: {role_new}, {limits}, {code_limits}.")
    with transaction.atomic():
        fresh = Shop.objects.select_for_update().get(id=shop.id)
        before = _rules(fresh)
        fresh.role_new, fresh.points_limits = role_new, {role: limits[role] for role in LIMITED if role in limits}
        fresh.code_limits = {role: code_limits[role] for role in LIMITED if role in code_limits}
        after = _rules(fresh)
        if after != before:
            fresh.save(update_fields=["role_new", "points_limits", "code_limits"])
            data = {"before": before, "after": after}
            AuditEntry.objects.create(shop=shop, code="staff.rules.changed", actor=actor, at=clock.now(), data=data)


def _locked(people: QuerySet[StaffMember]) -> QuerySet[StaffMember]:
    return people.select_for_update().order_by("id")


def _allowed(person: StaffMember) -> dict[str, Any]:
    return {"role": person.role, "limit": person.points_limit}


def _rules(shop: Shop) -> dict[str, Any]:
    limits = {role.value: role_limit(role, shop) for role in LIMITED}
    codes = {role.value: role_code_limit(role, shop) for role in LIMITED}
    return {"role_new": shop.role_new, **limits, "codes": codes}


def _audit(what: str, person: StaffMember, actor: str, data: Mapping[str, Any]) -> None:
    said = {"staff": person.actor, **data}
    AuditEntry.objects.create(
        shop_id=person.shop_id, code=f"staff.person.{what}", actor=actor, at=clock.now(), data=said
    )
