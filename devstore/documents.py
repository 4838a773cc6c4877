"""The shapes devstore keeps and its pages read. Money is an integer in minor units of the shop's currency; instants are
UTC strings to the second (`2026-11-21T10:02:07Z`); ids are numbers (`ids.gid` makes global ids of them)."""

from typing import Any, Literal, TypedDict


class Staff(TypedDict):
    """A person who works in the shop; the `sub` of an ID token."""

    id: int
    first_name: str
    last_name: str
    email: str
    account_owner: bool
    locale: str


class DiscountCode(TypedDict):
    """A code the shop accepts. `value` is a percentage (`"10"`) or, for `fixed_amount`, minor units as text
    (`"1500"`)."""

    code: str
    kind: Literal["percentage", "fixed_amount"]
    value: str


class Discount(DiscountCode):
    """A code with its conditions. `customer_ids` None means everybody; `used` counts the orders placed with it."""

    id: int
    redeem_code_id: int
    title: str
    starts_at: str
    ends_at: str | None
    usage_limit: int | None
    once_per_customer: bool
    customer_ids: list[int] | None
    minimum_subtotal: int | None
    combines_with: list[str]
    tags: list[str]
    used: int
    created_at: str
    updated_at: str


AccountsVersion = Literal["CLASSIC", "NEW_CUSTOMER_ACCOUNTS"]


class ShopDocument(TypedDict):
    """`consent_banner`: the shop's visitors live where they must be asked before they are counted."""

    id: int
    handle: str
    name: str
    domain: str
    scenario: str
    email: str
    currency: str
    timezone: str
    locale: str
    country: str
    country_code: str
    city: str
    taxes_included: bool
    tax_rate: str
    tax_title: str
    shipping_price: int
    shipping_free_from: int | None
    staff: list[Staff]
    login_hint: str
    accepts_script_tags: bool
    customer_accounts: AccountsVersion
    consent_banner: bool
    plan: str
    status: Literal["open", "frozen", "locked"]
    created_at: str
    installed_at: str | None
    uninstalled_at: str | None
    scopes: list[str]
    programme_at: str | None


class Address(TypedDict):
    first_name: str | None
    last_name: str | None
    address1: str
    city: str
    province: str | None
    province_code: str | None
    country: str
    country_code: str
    zip: str


class Customer(TypedDict):
    id: int
    email: str
    first_name: str | None
    last_name: str | None
    locale: str
    state: Literal["ENABLED", "DISABLED"]
    tags: list[str]
    accepts_marketing: bool
    marketing_at: str | None
    address: Address | None
    address_id: int | None
    orders_count: int
    spent: int
    last_order_id: int | None
    last_order_at: str | None
    created_at: str
    updated_at: str


class Variant(TypedDict):
    id: int
    title: str
    sku: str
    price: int
    compare_at_price: int | None
    inventory: int


class Collection(TypedDict):
    id: int
    handle: str
    title: str
    created_at: str
    updated_at: str


class Product(TypedDict):
    """`colour` is a CSS colour the theme may draw the product with; `option` is the one option its variants differ
    in."""

    id: int
    handle: str
    title: str
    description: str
    product_type: str
    vendor: str
    tags: list[str]
    collection_ids: list[int]
    status: Literal["ACTIVE", "DRAFT", "ARCHIVED"]
    colour: str
    option: str
    option_id: int
    gift_card: bool
    variants: list[Variant]
    created_at: str
    updated_at: str


class Allocation(TypedDict):
    application: int
    amount: int


class TaxLine(TypedDict):
    title: str
    rate: str
    amount: int


class Line(TypedDict):
    """An order line. `quantity` never changes; `removed` counts units taken off by edits, `refunded` units refunded,
    `fulfilled` units sent. `allocations` and `tax_lines` are those of the whole line at `quantity`."""

    id: int
    product_id: int | None
    variant_id: int | None
    title: str
    variant_title: str | None
    sku: str
    vendor: str
    quantity: int
    removed: int
    refunded: int
    fulfilled: int
    price: int
    gift_card: bool
    allocations: list[Allocation]
    tax_lines: list[TaxLine]


