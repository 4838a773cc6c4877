"""Settings > API keys: which programs may ask for the store's data, and closing the door to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from retention_app.access import access_api_key
from retention_app.api.keys import KEYS_MAX, TooManyKeys, api_key_create, api_key_revoke, api_keys
from retention_app.api.scopes import scopes, sentences
from retention_app.doors import ShopRequest, shop_view
from retention_app.models import ApiKey
from retention_app.people import names_of
from retention_app.rights import Right
from retention_app.views.admin_page import done, page
from retention_app.words import Words, words_for

NAME_MAX = 60  # characters


@dataclass(frozen=True)
class KeyRow:
    """A key in words: what it may do, who made it when, when it was used or closed."""

    key: ApiKey
    allows: Sequence[str]
    made: str
    used: str


class KeyForm(forms.Form):
    """A new key: what it is called, what it may do."""

    name = forms.CharField(max_length=NAME_MAX)
    scopes = forms.MultipleChoiceField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")
        self.fields["name"].error_messages["required"] = _("Say which program it is for.")
        self.fields["scopes"].label = _("What it may do")
        self.fields["scopes"].choices = self.choices  # type: ignore[attr-defined]
        self.fields["scopes"].error_messages |= dict.fromkeys(("required", "invalid_choice"), _("Choose one at least."))

    @property
    def choices(self) -> list[tuple[str, str]]:
        return [(scope.code, str(scope.sentence)) for scope in scopes()]


@shop_view(Right.KEYS)
def keys(request: ShopRequest) -> HttpResponse:
    """The keys that work, then those that were revoked."""
    words = words_for(request.shop)
    found = list(api_keys(request.shop))
    names = names_of(key.created_by for key in found)
    rows = [_row(key, request.actor, names, words) for key in found]
    return page(request, "retention_app/api_keys.html", {"rows": rows}, current="settings")


def _row(key: ApiKey, actor: str, names: Mapping[str, str], words: Words) -> KeyRow:
    made = {"person": names.get(key.created_by, ""), "moment": words.moment(key.created_at)}
    by_you, by_other = _("Made by you %(moment)s."), _("Made by %(person)s %(moment)s.")
    if key.revoked_at is not None:
        used = _("Revoked %(moment)s.") % {"moment": words.moment(key.revoked_at)}
    elif key.last_used_at is not None:
        used = _("Last used %(moment)s.") % {"moment": words.moment(key.last_used_at)}
    else:
        used = _("Not used yet.")
    return KeyRow(key, sentences(key.scopes), (by_you if key.created_by == actor else by_other) % made, used)


@shop_view(Right.KEYS, methods=["GET", "POST"], look=Right.KEYS)
def key_new(request: ShopRequest) -> HttpResponse:
    """The form, and the new key: the only page that ever shows it."""
    form = KeyForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _form_page(request, form)
    try:
        key, token = api_key_create(
            shop=request.shop,
            name=form.cleaned_data["name"],
            scopes=form.cleaned_data["scopes"],
            actor=request.actor,
        )
    except TooManyKeys:
        most = words_for(request.shop).count(KEYS_MAX)
        form.add_error(None, _("You have %(most)s keys, which is the most. Revoke one first.") % {"most": most})
        return _form_page(request, form)
    context = {"key": key, "token": token, "allows": sentences(key.scopes)}
    answer = page(request, "retention_app/api_key_made.html", context, current="settings")
    answer["Cache-Control"] = "private, no-store"
    return answer


def _form_page(request: ShopRequest, form: KeyForm) -> HttpResponse:
    context = {"form": form, "chosen": form["scopes"].value() or []}
    return page(
        request, "retention_app/api_key_new.html", context, current="settings", status=422 if form.is_bound else 200
    )


@shop_view(Right.KEYS, methods=["POST"])
def key_revoke(request: ShopRequest, key_id: int) -> HttpResponse:
    """Close a key for good."""
    api_key_revoke(key=access_api_key(request.shop, key_id), actor=request.actor)
    return done(request, reverse("admin:api_keys"), toast=_("Key revoked"))
