"""Encrypting anew, with the first of `FIELD_ENCRYPTION_KEYS`, everything an earlier key encrypted.

Safe while the app runs: a text is replaced only if it is still the one that was read, so what was written meanwhile
(with the first key, as all writers do) stays. Safe to stop and begin again: what the first key opens is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import orjson
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models.functions import Cast

from retention_app.fields import EncryptedTextField, fernet
from retention_app.models import Shop
from retention_app.tenancy import ShopOwned, shop_scope

ROWS_PER_BATCH = 200

_TOKEN = re.compile(r"gAAAA[\w-]+={0,2}")  # how Fernet's tokens begin, for the next century

Model = type[models.Model]


@dataclass
class Rotated:
    """What was found in one column: `changed` counts texts encrypted anew (or that would be), `unreadable` names the
    rows that no key opens."""

    column: str
    looked_at: int = 0
    changed: int = 0
    overtaken: int = 0
    unreadable: list[str] = field(default_factory=list)


def keys_rotate(*, dry_run: bool, after_each: Callable[[Rotated], object]) -> list[Rotated]:
    """Go through every encrypted column of every shop, uninstalled ones too; `after_each` is called with the counts of
    a column so far, batch by batch."""
    results = []
    for model, name in _columns():
        result = Rotated(f"{model._meta.label_lower}.{name}")
        results.append(result)
        for shop_id in _scopes(model):
            with shop_scope(shop_id) if shop_id else nullcontext():
                for batch in _batches(model, name):
                    for row in batch:
                        _rotate(model, name, row, result, dry_run=dry_run)
                    after_each(result)
    return results


def _columns() -> Iterator[tuple[Model, str]]:
    for model in apps.get_models():
        for each in model._meta.get_fields():
            if isinstance(each, EncryptedTextField):
                yield model, each.name
    yield Authenticator, "data"  # operators' second factors: texts encrypted inside JSON


def _scopes(model: Model) -> list[int | None]:
    if not issubclass(model, ShopOwned):
        return [None]
    return list(Shop.objects.order_by("id").values_list("id", flat=True))


def _batches(model: Model, name: str) -> Iterator[list[tuple[int, str]]]:
    """(id, text as stored), by id."""
    last = 0
    while batch := list(_stored(model, name).filter(pk__gt=last).order_by("pk")[:ROWS_PER_BATCH]):
        yield batch
        last = batch[-1][0]


def _stored(model: Model, name: str) -> models.QuerySet[Any, tuple[int, str]]:
    rows = model._default_manager.annotate(stored=Cast(name, models.TextField()))
    return rows.exclude(stored="").exclude(stored=None).values_list("pk", "stored")


def _rotate(model: Model, name: str, row: tuple[int, str], result: Rotated, *, dry_run: bool) -> None:
    pk, stored = row
    result.looked_at += 1
    try:
        anew = _encrypted_anew(stored, whole=model is not Authenticator)
    except InvalidToken:
        result.unreadable.append(f"{result.column} {pk}")
        return
    if anew == stored:
        return
    if dry_run:
        result.changed += 1
        return
    value = orjson.loads(anew) if model is Authenticator else models.Value(anew, output_field=models.TextField())
    if _stored(model, name).filter(pk=pk, stored=stored).update(**{name: value}):
        result.changed += 1
    else:
        result.overtaken += 1


def _encrypted_anew(stored: str, *, whole: bool) -> str:
    """The stored text with its tokens, or as the one token it is, made by the first key. Raises `InvalidToken`."""
    if whole and not _TOKEN.fullmatch(stored):
        raise InvalidToken
    return _TOKEN.sub(lambda match: _token_anew(match.group()), stored)


def _token_anew(token: str) -> str:
    try:
        Fernet(settings.FIELD_ENCRYPTION_KEYS[0]).decrypt(token)
    except InvalidToken:
        return fernet().rotate(token).decode()
    return token
