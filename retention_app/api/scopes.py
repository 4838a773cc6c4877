"""What a key may be allowed to do. Engines register their own scopes when their app is ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy


@dataclass(frozen=True)
class Scope:
    """`code` is permanent, `sentence` says to a merchant what it allows."""

    code: str
    sentence: str | Promise


CUSTOMERS_READ = "customers:read"

_scopes: dict[str, Scope] = {}


def scope_register(code: str, sentence: str | Promise) -> None:
    """Make `code` one of the scopes a key may have."""
    _scopes[code] = Scope(code, sentence)


def scopes() -> Sequence[Scope]:
    """All scopes, in the order in which they were registered."""
    return tuple(_scopes.values())


def sentences(codes: Sequence[str]) -> list[str]:
    """What these scopes allow, in the active language."""
    return [str(scope.sentence) for scope in scopes() if scope.code in codes]


scope_register(CUSTOMERS_READ, gettext_lazy("Read customers: names, e-mail addresses, how much they bought"))
