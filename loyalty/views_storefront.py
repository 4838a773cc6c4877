"""The full page in the shop's own theme, through the app proxy (`/apps/encore`): the panel's content as plain HTML.

The answer is Liquid: the platform draws it inside the theme. Whatever comes from data is written so that it can't be
Liquid itself.
"""

from __future__ import annotations

from math import ceil
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.html import escape
from django.utils.safestring import mark_safe
from django.utils.translation import get_language
from django.views.decorators.http import require_safe
from rest_framework.request import Request
from rest_framework.views import APIView

from loyalty.announcements import upcoming
from loyalty.models import ProgrammeVersion
from loyalty.selectors import member_summary
from loyalty.session.answer import entry_words, member_words, programme_words
from loyalty.storefront_messages import Messages
from loyalty.storefront_words import rules_told
from loyalty.visits import ID, VisitorThrottle, customer_of, history_after, programme_shown
from retention_app.doors import ShopRequest, proxy_view
from retention_app.models import Customer, Shop
from retention_app.sign_ins import customer_signed_in
from retention_app.words import Words, words_for

LIQUID = "application/liquid; charset=utf-8"


@proxy_view
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """`?before=` pages through the history, `?locale=` names the theme's language: without it the theme is asked.

    404 before the first programme and while staff let the storefront show nothing, 429 to who asks too often.
    """
    visitor = cast(ShopRequest, request)
    throttle = VisitorThrottle()
    if not throttle.allow_request(cast(Request, request), APIView()):
        return HttpResponse(status=429, headers={"Retry-After": str(ceil(throttle.wait() or 1))})
    if "locale" not in request.GET:
        return _liquid("loyalty/storefront/language.html", {})
    version = programme_shown(visitor.shop)
    if version is None:
        return HttpResponse(status=404, content_type=LIQUID)
    return _liquid("loyalty/storefront/page.html", _content(visitor, version))


def _content(visitor: ShopRequest, version: ProgrammeVersion) -> dict[str, Any]:
    words = words_for(visitor.shop)
    messages = Messages(get_language() or "en")
    customer = customer_of(visitor)
    if customer and customer.signed_in_at is None:
        customer_signed_in(customer.shopify_id)
    programme = programme_words(visitor.shop.name, version.number, cast(Any, version.document), words)
    return {
        "style": settings.APP_URL + static("storefront/full-page.css"),
        "programme": programme,
        "values": _values(programme, messages),
        "rules": rules_told(version.document, words),
        "is_new_accounts": visitor.shop.customer_accounts == Shop.CustomerAccounts.NEW,
        "is_signed_in": visitor.customer_shopify_id is not None,
        "say": {key: messages.say(key) for key in _SAID},
        "locale": visitor.GET["locale"],
        "member": _member(customer, version, words, messages) if customer else None,
        "history": _history(customer, visitor.GET.get("before", ""), words, messages) if customer else None,
    }


_SAID = (
    *("invitation", "join", "noPassword", "signIn", "register", "earn", "tiers", "yours", "history", "empty", "older"),
    *("back", "pending", "welcome"),
)


def _values(programme: dict[str, Any], messages: Messages) -> list[str]:
    """R$1.00 = 1 point, 100 points = R$5.00."""
    earn, worth = programme["earn"], programme["worth"]
    return [
        messages.say("equals", left=earn["per"], right=messages.count("points", earn["points"])),
        messages.say("equals", left=messages.count("points", worth["points"]), right=worth["amount"]),
    ]


def _member(customer: Customer, version: ProgrammeVersion, words: Words, messages: Messages) -> dict[str, Any]:
    summary = member_summary(customer, version)
    told = member_words(customer.first_name, summary, upcoming(customer, summary), words)
    tier, name = told["tier"], told["first_name"]
    return {
        "hello": messages.say("hello", name=name) if name else messages.say("welcome"),
        "points": messages.count("points", told["points"]),
        "worth": messages.say("worth", amount=told["worth"]),
        "coming": _coming(told, messages),
        "tier": tier["name"] if tier else None,
        "next": tier
        and tier["next"]
        and {
            "share": tier["next"]["share"],
            "text": messages.say("lacking", amount=tier["next"]["lacking"], tier=tier["next"]["name"]),
        },
    }


def _coming(told: dict[str, Any], messages: Messages) -> list[str]:
    """What is owed, what can be used later, what expires, and a move down."""
    lines = [messages.count("owed", told["debt"])] if told["debt"] else []
    for part in told["pending"]:
        key = "more" if part["when"] else "moreLater"
        lines.append(messages.say(key, n=messages.number(part["points"]), when=part["when"] or ""))
    lines += [messages.count("expires", part["points"], when=part["when"]) for part in told["expiring"]]
    down = told["tier"] and told["tier"]["down"]
    if down:
        lines.append(messages.say("moveDown" if down["to"] else "loseTier", tier=down["to"] or "", when=down["when"]))
    return lines


def _history(customer: Customer, before: str, words: Words, messages: Messages) -> dict[str, Any]:
    page = history_after(customer, before)
    entries = [entry_words(row, row.is_pending, words) for row in page.rows]
    for entry in entries:
        entry["figure"] = f"+{messages.number(entry['points'])}" if entry["points"] > 0 else None
        entry["figure"] = entry["figure"] or messages.number(entry["points"])
        entry["ask"] = messages.say("why", n=messages.number(entry["points"]))
    return {"entries": entries, "older": page.older, "is_first": not ID.fullmatch(before)}


def _liquid(template: str, context: dict[str, Any]) -> HttpResponse:
    return HttpResponse(render_to_string(template, _inert(context)), content_type=LIQUID)


def _inert(value: Any) -> Any:
    """The same with each text escaped, its braces too: neither HTML nor Liquid."""
    if isinstance(value, dict):
        return {key: _inert(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_inert(one) for one in value]
    if isinstance(value, str):
        return mark_safe(escape(value).replace("{", "&#123;"))  # noqa: S308 - escaped just here
    return value
