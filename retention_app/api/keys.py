"""Keys of the merchant REST API: `enc_<shop's public id>_<prefix>_<secret>`.

A key names its shop, so that it is looked up inside that shop's scope like everything else. The secret is 256 random
bits: a keyed hash is enough to keep of it, nobody can go through that many.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Sequence

from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from retention_app import clock
from retention_app.api.scopes import scopes
from retention_app.models import ApiKey, AuditEntry, Shop
from retention_app.selectors import installed_shops
from retention_app.tenancy import shop_scope

KEYS_MAX = 20  # of a shop, at a time
USED_SECONDS = 60  # how exactly the last use is known

_TOKEN = re.compile(r"enc_(?P<shop>[\w-]{1,32})_(?P<prefix>[0-9a-f]{8})_(?P<secret>[0-9a-f]{64})", re.ASCII)


class TooManyKeys(RuntimeError):
    """The shop has `KEYS_MAX` keys; one has to be revoked first."""


def api_key_create(*, shop: Shop, name: str, scopes: Sequence[str], actor: str) -> tuple[ApiKey, str]:
    """A new key and its token, which nobody can know again. Raises `TooManyKeys`."""
    prefix, secret = secrets.token_hex(4), secrets.token_hex(32)
    with transaction.atomic():
        Shop.objects.select_for_update().get(id=shop.id)  # counted one after the other
        if ApiKey.objects.filter(revoked_at=None).count() >= KEYS_MAX:
            raise TooManyKeys
        key = ApiKey.objects.create(
            shop=shop,
            name=name,
            prefix=prefix,
            digest=_digest(secret),
            scopes=list(scopes),
            created_at=clock.now(),
            created_by=actor,
        )
        _audit(key, "created", actor)
    return key, f"enc_{shop.public_id}_{prefix}_{secret}"


def api_key_revoke(*, key: ApiKey, actor: str) -> None:
    """Close a key for good; twice is once."""
    with transaction.atomic():
        if ApiKey.objects.filter(id=key.id, revoked_at=None).update(revoked_at=clock.now()):
            _audit(key, "revoked", actor)


def api_key_presented(token: str) -> ApiKey | None:
    """The key that this token is, of a shop that has the app installed; None for any other text."""
    said = _TOKEN.fullmatch(token)
    shop = installed_shops().filter(public_id=said["shop"]).first() if said else None
    if said is None or shop is None:
        return None
    with shop_scope(shop.id):
        key = ApiKey.objects.filter(prefix=said["prefix"], revoked_at=None).first()
        if key is None or not constant_time_compare(key.digest, _digest(said["secret"])):
            return None
        key.shop = shop
        _note_use(key)
        return key


def api_keys(shop: Shop) -> list[ApiKey]:
    """The shop's keys, newest first, those in use before the revoked."""
    keys = ApiKey.objects.filter(shop=shop).order_by("-id")
    return [*keys.filter(revoked_at=None), *keys.exclude(revoked_at=None)[:KEYS_MAX]]


def allows(key: ApiKey, scope: str) -> bool:
    """Whether the key has this scope, and we still know it."""
    return scope in key.scopes and any(known.code == scope for known in scopes())


def api_key_id(actor: str) -> int | None:
    """The id of the key that decided, from what names who did (`ApiKey.actor`); None for a person."""
    kind, _colon, key_id = actor.partition(":")
    return int(key_id) if kind == "api" else None


def _digest(secret: str) -> str:
    return salted_hmac("retention_app.api.keys", secret, algorithm="sha256").hexdigest()


def _note_use(key: ApiKey) -> None:
    now = clock.now()
    if key.last_used_at is None or now - key.last_used_at >= dt.timedelta(seconds=USED_SECONDS):
        ApiKey.objects.filter(id=key.id).update(last_used_at=now)


def _audit(key: ApiKey, what: str, actor: str) -> None:
    data = {"key": key.id, "name": key.name, "scopes": key.scopes}
    AuditEntry.objects.create(shop_id=key.shop_id, code=f"api.key.{what}", actor=actor, at=clock.now(), data=data)
