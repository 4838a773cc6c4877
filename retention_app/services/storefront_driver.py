"""How the loader gets onto a storefront: the `script_tag` driver (DESIGN 7).

The loader's address names the shop by its public id, so the tag never needs changing. Where the platform takes no
script tags, the reason is kept in `Shop.storefront_problem` for the merchant to read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import structlog
from django.conf import settings

from retention_app.models import Shop
from retention_app.shopify.client import Session
from retention_app.shopify.errors import AccessDenied, QueryRefused
from retention_app.shopify.mapping import numeric_id

log = structlog.get_logger(__name__)

TAGS_PER_PAGE = 50


class Refused(Exception):
    """The platform takes no script tag from us; the message says why, for the merchant."""


def loader_url(shop: Shop) -> str:
    """The shop's own loader, as `/storefront/<public id>.js` serves it."""
    return f"{settings.APP_URL}/storefront/{shop.public_id}.js"


def storefront_place(*, shop_id: int) -> None:
    """See to it that the storefront runs exactly one loader of ours. Running it again changes nothing.

    Runs inside the shop's scope, outside transactions. Raises `ShopifyError` when the platform fails; a refusal is
    written down instead.
    """
    shop = Shop.objects.get(id=shop_id)
    session = Session(shop_id)
    problem, tag_id = "", None
    try:
        tag_id = _place(session, loader_url(shop))
    except (Refused, AccessDenied, QueryRefused) as error:
        log.warning("storefront_refused", reason=str(error))
        problem = f"The platform didn't accept our script on your storefront: {error}"
    Shop.objects.filter(id=shop_id, state=Shop.State.INSTALLED).update(
        script_tag_id=tag_id, storefront_problem=problem[:255]
    )


def _place(session: Session, src: str) -> int:
    """The id of the one tag with this source; others of ours are removed, a missing one is made. Raises `Refused`."""
    kept: str | None = None
    for tag in list(_tags(session)):
        if tag["src"] == src and kept is None:
            kept = tag["id"]
        elif tag["src"].startswith(f"{settings.APP_URL}/storefront/"):
            _checked(session.graphql("ScriptTagDelete", {"id": tag["id"]})["scriptTagDelete"])
    if kept is None:
        answer = session.graphql("ScriptTagCreate", {"input": {"src": src, "displayScope": "ONLINE_STORE"}})
        kept = _checked(answer["scriptTagCreate"])["scriptTag"]["id"]
    return numeric_id(kept)


def _tags(session: Session) -> Iterator[dict[str, Any]]:
    after = None
    while True:
        page = session.graphql("ScriptTagsPage", {"first": TAGS_PER_PAGE, "after": after})["scriptTags"]
        yield from page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def _checked(payload: dict[str, Any]) -> dict[str, Any]:
    if payload["userErrors"]:
        raise Refused(" ".join(error["message"] for error in payload["userErrors"]))
    return payload
