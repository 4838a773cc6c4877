"""Webhook bodies in the shapes of Shopify's REST resources (version 2026-10)."""

import uuid
from typing import Any

from devstore import ids
from devstore.clock import local
from devstore.documents import (
    Address,
    Application,
    Collection,
    Customer,
    Fulfilment,
    Line,
    Order,
    Product,
    Refund,
    ShopDocument,
    Theme,
    Transaction,
)
from devstore.money import fixed_amount
from devstore.orders import current_quantity, fulfilment_status, unfulfilled_quantity

Payload = dict[str, Any]
LOCATION_ID = 655441491
FULFILMENT = {"UNFULFILLED": None, "PARTIALLY_FULFILLED": "partial", "FULFILLED": "fulfilled"}
PRIVATE = {"address1", "address2", "contact_email", "email", "first_name", "last_name", "phone", "zip"}


class Writer:
    """Writes money and instants the way one shop's webhooks do."""

    def __init__(self, shop: ShopDocument) -> None:
        self.shop = shop
        self.currency = shop["currency"]
        self.nothing = self.bag(0)

    def amount(self, minor: int) -> str:
        return fixed_amount(minor, self.currency)

    def bag(self, minor: int) -> Payload:
        money = {"amount": self.amount(minor), "currency_code": self.currency}
        return {"shop_money": money, "presentment_money": dict(money)}

    def at(self, instant: str | None) -> str | None:
        return local(instant, self.shop["timezone"]) if instant else None

    # --- orders --------------------------------------------------------------------------------------------------

    def order(self, order: Order, customer: Customer | None) -> Payload:
        """The body of every `orders/*` topic but `orders/edited`."""
        shipping = order["shipping"]["price"] if order["shipping"] else 0
        shipping_left = shipping - (order["shipping"]["refunded"] if order["shipping"] else 0)
        payload: Payload = {
            "id": order["id"],
            "admin_graphql_api_id": ids.gid("Order", order["id"]),
            "app_id": 580111,
            "browser_ip": None,
            "buyer_accepts_marketing": bool(customer and customer["accepts_marketing"]),
            "cancel_reason": (order["cancel_reason"] or "").lower() or None,
            "cancelled_at": self.at(order["cancelled_at"]),
            "cart_token": None,
            "checkout_token": None,
            "client_details": None,
            "closed_at": self.at(order["cancelled_at"]),
            "confirmation_number": order["token"][:9].upper(),
            "confirmed": True,
            "contact_email": order["email"],
            "created_at": self.at(order["created_at"]),
            "currency": self.currency,
            "current_shipping_price_set": self.bag(shipping_left),
        }
        for name, minor in {
            "current_subtotal_price": order["current_subtotal"],
            "current_total_discounts": order["current_discounts"],
            "current_total_price": order["current_total"],
            "current_total_tax": order["current_tax"],
            "subtotal_price": order["subtotal"],
            "total_discounts": order["discounts"],
            "total_line_items_price": order["line_total"],
            "total_price": order["total"],
            "total_tax": order["tax"],
        }.items():
            payload[name] = self.amount(minor)
            payload[f"{name}_set"] = self.bag(minor)
        payload |= {
            "current_total_additional_fees_set": None,
            "current_total_duties_set": None,
            "customer_locale": order["locale"],
            "device_id": None,
            "discount_applications": [discount_application(self, each) for each in order["applications"]],
            "discount_codes": [discount_code(self, order, each) for each in order["applications"]],
            "duties_included": False,
            "email": order["email"],
            "estimated_taxes": False,
            "financial_status": order["financial_status"].lower(),
            "fulfillment_status": FULFILMENT[fulfilment_status(order["lines"])],
            "fulfillments": [self.fulfilment(order, each) for each in order["fulfilments"]],
            "landing_site": None,
            "landing_site_ref": None,
            "line_item_groups": [],
            "line_items": [self.line(line) for line in order["lines"]],
            "location_id": None,
            "merchant_business_entity_id": None,
            "merchant_of_record_app_id": None,
            "name": order["name"],
            "note": order["note"],
            "note_attributes": [],
            "number": order["number"] - 1000,
            "order_number": order["number"],
            "order_status_url": f"https://{self.shop['domain']}/orders/{order['token']}",
            "original_total_additional_fees_set": None,
            "original_total_duties_set": None,
            "payment_gateway_names": sorted({each["gateway"] for each in order["transactions"]}),
            "payment_terms": None,
            "phone": None,
            "po_number": None,
            "presentment_currency": self.currency,
            "processed_at": self.at(order["processed_at"]),
            "reference": None,
            "referring_site": None,
            "refunds": [self.refund(order, refund) for refund in order["refunds"]],
            "returns": [],
            "shipping_lines": self.shipping_lines(order),
            "source_identifier": None,
            "source_name": order["source"],
            "source_url": None,
            "tags": ", ".join(order["tags"]),
            "tax_exempt": False,
            "tax_lines": self.order_tax_lines(order),
            "taxes_included": order["taxes_included"],
            "test": order["test"],
            "token": order["token"],
            "total_cash_rounding_payment_adjustment_set": self.nothing,
            "total_cash_rounding_refund_adjustment_set": self.nothing,
            "total_outstanding": self.amount(max(0, order["outstanding"])),
            "total_shipping_price_set": self.bag(shipping),
            "total_tip_received": self.amount(0),
            "total_weight": 0,
            "updated_at": self.at(order["updated_at"]),
            "user_id": None,
            "billing_address": address(order["shipping_address"]),
            "shipping_address": address(order["shipping_address"]),
            "customer": self.customer_inside(customer) if customer else None,
        }
        return payload

    def line(self, line: Line) -> Payload:
        variant = line["variant_title"]
        return {
            "id": line["id"],
            "admin_graphql_api_id": ids.gid("LineItem", line["id"]),
            "attributed_staffs": [],
            "current_quantity": current_quantity(line),
            "fulfillable_quantity": unfulfilled_quantity(line),
            "fulfillment_service": "manual",
            "fulfillment_status": FULFILMENT[fulfilment_status([line])],
            "gift_card": line["gift_card"],
            "grams": 0,
            "name": f"{line['title']} - {variant}" if variant else line["title"],
            "price": self.amount(line["price"]),
            "price_set": self.bag(line["price"]),
            "product_exists": line["product_id"] is not None,
            "product_id": line["product_id"],
            "properties": [],
            "quantity": line["quantity"],
            "requires_shipping": not line["gift_card"],
            "sales_line_item_group_id": None,
            "sku": line["sku"],
            "taxable": bool(line["tax_lines"]),
            "title": line["title"],
            "total_discount": self.amount(0),
            "total_discount_set": self.nothing,
            "variant_id": line["variant_id"],
            "variant_inventory_management": "shopify" if line["variant_id"] else None,
            "variant_title": variant,
            "vendor": line["vendor"],
            "tax_lines": [self.tax_line(tax["title"], tax["rate"], tax["amount"]) for tax in line["tax_lines"]],
            "duties": [],
            "discount_allocations": [
                {
                    "amount": self.amount(each["amount"]),
                    "amount_set": self.bag(each["amount"]),
                    "discount_application_index": each["application"],
                }
                for each in line["allocations"]
            ],
        }

    def tax_line(self, title: str, rate: str, minor: int) -> Payload:
        return {
            "channel_liable": False,
            "price": self.amount(minor),
            "price_set": self.bag(minor),
            "rate": float(rate),
            "title": title,
        }

    def order_tax_lines(self, order: Order) -> list[Payload]:
        sums: dict[tuple[str, str], int] = {}
        for line in order["lines"]:
            for tax in line["tax_lines"]:
                key = (tax["title"], tax["rate"])
                sums[key] = sums.get(key, 0) + tax["amount"]
        return [self.tax_line(title, rate, minor) for (title, rate), minor in sums.items()]

    def shipping_lines(self, order: Order) -> list[Payload]:
        shipping = order["shipping"]
        if shipping is None:
            return []
        return [
            {
                "id": shipping["id"],
                "carrier_identifier": None,
                "code": shipping["title"],
                "current_discounted_price_set": self.bag(shipping["price"] - shipping["refunded"]),
                "discounted_price": self.amount(shipping["price"]),
                "discounted_price_set": self.bag(shipping["price"]),
                "is_removed": False,
                "phone": None,
                "price": self.amount(shipping["price"]),
                "price_set": self.bag(shipping["price"]),
                "requested_fulfillment_service_id": None,
                "source": "shopify",
                "title": shipping["title"],
                "tax_lines": [],
                "discount_allocations": [],
            }
        ]

    def refund(self, order: Order, refund: Refund) -> Payload:
        lines = {line["id"]: line for line in order["lines"]}
        return {
            "id": refund["id"],
            "order_id": order["id"],
            "created_at": self.at(refund["created_at"]),
            "note": refund["note"],
            "user_id": self.shop["staff"][0]["id"],
            "processed_at": self.at(refund["created_at"]),
            "duties": [],
            "total_duties_set": self.nothing,
            "return": None,
            "refund_shipping_lines": self.refund_shipping_lines(order, refund),
            "restock": bool(refund["lines"]),
            "admin_graphql_api_id": ids.gid("Refund", refund["id"]),
            "order_adjustments": self.adjustments(order, refund),
            "refund_line_items": [
                {
                    "id": each["id"],
                    "quantity": each["quantity"],
                    "line_item_id": each["line_id"],
                    "location_id": None,
                    "restock_type": "return",
                    "subtotal": float(self.amount(each["subtotal"])),
                    "total_tax": float(self.amount(each["tax"])),
                    "subtotal_set": self.bag(each["subtotal"]),
                    "total_tax_set": self.bag(each["tax"]),
                    "line_item": self.line(lines[each["line_id"]]),
                }
                for each in refund["lines"]
            ],
            "transactions": [self.transaction(order, each) for each in refund["transactions"]],
        }

    def refund_shipping_lines(self, order: Order, refund: Refund) -> list[Payload]:
        if not refund["shipping"]:
            return []
        (shipping,) = self.shipping_lines(order)
        return [
            {
                "id": shipping["id"],
                "shipping_line": shipping,
                "subtotal_amount_set": self.bag(refund["shipping"]),
                "tax_lines": [],
            }
        ]

    def adjustments(self, order: Order, refund: Refund) -> list[Payload]:
        if not refund["adjustment_id"]:
            return []
        return [
            {
                "id": refund["adjustment_id"],
                "order_id": order["id"],
                "refund_id": refund["id"],
                "kind": "refund_discrepancy",
                "reason": "Refund discrepancy",
                "amount": self.amount(-refund["adjustment"]),
                "amount_set": self.bag(-refund["adjustment"]),
                "tax_amount": self.amount(0),
                "tax_amount_set": self.nothing,
            }
        ]

    def fulfilment(self, order: Order, each: Fulfilment) -> Payload:
        """A fulfilment within an order."""
        lines = {line["id"]: self.line(line) for line in order["lines"]}
        return {
            "id": each["id"],
            "admin_graphql_api_id": ids.gid("Fulfillment", each["id"]),
            "created_at": self.at(each["created_at"]),
            "location_id": LOCATION_ID,
            "name": f"{order['name']}.{each['number']}",
            "order_id": order["id"],
            "origin_address": {},
            "receipt": {},
            "service": "manual",
            "shipment_status": None,
            "status": each["status"].lower(),
            "tracking_company": None,
            "tracking_number": None,
            "tracking_numbers": [],
            "tracking_url": None,
            "tracking_urls": [],
            "updated_at": self.at(each["updated_at"]),
            "line_items": [{**lines[sent["line_id"]], "quantity": sent["quantity"]} for sent in each["lines"]],
        }

    def fulfilment_itself(self, order: Order, each: Fulfilment) -> Payload:
        """The body of `fulfillments/*`."""
        whom = {"email": order["email"], "destination": address(order["shipping_address"])}
        return {**self.fulfilment(order, each), **whom}

    def transaction(self, order: Order, each: Transaction) -> Payload:
        unsettled = {"amount": "0.0", "currency": self.currency}
        return {
            "id": each["id"],
            "order_id": order["id"],
            "kind": each["kind"].lower(),
            "gateway": each["gateway"],
            "status": each["status"].lower(),
            "message": "Transaction approved",
            "created_at": self.at(each["processed_at"]),
            "test": order["test"],
            "authorization": None,
            "location_id": None,
            "user_id": None,
            "parent_id": each["parent_id"],
            "processed_at": self.at(each["processed_at"]),
            "device_id": None,
            "error_code": None,
            "source_name": order["source"],
            "receipt": {},
            "amount": self.amount(each["amount"]),
            "currency": self.currency,
            "payment_id": f"{order['name']}.{each['id']}",
            "total_unsettled_set": {"presentment_money": unsettled, "shop_money": dict(unsettled)},
            "manual_payment_gateway": False,
            "amount_rounding": None,
            "admin_graphql_api_id": ids.gid("OrderTransaction", each["id"]),
        }

    def edit(self, order: Order, changes: dict[int, int], edit_id: int) -> Payload:
        """The body of `orders/edited`; `changes` are units added or removed by line id."""

        def some(sign: int) -> list[Payload]:
            return [{"id": line_id, "delta": abs(change)} for line_id, change in changes.items() if change * sign > 0]

        nothing: dict[str, list[Payload]] = {"additions": [], "removals": []}
        return {
            "order_edit": {
                "id": edit_id,
                "app_id": None,
                "created_at": self.at(order["updated_at"]),
                "notify_customer": False,
                "order_id": order["id"],
                "reason": "",
                "staff_note": "",
                "user_id": self.shop["staff"][0]["id"],
                "line_items": {"additions": some(+1), "removals": some(-1)},
                "discounts": {"line_item": nothing},
                "shipping_lines": nothing,
                "committed_at": self.at(order["updated_at"]),
            }
        }

    # --- customers -----------------------------------------------------------------------------------------------

    def customer_inside(self, customer: Customer) -> Payload:
        """A customer within an order: one default address and no list of them."""
        payload: Payload = {
            "id": customer["id"],
            "created_at": self.at(customer["created_at"]),
            "updated_at": self.at(customer["updated_at"]),
            "first_name": customer["first_name"],
            "last_name": customer["last_name"],
            "state": customer["state"].lower(),
            "note": None,
            "verified_email": True,
            "multipass_identifier": None,
            "tax_exempt": False,
            "email": customer["email"],
            "phone": None,
            "currency": self.currency,
            "tax_exemptions": [],
            "admin_graphql_api_id": ids.gid("Customer", customer["id"]),
        }
        if customer["address"]:
            payload["default_address"] = customer_address(customer)
        return payload

    def customer(self, customer: Customer) -> Payload:
        payload = self.customer_inside(customer)
        payload["addresses"] = [customer_address(customer)] if customer["address"] else []
        return payload

    # --- products ------------------------------------------------------------------------------------------------

    def product(self, product: Product) -> Payload:
        published = self.at(product["created_at"]) if product["status"] == "ACTIVE" else None
        updated = f"{product['updated_at'].removesuffix('Z')}.000Z"
        return {
            "admin_graphql_api_id": ids.gid("Product", product["id"]),
            "body_html": product["description"],
            "created_at": self.at(product["created_at"]),
            "handle": product["handle"],
            "id": product["id"],
            "product_type": product["product_type"],
            "published_at": published,
            "template_suffix": None,
            "title": product["title"],
            "updated_at": self.at(product["updated_at"]),
            "vendor": product["vendor"],
            "status": product["status"].lower(),
            "published_scope": "web",
            "tags": ", ".join(product["tags"]),
            "variants": [
                {
                    "admin_graphql_api_id": ids.gid("ProductVariant", variant["id"]),
                    "barcode": None,
                    "compare_at_price": None
                    if variant["compare_at_price"] is None
                    else self.amount(variant["compare_at_price"]),
                    "created_at": self.at(product["created_at"]),
                    "id": variant["id"],
                    "inventory_policy": "deny",
                    "position": position,
                    "price": self.amount(variant["price"]),
                    "product_id": product["id"],
                    "sku": variant["sku"],
                    "taxable": True,
                    "title": variant["title"],
                    "updated_at": self.at(product["updated_at"]),
                    "option1": variant["title"],
                    "option2": None,
                    "option3": None,
                    "image_id": None,
                    "inventory_item_id": variant["id"],
                    "inventory_quantity": variant["inventory"],
                    "old_inventory_quantity": variant["inventory"],
                }
                for position, variant in enumerate(product["variants"], 1)
            ],
            "options": [
                {
                    "name": product["option"],
                    "id": product["option_id"],
                    "product_id": product["id"],
                    "position": 1,
                    "values": [variant["title"] for variant in product["variants"]],
                }
            ],
            "images": [],
            "image": None,
            "media": [],
            "variant_gids": [
                {"admin_graphql_api_id": ids.gid("ProductVariant", variant["id"]), "updated_at": updated}
                for variant in product["variants"]
            ],
            "has_variants_that_requires_components": False,
            "category": None,
        }

    def collection(self, collection: Collection) -> Payload:
        return {
            "id": collection["id"],
            "handle": collection["handle"],
            "title": collection["title"],
            "updated_at": self.at(collection["updated_at"]),
            "body_html": "",
            "published_at": self.at(collection["created_at"]),
            "sort_order": "best-selling",
            "template_suffix": None,
            "published_scope": "web",
            "admin_graphql_api_id": ids.gid("Collection", collection["id"]),
        }

    # --- the shop ------------------------------------------------------------------------------------------------

    def theme(self, theme: Theme) -> Payload:
        """The body of `themes/publish`."""
        return {
            "id": theme["id"],
            "name": theme["name"],
            "created_at": self.at(theme["created_at"]),
            "updated_at": self.at(theme["updated_at"]),
            "role": theme["role"].lower(),
            "theme_store_id": None,
            "previewable": True,
            "processing": False,
            "admin_graphql_api_id": ids.gid("OnlineStoreTheme", theme["id"]),
        }

    def customer_account_settings(self, url: str) -> Payload:
        """The body of `customer_account_settings/update`."""
        return {
            "url": url,
            "customer_accounts_version": self.shop["customer_accounts"].lower(),
            "login_required_at_checkout": False,
            "login_links_visible_on_storefront_and_checkout": True,
        }

    def scopes(self, previous: list[str], current: list[str], at: str) -> Payload:
        """The body of `app/scopes_update`."""
        number = self.shop["id"]
        shop_id = f"gid://shopify/Shop/{number}"
        return {"id": number, "shop_id": shop_id, "previous": previous, "current": current, "updated_at": self.at(at)}

    def shop_itself(self, at: str) -> Payload:
        """The body of `app/uninstalled` and `shop/update`."""
        shop = self.shop
        owner = next(person for person in shop["staff"] if person["account_owner"])
        money_format = "{{amount}} " + shop["currency"]
        return {
            "id": shop["id"],
            "name": shop["name"],
            "email": shop["email"],
            "domain": shop["domain"],
            "province": None,
            "country": shop["country_code"],
            "address1": None,
            "zip": None,
            "city": shop["city"],
            "source": None,
            "phone": "",
            "latitude": None,
            "longitude": None,
            "primary_locale": shop["locale"],
            "address2": None,
            "created_at": self.at(shop["created_at"]),
            "updated_at": self.at(at),
            "country_code": shop["country_code"],
            "country_name": shop["country"],
            "currency": shop["currency"],
            "customer_email": shop["email"],
            "timezone": shop["timezone"],
            "iana_timezone": shop["timezone"],
            "shop_owner": f"{owner['first_name']} {owner['last_name']}",
            "money_format": money_format,
            "money_with_currency_format": money_format,
            "weight_unit": "kg",
            "province_code": None,
            "taxes_included": shop["taxes_included"],
            "auto_configure_tax_inclusivity": None,
            "tax_shipping": None,
            "county_taxes": True,
            "plan_display_name": "Basic",
            "plan_name": "basic",
            "has_discounts": True,
            "has_gift_cards": False,
            "myshopify_domain": shop["domain"],
            "google_apps_domain": None,
            "google_apps_login_enabled": None,
            "money_in_emails_format": money_format,
            "money_with_currency_in_emails_format": money_format,
            "eligible_for_payments": True,
            "requires_extra_payments_agreement": False,
            "password_enabled": False,
            "has_storefront": True,
            "finances": True,
            "primary_location_id": LOCATION_ID,
            "checkout_api_supported": True,
            "multi_location_enabled": False,
            "setup_required": False,
            "pre_launch_enabled": False,
            "enabled_presentment_currencies": [shop["currency"]],
            "marketing_sms_consent_enabled_at_checkout": False,
            "transactional_sms_disabled": False,
        }


