"""The shop, the app's installation, script tags and bulk operations, and the entry points of the API."""

from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from devstore import accounts, bulk, commerce, ids
from devstore.clock import parse, timestamp
from devstore.graphql import discounts, metafields, themes
from devstore.graphql.access import require
from devstore.graphql.errors import bad_request, not_played, problem
from devstore.graphql.fields import MONEY, PAGE_INFO, Fields, Info, constant, gid, itself, key, of, split_gid, text
from devstore.graphql.paging import Where, filtered, memory_page, table_count, table_page
from devstore.graphql.resolvers import (
    CUSTOMER_TYPES,
    ORDER_TYPES,
    PRODUCT_TYPES,
    collections_page,
    full_name,
    with_product,
)
from devstore.records import Kind, order_of_refund, products_of_variants
from devstore.shops import Shop
from devstore.state import dump

SIXTY_DAYS = 60 * 86400

# --- shop and app ------------------------------------------------------------------------------------------------


def offset_minutes(shop: Any, info: Info) -> int:
    now = parse(info.context.shop.clock.now()).astimezone(ZoneInfo(shop["timezone"]))
    offset = now.utcoffset()
    return int(offset.total_seconds() // 60) if offset else 0


def handles(scopes: Any) -> list[dict[str, str]]:
    return [{"handle": scope} for scope in scopes]


SHOP_TYPES: dict[str, Fields] = {
    "Shop": {
        "contactEmail": key("email"),
        "createdAt": key("created_at"),
        "currencyCode": key("currency"),
        "currencyFormats": of(lambda shop: ("{{amount}}", "{{amount}} " + shop["currency"])),
        "customerAccountsV2": itself,
        "email": key("email"),
        "enabledPresentmentCurrencies": of(lambda shop: [shop["currency"]]),
        "features": itself,
        "ianaTimezone": key("timezone"),
        "id": gid("Shop"),
        "marketingSmsConsentEnabledAtCheckout": constant(False),
        "myshopifyDomain": key("domain"),
        "name": key("name"),
        "plan": itself,
        "primaryDomain": itself,
        "setupRequired": constant(False),
        "shopAddress": itself,
        "shopOwnerName": of(lambda shop: full_name(next(each for each in shop["staff"] if each["account_owner"]))),
        "taxesIncluded": key("taxes_included"),
        "timezoneOffsetMinutes": offset_minutes,
        "url": of(lambda shop: f"https://{shop['domain']}"),
    },
    "CurrencyFormats": {
        "moneyFormat": of(lambda formats: formats[0]),
        "moneyWithCurrencyFormat": of(lambda formats: formats[1]),
    },
    "CustomerAccountsV2": {
        "customerAccountsVersion": key("customer_accounts"),
        "loginLinksVisibleOnStorefrontAndCheckout": constant(True),
        "loginRequiredAtCheckout": constant(False),
        "url": lambda shop, info: f"https://{shop['domain']}{accounts.account_path(info.context.shop)}",
    },
    "Domain": {
        "host": key("domain"),
        "sslEnabled": constant(True),
        "url": of(lambda shop: f"https://{shop['domain']}"),
    },
    "ShopAddress": {"city": key("city"), "country": key("country"), "countryCodeV2": key("country_code")},
    "ShopFeatures": {
        "eligibleForSubscriptions": constant(False),
        "giftCards": constant(False),
        "sellsSubscriptions": constant(False),
        "storefront": constant(True),
    },
    "ShopPlan": {
        "partnerDevelopment": constant(True),
        "publicDisplayName": constant("Basic"),
        "shopifyPlus": constant(False),
    },
    "AppInstallation": {
        "accessScopes": lambda source, info: handles(sorted(info.context.scopes)),
        "app": lambda source, info: info.context.shop.store.app,
        "id": lambda source, info: ids.gid("AppInstallation", source["id"]),
        "launchUrl": lambda source, info: f"https://{source['domain']}/admin/apps/{info.context.shop.store.app.handle}",
        "uninstallUrl": constant(None),
        **metafields.METAFIELDS_OF_INSTALLATION,
    },
    "App": {
        "apiKey": lambda app, info: info.context.shop.store.config.api_key,
        "embedded": constant(True),
        "handle": of(lambda app: app.handle),
        "id": constant(ids.gid("App", 288100001)),
        "optionalAccessScopes": constant([]),
        "requestedAccessScopes": of(lambda app: handles(app.scopes)),
        "title": of(lambda app: app.name),
    },
    "AccessScope": {"handle": key("handle")},
    "ApiVersion": {"displayName": key("handle"), "handle": key("handle"), "supported": constant(True)},
}

# --- script tags -------------------------------------------------------------------------------------------------

SCRIPT_TAG_TYPES: dict[str, Fields] = {
    "ScriptTag": {
        "cache": key("cache"),
        "createdAt": key("created_at"),
        "displayScope": key("display_scope"),
        "id": gid("ScriptTag"),
        "legacyResourceId": text(),
        "src": key("src"),
        "updatedAt": key("updated_at"),
    },
    "ScriptTagCreatePayload": {"scriptTag": key("tag"), "userErrors": key("errors")},
    "ScriptTagDeletePayload": {"deletedScriptTagId": key("deleted"), "userErrors": key("errors")},
    "UserError": {"field": key("field"), "message": key("message")},
}


def script_tags(source: Any, info: Info, src: str | None = None, **page: Any) -> Any:
    tags = [tag for tag in commerce.script_tags(info.context.shop) if src is None or tag["src"] == src]
    return memory_page(info.context, tags, **page)


def script_tag_create(source: Any, info: Info, input: Any) -> Any:
    shop: Shop = info.context.shop
    if not shop.document["accepts_script_tags"]:
        return {
            "tag": None,
            "errors": [problem("Script tags can no longer be created or updated. Use a theme app extension.")],
        }
    src = str(input.get("src") or "")
    address = urlsplit(src)
    own = src.startswith(shop.store.config.app_url)
    if not address.netloc or (address.scheme != "https" and not own):
        return {
            "tag": None,
            "errors": [problem("Source must be a valid URL that begins with https://", "input", "src")],
        }
    now = shop.clock.now()
    with shop.database.write() as connection:
        tag = {
            "id": ids.take(connection, "ScriptTag"),
            "src": src,
            "display_scope": input.get("displayScope") or "ALL",
            "cache": bool(input.get("cache")),
            "created_at": now,
            "updated_at": now,
        }
        connection.execute("INSERT INTO script_tags VALUES (?, ?, ?)", (tag["id"], shop.id, dump(tag)))
    return {"tag": tag, "errors": []}


def script_tag_delete(source: Any, info: Info, id: str) -> Any:
    kind, number = split_gid(id)
    with info.context.shop.database.write() as connection:
        gone = connection.execute(
            "DELETE FROM script_tags WHERE id = ? AND shop_id = ?", (number, info.context.shop.id)
        ).rowcount
    if kind != "ScriptTag" or not gone:
        return {"deleted": None, "errors": [problem("Script tag not found", "id")]}
    return {"deleted": id, "errors": []}


# --- bulk operations -----------------------------------------------------------------------------------------------

BULK_TYPES: dict[str, Fields] = {
    "BulkOperation": {
        "completedAt": key("completed_at"),
        "createdAt": key("created_at"),
        "errorCode": key("error_code"),
        "fileSize": of(lambda each: None if each["file_size"] is None else str(each["file_size"])),
        "id": gid("BulkOperation"),
        "objectCount": text("objects"),
        "partialDataUrl": lambda each, info: bulk.url(info.context.shop, each, partial=True),
        "query": key("query"),
        "rootObjectCount": text("roots"),
        "status": key("status"),
        "type": constant("QUERY"),
        "url": lambda each, info: bulk.url(info.context.shop, each, partial=False),
    },
    "BulkOperationRunQueryPayload": {"bulkOperation": key("operation"), "userErrors": key("errors")},
    "BulkOperationUserError": {"code": key("code"), "field": key("field"), "message": key("message")},
    "BulkOperationCancelPayload": {"bulkOperation": key("operation"), "userErrors": key("errors")},
}


def bulk_run(source: Any, info: Info, query: str, groupObjects: bool = False) -> Any:
    if groupObjects:
        raise not_played("groupObjects: lines of children are never next to their parents here")
    context = info.context
    if not context.offline:
        return {"operation": None, "errors": [problem("Bulk operations need an offline access token", code="INVALID")]}
    try:
        operation = context.shop.store.bulk.start(context.shop, query, context.scopes, context.version)
    except bulk.Refused as refused:
        return {"operation": None, "errors": [problem(str(refused), "query", code=refused.code)]}
    return {"operation": operation, "errors": []}


def bulk_cancel(source: Any, info: Info, id: str) -> Any:
    operation = bulk_operation(source, info, id)
    if operation is None:
        return {"operation": None, "errors": [problem("Bulk operation does not exist", "id")]}
    return {"operation": info.context.shop.store.bulk.cancel(info.context.shop, operation["id"]), "errors": []}


def bulk_operation(source: Any, info: Info, id: str) -> Any:
    kind, number = split_gid(id)
    return bulk.find(info.context.shop, number) if kind == "BulkOperation" else None


def bulk_operations(source: Any, info: Info, sortKey: str = "CREATED_AT", query: str | None = None, **page: Any) -> Any:
    if query:
        raise not_played("bulk operations searched by a query")
    return memory_page(info.context, bulk.all_of(info.context.shop), **page)


# --- entry points --------------------------------------------------------------------------------------------------


def resource(kind: Kind) -> Any:
    def resolve(source: Any, info: Info, id: str) -> Any:
        found, number = split_gid(id)
        return info.context.loader.get(kind, number) if found == kind else None

    return resolve


def collection(source: Any, info: Info, id: str) -> Any:
    kind, number = split_gid(id)
    return info.context.loader.collections().get(number) if kind == "Collection" else None


def collections(source: Any, info: Info, **page: Any) -> Any:
    return collections_page(list(info.context.loader.collections().values()), info, **page)


def refund(source: Any, info: Info, id: str) -> Any:
    kind, number = split_gid(id)
    require(info, "Order", "refund")
    context = info.context
    order_id = order_of_refund(context.connection, context.shop.id, number) if kind == "Refund" else None
    order = context.loader.get("Order", order_id)
    return (
        next(({**each, "order": order} for each in order["refunds"] if each["id"] == number), None) if order else None
    )


def node(source: Any, info: Info, id: str) -> Any:
    return nodes(source, info, [id])[0]


def nodes(source: Any, info: Info, ids: list[str]) -> list[Any]:
    if len(ids) > 250:
        raise bad_request(f"The input array size of {len(ids)} is greater than the maximum allowed of 250.")
    pairs = [split_gid(each) for each in ids]
    kinds: tuple[Kind, ...] = ("Customer", "Order", "Product")
    for kind in kinds:
        info.context.loader.mention(kind, (number for each, number in pairs if each == kind))
    return [node_of(info, kind, number) for kind, number in pairs]


def node_of(info: Info, kind: str, number: int) -> Any:
    context = info.context
    require(info, kind, info.field_name)
    if kind in ("Customer", "Order", "Product"):
        return context.loader.get(kind, number)
    if kind == "ProductVariant":
        found = products_of_variants(context.connection, context.shop.id, [number]).get(number)
        return with_product(found, number) if found else None
    if kind == "DiscountCodeNode":
        return discounts.by_number(info, number)
    if kind == themes.KIND:
        return themes.by_number(info, number)
    if kind == "Collection":
        return context.loader.collections().get(number)
    if kind == "BulkOperation":
        operation = bulk.find(context.shop, number)
        return {**operation, "__typename": kind} if operation else None
    raise not_played(f"nodes of type {kind}")


def listing(kind: Kind, default_sort: str) -> Any:
    def resolve(
        source: Any,
        info: Info,
        query: str | None = None,
        sortKey: str = default_sort,
        savedSearchId: str | None = None,
        **page: Any,
    ) -> Any:
        if savedSearchId:
            raise not_played("saved searches")
        return table_page(info.context, kind, visible(kind, info, query), sort_key=sortKey, **page)

    return resolve


def counted(kind: Kind) -> Any:
    """`customersCount` and the like: counting stops at `limit`, and then says so."""

    def resolve(
        source: Any, info: Info, query: str | None = None, limit: int | None = 10_000, savedSearchId: str | None = None
    ) -> Any:
        if savedSearchId:
            raise not_played("saved searches")
        found = table_count(info.context, kind, visible(kind, info, query))
        exact = limit is None or found <= limit
        return {"count": found if exact else limit, "precision": "EXACT" if exact else "AT_LEAST"}

    return resolve


def needing(kind: str, field: str, resolver: Any) -> Any:
    """The resolver, for those who may read objects of that type."""

    def resolve(source: Any, info: Info, **arguments: Any) -> Any:
        require(info, kind, field)
        return resolver(source, info, **arguments)

    return resolve


def visible(kind: Kind, info: Info, query: str | None) -> Where:
    """What the search finds of what the token may see."""
    where = filtered(kind, info.context.shop.id, query)
    if kind == "Order" and "read_all_orders" not in info.context.scopes:
        return where.more("created_at >= ?", timestamp(info.context.shop.clock.seconds() - SIXTY_DAYS))
    return where


QUERY: Fields = {
    **discounts.DISCOUNT_QUERIES,
    **themes.THEME_QUERIES,
    "bulkOperation": bulk_operation,
    "bulkOperations": bulk_operations,
    "collection": collection,
    "collections": collections,
    "currentAppInstallation": lambda source, info: {
        "id": metafields.installation_id(info.context.shop),
        "domain": info.context.shop.domain,
    },
    "customer": resource("Customer"),
    "customers": listing("Customer", "ID"),
    "customersCount": needing("Customer", "customersCount", counted("Customer")),
    "node": node,
    "nodes": nodes,
    "order": resource("Order"),
    "orders": listing("Order", "PROCESSED_AT"),
    "ordersCount": needing("Order", "ordersCount", counted("Order")),
    "product": resource("Product"),
    "products": listing("Product", "ID"),
    "productsCount": needing("Product", "productsCount", counted("Product")),
    "refund": refund,
    "publicApiVersions": lambda source, info: [{"handle": info.context.version}],
    "scriptTag": lambda source, info, id: next(
        (tag for tag in commerce.script_tags(info.context.shop) if ids.gid("ScriptTag", tag["id"]) == id), None
    ),
    "scriptTags": script_tags,
    "shop": lambda source, info: info.context.shop.document,
    "webhookSubscriptions": lambda source, info, first=None, after=None, **others: memory_page(
        info.context, [], first=first, after=after
    ),
}

MUTATION: Fields = {
    **discounts.DISCOUNT_MUTATIONS,
    **metafields.METAFIELD_MUTATIONS,
    "bulkOperationCancel": bulk_cancel,
    "bulkOperationRunQuery": bulk_run,
    "scriptTagCreate": script_tag_create,
    "scriptTagDelete": script_tag_delete,
}

TYPES: dict[str, Fields] = {
    **MONEY,
    **ORDER_TYPES,
    **CUSTOMER_TYPES,
    **PRODUCT_TYPES,
    **SHOP_TYPES,
    **SCRIPT_TAG_TYPES,
    **BULK_TYPES,
    **discounts.DISCOUNT_TYPES,
    **metafields.METAFIELD_TYPES,
    **themes.THEME_TYPES,
    "PageInfo": PAGE_INFO,
    "QueryRoot": QUERY,
    "Mutation": MUTATION,
}
