"""Small resolvers that most fields are made of. Money on its way through the executor is a pair (minor units,
currency)."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo

from devstore import ids
from devstore.graphql.errors import bad_request
from devstore.money import graphql_amount

Resolver = Callable[..., Any]
Info = GraphQLResolveInfo
Fields = dict[str, Resolver]


def key(name: str) -> Resolver:
    """The document's own value."""
    return lambda source, info: source[name]


def constant(value: Any) -> Resolver:
    """The same for every object. Arguments make no difference."""
    return lambda source, info, **arguments: value


def gid(kind: str, name: str = "id") -> Resolver:
    prefix = f"gid://shopify/{kind}/"
    return lambda source, info: f"{prefix}{source[name]}"


def text(name: str = "id") -> Resolver:
    """A number as a string, as UnsignedInt64 fields answer."""
    return lambda source, info: str(source[name])


def bag(name: str) -> Resolver:
    """Minor units of a document as a MoneyBag."""
    return lambda source, info: (source[name], info.context.currency)


def bag_of(compute: Callable[[Any], int]) -> Resolver:
    return lambda source, info: (compute(source), info.context.currency)


def of(compute: Callable[[Any], Any]) -> Resolver:
    """A value computed from the document alone."""
    return lambda source, info: compute(source)


def itself(source: Any, info: Info) -> Any:
    return source


def split_gid(text: str) -> tuple[str, int]:
    """A global id's type and number. Raises BAD_REQUEST."""
    try:
        return ids.parse_gid(text)
    except ValueError as error:
        raise bad_request(str(error)) from None


MONEY: dict[str, Fields] = {
    "MoneyBag": {"shopMoney": itself, "presentmentMoney": itself},
    "MoneyV2": {
        "amount": lambda source, info: graphql_amount(source[0], source[1]),
        "currencyCode": lambda source, info: source[1],
    },
    "PricingPercentageValue": {"percentage": key("percentage")},
}

# For every type named …Connection or …Edge.
CONNECTION: Fields = {"nodes": key("nodes"), "edges": key("edges"), "pageInfo": key("pageInfo")}
EDGE: Fields = {"node": key("node"), "cursor": key("cursor")}
PAGE_INFO: Fields = {name: key(name) for name in ("hasNextPage", "hasPreviousPage", "startCursor", "endCursor")}
