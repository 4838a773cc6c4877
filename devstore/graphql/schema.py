"""Shopify's published schema with devstore's resolvers put into it."""

import functools
import gzip
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from graphql import GraphQLObjectType, GraphQLSchema, build_client_schema, get_named_type

from devstore.graphql.access import guarded, protected
from devstore.graphql.errors import not_played
from devstore.graphql.fields import CONNECTION, EDGE, Fields, Info
from devstore.graphql.shop import TYPES


@functools.cache
def build(path: Path) -> GraphQLSchema:
    """Read an introspection result (`{"data": {"__schema": …}}`, gzipped JSON) and attach a resolver to every field."""
    with gzip.open(path) as file:
        introspection = orjson.loads(file.read())
    # Shopify's schema breaks a rule that graphql-core checks (a deprecated implementation of a field that is not).
    schema = build_client_schema(introspection["data"], assume_valid=True)
    for name, kind in schema.type_map.items():
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__"):
            attach(kind, played_fields(name))
    return schema


def played_fields(name: str) -> Fields:
    if name in TYPES:
        return TYPES[name]
    if name.endswith("Connection"):
        return CONNECTION
    return EDGE if name.endswith("Edge") else {}


def attach(kind: GraphQLObjectType, played: Fields) -> None:
    unknown = played.keys() - kind.fields.keys()
    if unknown and played not in (CONNECTION, EDGE):
        raise LookupError(f"{kind.name} has no {', '.join(sorted(unknown))} in this schema")
    for name, field in kind.fields.items():
        resolver = played.get(name)
        if resolver is None:
            field.resolve = partial(refuse, f"{kind.name}.{name}")
            continue
        field.resolve = resolver
        if played not in (CONNECTION, EDGE):
            of_kind = get_named_type(field.type).name.removesuffix("Connection")
            field.resolve = protected(guarded(resolver, kind.name, name, of_kind), kind.name, name)


def refuse(what: str, source: Any, info: Info, **arguments: Any) -> Any:
    raise not_played(what)
