"""Who of a shop's staff may do what: the only place that decides."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from django.utils.translation import gettext as _

from retention_app.models import Role, Shop, StaffMember

POINTS_MAX = 1_000_000  # at once, whoever gives them: more is a slip of the hand
LIMITS_USUAL: Mapping[str, int] = {Role.OWNER: POINTS_MAX, Role.MANAGER: 5_000, Role.SUPPORT: 500, Role.VIEWER: 0}
CODE_LIMITS_USUAL: Mapping[str, int] = {Role.OWNER: 100, Role.MANAGER: 50, Role.SUPPORT: 25, Role.VIEWER: 0}  # percent
LIMITED = (Role.MANAGER, Role.SUPPORT)  # roles whose limits a shop chooses


class Right(StrEnum):
    """What somebody wants to do. The values are names in templates."""

    READ = "read"  # see everything, choose one's own language
    POINTS = "points"  # adjust a customer's points, up to one's limit
    CODES = "codes"  # give a customer a discount code
    TIERS = "tiers"  # move a customer's tier
    APPROVE = "approve"  # decide what others asked for above their limit
    PROGRAMME = "programme"  # write, publish and bring back rules, close books
    STORE = "store"  # the storefront switch, and what Shopify and Encore owe each other
    EXPORT = "export"  # files that name customers or staff
    STAFF = "staff"  # roles, limits
    KEYS = "keys"  # API keys
    PRIVACY = "privacy"  # files that answer what customers asked of their data


_LOOK = frozenset({Right.READ})
_HELP = _LOOK | {Right.POINTS, Right.CODES}
_RUN = _HELP | {Right.TIERS, Right.APPROVE, Right.PROGRAMME, Right.STORE, Right.EXPORT}
RIGHTS: Mapping[str, frozenset[Right]] = {
    Role.OWNER: frozenset(Right),
    Role.MANAGER: _RUN,
    Role.SUPPORT: _HELP,
    Role.VIEWER: _LOOK,
}


def may(person: StaffMember, right: Right) -> bool:
    """Whether the person may do this. Whose role isn't known yet may look."""
    return right in RIGHTS.get(person.role, _LOOK)


def points_limit(person: StaffMember, shop: Shop) -> int:
    """How many points the person may give or take at once: their own limit, else their role's in this shop."""
    if not may(person, Right.POINTS):
        return 0
    own = person.points_limit if person.role in LIMITED else None
    return role_limit(person.role, shop) if own is None else own


def role_limit(role: str, shop: Shop) -> int:
    """How many points people of a role may give or take at once, unless they have a limit of their own."""
    return _chosen(role, shop.points_limits, LIMITS_USUAL)


def code_limit(person: StaffMember, shop: Shop) -> int:
    """How many percent a code that the person gives may take off an order, or be worth of an average one."""
    return role_code_limit(person.role, shop) if may(person, Right.CODES) else 0


def role_code_limit(role: str, shop: Shop) -> int:
    """How many percent a code of people of a role may take off."""
    return _chosen(role, shop.code_limits, CODE_LIMITS_USUAL)


def _chosen(role: str, limits: Mapping[str, int], usual: Mapping[str, int]) -> int:
    """A role's limit as the shop chose it, else the usual one."""
    chosen = limits.get(role) if role in LIMITED else None
    return usual.get(role, 0) if chosen is None else int(chosen)


def role_name(role: str) -> str:
    """A role in the active language."""
    return {
        Role.OWNER.value: _("Owner"),
        Role.MANAGER.value: _("Manager"),
        Role.SUPPORT.value: _("Support"),
        Role.VIEWER.value: _("Viewer"),
    }.get(role, _("Not known yet"))


def role_sentence(role: str) -> str:
    """What a role may do, in a sentence."""
    return {
        Role.OWNER.value: _("Everything, also roles, API keys and privacy files."),
        Role.MANAGER.value: _(
            "Adjusts points, gives codes, moves tiers, approves, publishes the programme, runs the storefront, exports."
        ),
        Role.SUPPORT.value: _("Adjusts points and gives discount codes up to a limit, sees everything else."),
        Role.VIEWER.value: _("Sees everything, changes nothing."),
    }[role]
