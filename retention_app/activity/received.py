"""From Shopify: deliveries that name this shop. The name isn't signed, so nothing of a body is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.db.models import BinaryField, Q, QuerySet
from django.db.models.functions import Substr
from django.urls import reverse
from django.utils.translation import gettext as _

from retention_app.activity import failures
from retention_app.activity.source import Item, Source, State, Story, took, tries_of, waiting
from retention_app.models import Customer, FailedTry, Order, Shop, WebhookDelivery
from retention_app.shopify.topics import TOPIC_HANDLERS, Kind
from retention_app.words import Words

HEAD_BYTES = 2048  # of a body: its ids stand at the beginning


def _topic(topic: str, name: str) -> str:
    """What a topic tells, of an order by its name where we know it."""
    if name:
        texts = {
            "orders/create": _("Order %(name)s placed"),
            "orders/updated": _("Order %(name)s changed"),
            "orders/paid": _("Order %(name)s paid"),
            "orders/edited": _("Order %(name)s edited"),
            "orders/cancelled": _("Order %(name)s cancelled"),
            "orders/delete": _("Order %(name)s deleted"),
            "refunds/create": _("Refund for order %(name)s"),
        }
        return texts[topic] % {"name": name}
    texts = {
        "orders/create": _("New order"),
        "orders/updated": _("Order changed"),
        "orders/paid": _("Order paid"),
        "orders/edited": _("Order edited"),
        "orders/cancelled": _("Order cancelled"),
        "orders/delete": _("Order deleted"),
        "refunds/create": _("Refund"),
        "customers/create": _("New customer"),
        "customers/update": _("Customer changed"),
        "customers/delete": _("Customer deleted"),
        "customers/merge": _("Customers merged"),
        "customers_email_marketing_consent/update": _("Consent to e-mails changed"),
        "products/create": _("New product"),
        "products/update": _("Product changed"),
        "products/delete": _("Product deleted"),
        "bulk_operations/finish": _("Import file ready"),
        "app/uninstalled": _("Encore was uninstalled"),
        "app/scopes_update": _("Encore's permissions changed"),
        "shop/update": _("Store settings changed"),
        "customer_account_settings/update": _("Customer accounts changed"),
        "customers/data_request": _("A customer asked for their data"),
        "customers/redact": _("A customer is to be erased"),
        "shop/redact": _("Your store's data is to be erased"),
    }
    return texts.get(topic, _("Message from Shopify"))


class Received(Source[WebhookDelivery]):
    key, tab, at = "received", "from", "received_at"
    attention = Q(state=WebhookDelivery.State.DEAD)

    def rows(self, shop: Shop) -> QuerySet[WebhookDelivery]:
        return (
            WebhookDelivery.objects.filter(shop_domain=shop.domain)
            .defer("body")
            .annotate(head=Substr("body", 1, HEAD_BYTES, output_field=BinaryField()))
        )

    def items(self, shop: Shop, rows: Sequence[WebhookDelivery], actor: str, words: Words) -> list[Item]:
        ids = {row.pk: (_kind(row), _resource_id(row)) for row in rows}
        wanted = {
            kind: [id_ for its, id_ in ids.values() if its is kind and id_] for kind in (Kind.ORDERS, Kind.CUSTOMERS)
        }
        orders = {order.shopify_id: order for order in Order.objects.filter(shopify_id__in=wanted[Kind.ORDERS])}
        people = {each.shopify_id: each for each in Customer.objects.filter(shopify_id__in=wanted[Kind.CUSTOMERS])}
        items = []
        for row in rows:
            kind, id_ = ids[row.pk]
            order = orders.get(id_) if kind is Kind.ORDERS and id_ else None
            person = people.get(id_) if kind is Kind.CUSTOMERS and id_ else None
            items.append(
                Item(
                    self.key,
                    row.pk,
                    row.received_at,
                    _topic(row.topic, order.name if order else ""),
                    _("From Shopify"),
                    _state(row, words),
                    link=_order_link(order) or _person_link(person),
                    can_retry=row.state == WebhookDelivery.State.DEAD,
                )
            )
        return items

    def story(self, row: WebhookDelivery, item: Item, words: Words) -> Story:
        states = WebhookDelivery.State
        came = _("It came in at %(when)s.") % {"when": words.moment(row.received_at)}
        facts = [(_("Kind"), row.topic), (_("Reference"), f"{self.key}-{row.pk}")]
        if row.state == states.DEAD:
            return Story(
                item,
                f"{came} {_happened(row)}",
                _("It isn't counted yet. Nothing was counted twice."),
                _todo(row),
                tries_of(FailedTry.Queue.DELIVERY, row.pk),
                _("This message is put aside for good. The check with Shopify still finds what it told of."),
                [*facts, (_("Error"), f"{row.error_class}: {row.error}")],
            )
        if row.state == states.WAITING:
            reason = f" {failures.happened(row.error_class, row.error)}" if row.error_class else ""
            means, todo = _("It isn't counted yet, and will be."), _("Nothing. We try again by ourselves.")
            return Story(item, came + reason, means, todo, tries_of(FailedTry.Queue.DELIVERY, row.pk), facts=facts)
        if row.state == states.DONE:
            means = _("Your orders, customers and points are up to date with it.")
        else:
            means = _("It wasn't taken in. The check with Shopify still finds what it told of.")
        return Story(item, came, means, _("Nothing."), tries_of(FailedTry.Queue.DELIVERY, row.pk), facts=facts)


def _kind(row: WebhookDelivery) -> Kind | None:
    handling = TOPIC_HANDLERS.get(row.topic)
    return handling.kind if handling else None


def _resource_id(row: Any) -> int | None:
    """Which resource a body most likely speaks of, from its beginning: a hint for a link into this shop's own rows."""
    handling = TOPIC_HANDLERS.get(row.topic)
    if handling is None or handling.kind not in (Kind.ORDERS, Kind.CUSTOMERS):
        return None
    found = re.search(rb'"%s"\s*:\s*(\d{1,18})\b' % handling.id_at[-1].encode(), bytes(row.head))
    return int(found[1]) if found else None


def _order_link(order: Order | None) -> tuple[str, str] | None:
    if order is None or order.customer_id is None:
        return None
    profile = reverse("admin:customer", args=[order.customer_id])
    return order.name, f"{profile}?tab=orders#order-{order.shopify_id}"


def _person_link(person: Customer | None) -> tuple[str, str] | None:
    if person is None:
        return None
    return person.name or person.email or _("Customer"), reverse("admin:customer", args=[person.id])


def _state(row: WebhookDelivery, words: Words) -> State:
    states = WebhookDelivery.State
    if row.state == states.DONE:
        return State(took(row.received_at, row.done_at, words), "good")
    if row.state == states.DEAD:
        return State(_("Needs attention"), "bad")
    return State(_("Skipped")) if row.state == states.DROPPED else waiting(row, words)


def _happened(row: WebhookDelivery) -> str:
    if row.error_class == "Malformed":
        return _("We couldn't read it, or it speaks of another store.")
    if row.error_class == "ResourceMissing":
        return _("It tells of something that Shopify doesn't know any more.")
    return failures.happened(row.error_class, row.error)


def _todo(row: WebhookDelivery) -> str:
    if row.error_class in ("Malformed", "ResourceMissing"):
        return _(
            "Press “Check with Shopify now”: Encore reads your store again and repairs what is missing. Then Skip."
        )
    return failures.todo(row.error_class)
