"""What scenarios are made with."""

import secrets
from typing import Any

from devstore import ids
from devstore.clock import Clock
from devstore.documents import Customer, Product, ShopDocument, Staff, Variant
from devstore.shops import Store


class ScenarioError(Exception):
    """Why a scenario cannot be loaded, in one line for the person who started devstore."""


def shop_document(store: Store, **settings: Any) -> ShopDocument:
    """A shop's settings: the defaults, with those of the scenario."""
    with store.database.write() as connection:
        number = ids.take(connection, "Shop")
        first_staff = ids.take(connection, "StaffMember", 2)
    handle = settings["handle"]
    defaults: ShopDocument = {
        "id": number,
        "handle": handle,
        "name": handle.capitalize(),
        "domain": f"{handle}.myshopify.com",
        "scenario": handle,
        "email": f"hello@{handle}.example",
        "currency": "USD",
        "timezone": "UTC",
        "locale": "en",
        "country": "United States",
        "country_code": "US",
        "city": "New York",
        "taxes_included": False,
        "tax_rate": "0",
        "tax_title": "Tax",
        "shipping_price": 0,
        "shipping_free_from": None,
        "staff": [
            staff(first_staff, "Olivia", "Owner", handle, owner=True),
            staff(first_staff + 1, "Sam", "Support", handle, owner=False),
        ],
        "login_hint": "",
        "accepts_script_tags": True,
        "customer_accounts": "CLASSIC",
        "consent_banner": False,
        "plan": "basic",
        "status": "open",
        "created_at": Clock().now(),
        "installed_at": None,
        "uninstalled_at": None,
        "scopes": [],
        "programme_at": None,
    }
    return {**defaults, **settings}  # type: ignore[typeddict-item]


def staff(number: int, first_name: str, last_name: str, handle: str, *, owner: bool) -> Staff:
    return {
        "id": number,
        "first_name": first_name,
        "last_name": last_name,
        "email": f"{first_name.lower()}@{handle}.example",
        "account_owner": owner,
        "locale": "en",
    }


def customer_document(number: int, email: str, at: str, **settings: Any) -> Customer:
    """A customer with an account and no orders yet."""
    document: Customer = {
        "id": number,
        "email": email,
        "first_name": None,
        "last_name": None,
        "locale": "en",
        "state": "ENABLED",
        "tags": [],
        "accepts_marketing": False,
        "marketing_at": None,
        "address": None,
        "address_id": None,
        "orders_count": 0,
        "spent": 0,
        "last_order_id": None,
        "last_order_at": None,
        "created_at": at,
        "updated_at": at,
    }
    return {**document, **settings}  # type: ignore[typeddict-item]


def product_document(number: int, option_id: int, variants: list[Variant], at: str, **settings: Any) -> Product:
    document: Product = {
        "id": number,
        "handle": settings["title"].lower().replace(" ", "-"),
        "title": settings["title"],
        "description": "",
        "product_type": "",
        "vendor": "",
        "tags": [],
        "collection_ids": [],
        "status": "ACTIVE",
        "colour": "#7a6a58",
        "option": "Title",
        "option_id": option_id,
        "gift_card": False,
        "variants": variants,
        "created_at": at,
        "updated_at": at,
    }
    return {**document, **settings}  # type: ignore[typeddict-item]


def variant_document(number: int, title: str, sku: str, price: int, inventory: int = 100) -> Variant:
    return {"id": number, "title": title, "sku": sku, "price": price, "compare_at_price": None, "inventory": inventory}


def password_for_all(password: str) -> str:
    """One stored hash that every seeded account shares."""
    from devstore.commerce import password_hash

    return password_hash(password, secrets.token_hex(8))
