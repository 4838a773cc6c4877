"""How the loader gets onto a storefront: the `script_tag` driver (DESIGN 7).

The loader's address names the shop by its public id, so the tag never needs changing. Where the platform takes no
script tags, the reason is kept in `Shop.storefront_problem` for the merchant to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from retention_app.models import Outbound, Shop
from retention_app.outbound import Kind, Refused, outbound_request
from retention_app.shopify.client import Session
from retention_app.shopify.mapping import numeric_id

log = structlog.get_logger(__name__)

TAGS_PER_PAGE = 50


def loader_url(shop: Shop) -> str:
    """The shop's own loader, as `/storefront/<public id>.js` serves it."""
    return f"{settings.APP_URL}/storefront/{shop.public_id}.js"


def storefront_request(shop: Shop) -> None:
    """See to it that the storefront of this installation runs exactly one loader of ours."""
    outbound_request(kind=ScriptTag.name, key=shop.installed_at.isoformat())


class ScriptTag(Kind):
    """The one script tag with the loader's address; a tag may be there from before, others of ours are removed."""

    name = "script_tag"
    looks_first = True

    def look_up(self, call: Outbound, session: Session) -> int | None:
        return _tidy(session, loader_url(call.shop))

    def act(self, call: Outbound, session: Session) -> int:
        src = loader_url(call.shop)
        answer = session.graphql("ScriptTagCreate", {"input": {"src": src, "displayScope": "ONLINE_STORE"}})
        payload = answer["scriptTagCreate"]
        if payload["userErrors"]:
            raise Refused(" ".join(error["message"] for error in payload["userErrors"]))
        return _tidy(session, src) or numeric_id(payload["scriptTag"]["id"])  # another installation may have made one

    def settle(self, call: Outbound, effect: int | None) -> None:
        problem = ""
        if call.state in (Outbound.State.DEAD, Outbound.State.SKIPPED):
            problem = f"The platform didn't accept our script on your storefront: {call.error}"
        Shop.objects.filter(id=call.shop_id, state=Shop.State.INSTALLED).update(
            script_tag_id=effect, storefront_problem=problem[:255]
        )

    def titles(self, calls: Sequence[Outbound]) -> Mapping[int, str]:
        return {call.id: _("Encore on your storefront") for call in calls}

    def meaning(self, call: Outbound) -> str:
        if call.state == Outbound.State.DONE:
            return _("Your storefront loads Encore. Customers see the rewards button.")
        return _("Customers don't see the rewards button yet. Points are counted all the same.")

    def skipping(self, call: Outbound) -> str:
        return _("Your storefront goes on without the rewards button.")


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
