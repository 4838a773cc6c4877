"""What a shop granted, compared with what we ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.conf import settings

_SCOPE = re.compile(r"(?:unauthenticated_)?(?:read|write)_\w+")


def scopes_missing(granted: str | Iterable[str]) -> list[str]:
    """Those of `SHOPIFY_SCOPES` that the granted ones (a comma list, as the platform writes it) don't cover. A grant to
    write covers reading; scopes of a shape we don't know cover nothing."""
    from shopify import ApiAccess  # loads slowly

    names = granted.split(",") if isinstance(granted, str) else granted
    given = ApiAccess([name for name in (each.strip() for each in names) if _SCOPE.fullmatch(name)])
    return [scope for scope in settings.SHOPIFY_SCOPES if not given.covers(ApiAccess(scope))]


def scopes_in(text: str) -> set[str]:
    """The scopes a message of the platform names."""
    return set(_SCOPE.findall(text))