def discount_application(writer: Writer, each: Application) -> Payload:
    fixed = each["kind"] == "fixed_amount"
    return {
        "target_type": "line_item",
        "type": "discount_code",
        "value": writer.amount(int(each["value"])) if fixed else f"{float(each['value']):.1f}",
        "value_type": each["kind"],
        "allocation_method": "across",
        "target_selection": "all",
        "code": each["code"],
    }


def discount_code(writer: Writer, order: Order, each: Application) -> Payload:
    return {"code": each["code"], "amount": writer.amount(order["discounts"]), "type": each["kind"]}


def address(each: Address | None) -> Payload | None:
    if each is None:
        return None
    name = " ".join(part for part in (each["first_name"], each["last_name"]) if part)
    return {**each, "phone": None, "address2": None, "company": None, "latitude": None, "longitude": None, "name": name}


def customer_address(customer: Customer) -> Payload | None:
    inside = address(customer["address"])
    if inside is None:
        return None
    del inside["latitude"], inside["longitude"]
    more = {
        "id": customer["address_id"],
        "customer_id": customer["id"],
        "country_name": inside["country"],
        "default": True,
    }
    return inside | more


def withheld(payload: Any) -> Any:
    """A payload for an app that may not see who customers are: what says so is null."""
    if isinstance(payload, list):
        return [withheld(each) for each in payload]
    if not isinstance(payload, dict):
        return payload
    private = PRIVATE | {"name"} if "address1" in payload else PRIVATE
    return {name: None if name in private else withheld(value) for name, value in payload.items()}


def deleted_customer(customer_id: int) -> Payload:
    """The body of `customers/delete`."""
    return {"id": customer_id, "tax_exemptions": [], "admin_graphql_api_id": ids.gid("Customer", customer_id)}


def merge(kept_id: int, deleted_id: int) -> Payload:
    """The body of `customers/merge`."""
    return {
        "admin_graphql_api_customer_kept_id": ids.gid("Customer", kept_id),
        "admin_graphql_api_customer_deleted_id": ids.gid("Customer", deleted_id),
        "admin_graphql_api_job_id": f"gid://shopify/Job/{uuid.uuid4()}",
        "status": "completed",
        "errors": [],
    }


def bulk_operation(number: int, operation: dict[str, Any], writer: Writer) -> Payload:
    """The body of `bulk_operations/finish`: the status is in lower case here."""
    return {
        "admin_graphql_api_id": ids.gid("BulkOperation", number),
        "completed_at": writer.at(operation["completed_at"]),
        "created_at": writer.at(operation["created_at"]),
        "error_code": (operation["error_code"] or "").lower() or None,
        "status": operation["status"].lower(),
        "type": "query",
    }
