"""Settings > Staff: who uses Encore here, what each may do, and what people get who come next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from retention_app.access import access_staff
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import Role, Shop, StaffMember
from retention_app.rights import (
    LIMITED,
    POINTS_MAX,
    Right,
    points_limit,
    role_code_limit,
    role_limit,
    role_name,
    role_sentence,
)
from retention_app.services.staff import RoleRefused, staff_change, staff_rules_change
from retention_app.views.admin_page import done, page
from retention_app.words import Words, words_for

PEOPLE_SHOWN = 200
LIMIT_DIGITS = 9
CODE_PERCENT_MAX = 100


@dataclass(frozen=True)
class PersonRow:
    """A person in words; `url` where their role can be changed, empty for the one who looks."""

    person: StaffMember
    name: str
    role: str
    limit: str
    seen: str
    is_you: bool
    url: str


class _StaffForm(forms.Form):
    """Roles to choose from, and limits: whole numbers of points, or empty."""

    def __init__(self, *args: Any, shop: Shop, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shop = shop

    @property
    def roles(self) -> list[tuple[str, str, str]]:
        return [(role.value, role_name(role), role_sentence(role)) for role in Role]

    def whole(self, name: str, least: int, most: int) -> int | None:
        """The number typed; None for none."""
        text = self.cleaned_data.get(name, "").strip()
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            wanted = (
                _("Enter a whole number from 1 to %(most)s.") if least else _("Enter a whole number up to %(most)s.")
            )
            self.add_error(name, wanted % {"most": words_for(self.shop).count(most)})
            return None
        return int(text)


class PersonForm(_StaffForm):
    role = forms.ChoiceField(choices=Role.choices)
    points_limit = forms.CharField(max_length=LIMIT_DIGITS, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].label = _("Role")
        self.fields["role"].error_messages |= dict.fromkeys(("required", "invalid_choice"), _("Choose one."))
        self.fields["points_limit"].label = _("Limit")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        cleaned["limit"] = self.whole("points_limit", 0, POINTS_MAX)
        return cleaned


class RulesForm(_StaffForm):
    """`limit_<role>` and `code_<role>` for each role with limits that can be chosen."""

    role_new = forms.ChoiceField(choices=Role.choices)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role_new"].label = _("Role of new people")
        self.fields["role_new"].error_messages |= dict.fromkeys(("required", "invalid_choice"), _("Choose one."))
        for name in ("limit", "code"):
            for role in LIMITED:
                field = forms.CharField(max_length=LIMIT_DIGITS, label=role_name(role))
                field.error_messages["required"] = _("Enter a number.")
                self.fields[f"{name}_{role}"] = field

    @property
    def limit_fields(self) -> list[forms.BoundField]:
        return [self[f"limit_{role}"] for role in LIMITED]

    @property
    def code_fields(self) -> list[forms.BoundField]:
        return [self[f"code_{role}"] for role in LIMITED]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        cleaned["limits"] = self._typed("limit", 0, POINTS_MAX)
        cleaned["code_limits"] = self._typed("code", 1, CODE_PERCENT_MAX)
        return cleaned

    def _typed(self, name: str, least: int, most: int) -> dict[str, int]:
        typed = {role: self.whole(f"{name}_{role}", least, most) for role in LIMITED}
        return {role.value: number for role, number in typed.items() if number is not None}


@shop_view(Right.STAFF)
def staff(request: ShopRequest) -> HttpResponse:
    """Everybody who has opened Encore, those seen last first."""
    return _staff_page(request, None)


@shop_view(Right.STAFF, methods=["POST"])
def rules(request: ShopRequest) -> HttpResponse:
    """Keep the role of new people and the roles' limits."""
    form = RulesForm(request.POST, shop=request.shop)
    if not form.is_valid():
        return _staff_page(request, form, status=422)
    chosen = form.cleaned_data
    staff_rules_change(
        shop=request.shop,
        role_new=chosen["role_new"],
        limits=chosen["limits"],
        code_limits=chosen["code_limits"],
        actor=request.actor,
    )
    return done(request, reverse("admin:staff"), toast=_("Saved"))


def _staff_page(request: ShopRequest, form: RulesForm | None, status: int = 200) -> HttpResponse:
    shop, words = request.shop, words_for(request.shop)
    limits = {f"limit_{role}": role_limit(role, shop) for role in LIMITED}
    codes = {f"code_{role}": role_code_limit(role, shop) for role in LIMITED}
    people = StaffMember.objects.order_by("-last_seen_at", "id")[:PEOPLE_SHOWN]
    context = {
        "shop": shop,
        "rows": [_row(person, request, words) for person in people],
        "form": form or RulesForm(initial={"role_new": shop.role_new, **limits, **codes}, shop=shop),
        "rules": [(_("Role of new people"), role_name(shop.role_new))]
        + [(role_name(role), _limit_text(limits[f"limit_{role}"], words)) for role in LIMITED]
        + [(role_name(role), _code_text(codes[f"code_{role}"], words)) for role in LIMITED],
    }
    return page(request, "retention_app/staff.html", context, current="settings", status=status)


def _row(person: StaffMember, request: ShopRequest, words: Words) -> PersonRow:
    is_you = person.actor == request.actor
    limit = _limit_text(points_limit(person, request.shop), words) if person.role in LIMITED else ""
    seen = _("seen %(moment)s") % {"moment": words.moment(person.last_seen_at)} if person.last_seen_at else ""
    url = "" if is_you else reverse("admin:staff_person", args=[person.id])
    return PersonRow(person, _title(person), role_name(person.role), limit, seen, is_you, url)


def _title(person: StaffMember) -> str:
    return person.name or _("Name not shared yet (%(id)s)") % {"id": person.actor}


def _limit_text(limit: int, words: Words) -> str:
    return ngettext("up to %(count)s point at once", "up to %(count)s points at once", limit) % {
        "count": words.count(limit)
    }


@shop_view(Right.STAFF, methods=["GET", "POST"], look=Right.STAFF)
def person(request: ShopRequest, person_id: int) -> HttpResponse:
    """Change a person's role or limit."""
    shop, member = request.shop, access_staff(request.shop, person_id)
    initial = {"role": member.role, "points_limit": "" if member.points_limit is None else member.points_limit}
    form = PersonForm(request.POST if request.method == "POST" else None, initial=initial, shop=shop)
    if form.is_valid():
        chosen = form.cleaned_data
        try:
            staff_change(person=member, role=chosen["role"], points_limit=chosen["limit"], actor=request.actor)
        except RoleRefused as refused:
            form.add_error(None, _refusal(refused))
        else:
            return done(request, reverse("admin:staff"), toast=_("Saved"))
    words = words_for(shop)
    context = {
        "member": member,
        "name": _title(member),
        "form": form,
        "limits": [(role_name(role), _limit_text(role_limit(role, shop), words)) for role in LIMITED],
    }
    status = 422 if form.is_bound else 200
    return page(request, "retention_app/staff_person.html", context, current="settings", status=status)


def _refusal(refused: RoleRefused) -> str:
    return {
        "own": _("Nobody changes their own role. Ask another owner."),
        "last_owner": _("This is the last owner. Make somebody else an owner first."),
        "account": _("Shopify says that this person owns the store, so they stay an owner."),
    }[refused.code]


def _code_text(percent: int, words: Words) -> str:
    return _("codes up to %(share)s") % {"share": words.tick(percent / 100)}


def summary(shop: Shop) -> str:
    """How many people there are, in the list of settings."""
    people = StaffMember.objects.count()
    return ngettext("%(count)s person", "%(count)s people", people) % {"count": words_for(shop).count(people)}
