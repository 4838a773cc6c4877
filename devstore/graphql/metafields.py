"""Metafields of the app's installation, read and set. Those of anything else are not played."""

import hashlib
from typing import Any

from devstore import ids, metafields
from devstore.graphql.errors import not_played, problem
from devstore.graphql.fields import Fields, Info, gid, key, of, split_gid, text
from devstore.graphql.paging import memory_page
from devstore.shops import Shop

OWNER = "AppInstallation"
APP_NAMESPACE = "$app"
MOST_SET = 25  # in one call


def installation_id(shop: Shop) -> int:
    return ids.FIRST_ID[OWNER] + shop.id


def listed(source: Any, info: Info, namespace: str | None = None, keys: Any = None, **page: Any) -> Any:
    found = [
        each
        for each in metafields.all_of(info.context.shop)
        if namespace in (None, each["namespace"]) and (keys is None or f"{each['namespace']}.{each['key']}" in keys)
    ]
    return memory_page(info.context, found, **page)


def one(source: Any, info: Info, key: str, namespace: str = APP_NAMESPACE) -> Any:
    every = metafields.all_of(info.context.shop)
    return next((each for each in every if (each["namespace"], each["key"]) == (namespace, key)), None)


def set_all(source: Any, info: Info, **arguments: Any) -> Any:
    """Set all of them or none: https://shopify.dev/docs/api/admin-graphql/latest/mutations/metafieldsSet"""
    shop, given = info.context.shop, arguments["metafields"]
    if len(given) > MOST_SET:
        message = f"Exceeded the maximum metafields input limit of {MOST_SET}."
        errors = [refused(message, None, "LESS_THAN_OR_EQUAL_TO")]
    else:
        errors = [error for index, each in enumerate(given) for error in faults(shop, index, each)]
    if errors:
        return {"metafields": [], "errors": errors}
    with shop.database.write() as connection:
        made = [
            metafields.set_one(
                connection, shop, each.get("namespace") or APP_NAMESPACE, each["key"], each["type"], each["value"]
            )
            for each in given
        ]
    return {"metafields": made, "errors": []}


def faults(shop: Shop, index: int, given: Any) -> list[dict[str, Any]]:
    """What is wrong with one of the input, as user errors."""
    kind, number = split_gid(given["ownerId"])
    if kind != OWNER or "compareDigest" in given:
        raise not_played(f"metafields of {kind}" if kind != OWNER else "compareDigest")
    if number != installation_id(shop):
        return [refused("Owner does not exist.", index, "INVALID", "ownerId")]
    if given.get("type") not in metafields.TYPES:
        return [refused(f"Type must be one of {', '.join(metafields.TYPES)}.", index, "INVALID_TYPE", "type")]
    try:
        metafields.parsed(given["type"], given["value"])
    except ValueError as error:
        return [refused(f"Value is invalid: {error}", index, "INVALID_VALUE", "value")]
    return []


def refused(message: str, index: int | None, code: str, *path: str) -> dict[str, Any]:
    where = ("metafields",) if index is None else ("metafields", str(index), *path)
    return {**problem(message, *where, code=code), "elementIndex": index}


METAFIELDS_OF_INSTALLATION: Fields = {"metafield": one, "metafields": listed}
METAFIELD_TYPES: dict[str, Fields] = {
    "Metafield": {
        "compareDigest": of(lambda each: hashlib.sha256(each["value"].encode()).hexdigest()),
        "createdAt": key("created_at"),
        "id": gid("Metafield"),
        "jsonValue": of(lambda each: metafields.parsed(each["type"], each["value"])),
        "key": key("key"),
        "legacyResourceId": text(),
        "namespace": key("namespace"),
        "sizeInBytes": of(lambda each: len(each["value"].encode())),
        "type": key("type"),
        "updatedAt": key("updated_at"),
        "value": key("value"),
    },
    "MetafieldsSetPayload": {"metafields": key("metafields"), "userErrors": key("errors")},
    "MetafieldsSetUserError": {name: key(name) for name in ("code", "elementIndex", "field", "message")},
}
METAFIELD_MUTATIONS: Fields = {"metafieldsSet": set_all}