class Shipping(TypedDict):
    id: int
    title: str
    price: int
    refunded: int


class Application(TypedDict):
    """A discount of an order, as in `discountApplications`. `value` as in DiscountCode."""

    code: str
    kind: Literal["percentage", "fixed_amount"]
    value: str


class Transaction(TypedDict):
    id: int
    kind: Literal["SALE", "REFUND", "VOID"]
    status: Literal["SUCCESS", "PENDING"]
    gateway: str
    amount: int
    parent_id: int | None
    processed_at: str


class RefundLine(TypedDict):
    """`subtotal` is after discounts, with tax where the order's prices include it; `tax` is the tax in or on top of
    it."""

    id: int
    line_id: int
    quantity: int
    subtotal: int
    tax: int


class Refund(TypedDict):
    """`amount` is what was paid back; `adjustment` the part of it that belongs to no line and no shipping."""

    id: int
    created_at: str
    note: str | None
    lines: list[RefundLine]
    shipping: int
    amount: int
    adjustment: int
    adjustment_id: int | None
    transactions: list[Transaction]


class FulfilmentLine(TypedDict):
    id: int
    line_id: int
    quantity: int


class Fulfilment(TypedDict):
    """Units of lines that were sent together; `number` counts the order's, from 1."""

    id: int
    number: int
    status: Literal["SUCCESS", "CANCELLED"]
    lines: list[FulfilmentLine]
    created_at: str
    updated_at: str


FinancialStatus = Literal["PENDING", "PARTIALLY_PAID", "PAID", "PARTIALLY_REFUNDED", "REFUNDED", "VOIDED"]
FulfilmentStatus = Literal["UNFULFILLED", "PARTIALLY_FULFILLED", "FULFILLED"]


class Order(TypedDict):
    """`transactions` holds every transaction, those of refunds included. The totals are kept by `totals.settle`:
    `line_total` before discounts, `subtotal` after them, `total` what was ordered in the end (edits counted),
    `current_*` what is left of it after refunds, `received` and `refunded` money in and out."""

    id: int
    number: int
    name: str
    token: str
    email: str | None
    customer_id: int | None
    test: bool
    source: str
    currency: str
    locale: str
    taxes_included: bool
    tags: list[str]
    note: str | None
    created_at: str
    processed_at: str
    updated_at: str
    cancelled_at: str | None
    cancel_reason: str | None
    lines: list[Line]
    shipping: Shipping | None
    applications: list[Application]
    transactions: list[Transaction]
    refunds: list[Refund]
    fulfilments: list[Fulfilment]
    shipping_address: Address | None
    financial_status: FinancialStatus
    fully_paid: bool
    line_total: int
    subtotal: int
    discounts: int
    tax: int
    total: int
    current_subtotal: int
    current_discounts: int
    current_tax: int
    current_total: int
    received: int
    refunded: int
    outstanding: int


class ScriptTag(TypedDict):
    id: int
    src: str
    display_scope: Literal["ALL", "ONLINE_STORE", "ORDER_STATUS"]
    cache: bool
    created_at: str
    updated_at: str


class Theme(TypedDict):
    """A theme with its JSON files by name (`config/settings_data.json`, `templates/product.json`). `draft` holds the
    files as somebody is changing them in the theme editor, None when nobody is. `look` names the colours it is drawn
    in."""

    id: int
    name: str
    look: str
    role: Literal["MAIN", "UNPUBLISHED"]
    files: dict[str, Any]
    draft: dict[str, Any] | None
    created_at: str
    updated_at: str


class PlacedBlock(TypedDict, total=False):
    """A block in a theme's file. Apps' ones have a type like `shopify://apps/encore/blocks/app-embed/<uuid>`."""

    type: str
    disabled: bool
    settings: dict[str, Any]
