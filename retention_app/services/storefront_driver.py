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
    """The id of the one tag with this source; a missing one is made. Raises `Refused`."""
    kept = _tidy(session, src)
    if kept is None:
        answer = session.graphql("ScriptTagCreate", {"input": {"src": src, "displayScope": "ONLINE_STORE"}})
        payload = answer["scriptTagCreate"]
        if payload["userErrors"]:
            raise Refused(" ".join(error["message"] for error in payload["userErrors"]))
        kept = _tidy(session, src) or numeric_id(payload["scriptTag"]["id"])  # another first open may have made one too
    return kept


def _tidy(session: Session, src: str) -> int | None:
    """The lowest id of the tags with this source, if any; all others of ours are removed."""
    ours = {
        numeric_id(tag["id"]): tag for tag in _tags(session) if tag["src"].startswith(f"{settings.APP_URL}/storefront/")
    }
    kept = min((id_ for id_, tag in ours.items() if tag["src"] == src), default=None)
    for id_, tag in ours.items():
        if id_ != kept:
            payload = session.graphql("ScriptTagDelete", {"id": tag["id"]})["scriptTagDelete"]
            if payload["userErrors"]:  # whoever tidied at the same time was faster
                log.info("script_tag_not_deleted", script_tag_id=id_)
    return kept


def _tags(session: Session) -> Iterator[dict[str, Any]]:
    after = None
    while True:
        page = session.graphql("ScriptTagsPage", {"first": TAGS_PER_PAGE, "after": after})["scriptTags"]
        yield from page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]
