"""Every document of ours against the platform's published schemas, and what each may cost."""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    build_client_schema,
    get_named_type,
    is_leaf_type,
    parse,
    print_ast,
    validate,
)

from config.env import VAR
from retention_app.shopify import documents, reads

VERSIONS = ("2026-07", "2026-10")
QUERY_POINTS_MAX = 1000


@cache
def schema(version: str) -> GraphQLSchema:
    with gzip.open(VAR / "schema" / f"admin_{version}.json.gz") as file:
        introspection = json.load(file)
    return build_client_schema(introspection.get("data", introspection), assume_valid=True)


def operation(name: str) -> OperationDefinitionNode:
    (definition,) = parse(documents.document(name)).definitions
    assert isinstance(definition, OperationDefinitionNode)
    return definition


def points(name: str, **variables: Any) -> int:
    """The classic formula: an object 1, a connection 2 + first × node, `nodes` as many as it has ids, a mutation 10."""

    def size(field: FieldNode, argument: str) -> int:
        value: Any = next(each.value for each in field.arguments if each.name.value == argument)
        return int(value.value) if hasattr(value, "value") else variables[value.name.value]

    def cost(parent: Any, selections: SelectionSetNode | None) -> int:
        total = 0
        for each in selections.selections if selections else ():
            if not isinstance(each, FieldNode):
                assert each.type_condition  # type: ignore[union-attr]
                total += cost(schema("2026-10").type_map[each.type_condition.name.value], each.selection_set)  # type: ignore[union-attr]
                continue
            if each.name.value == "pageInfo":
                continue
            kind = get_named_type(parent.fields[each.name.value].type)
            if is_leaf_type(kind):
                continue
            inner = cost(kind, each.selection_set)
            if each.name.value == "nodes" and each.arguments:
                total += variables["ids"] * (inner + 1)
            elif kind.name.endswith("Connection"):
                total += 2 + size(each, "first") * inner
            else:
                total += 1 + inner
        return total

    node = operation(name)
    root = schema("2026-10").mutation_type if documents.is_mutation(name) else schema("2026-10").query_type
    return cost(root, node.selection_set) + (10 if documents.is_mutation(name) else 0)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(documents.names()))
def test_document_is_valid(name: str, version: str) -> None:
    assert validate(schema(version), parse(documents.document(name))) == []


@pytest.mark.parametrize("name", sorted(documents.names()))
def test_file_holds_one_operation_of_its_name(name: str) -> None:
    assert operation(name).name is not None
    assert operation(name).name.value == name  # type: ignore[union-attr]


@pytest.mark.parametrize("name", sorted(documents.names()))
def test_nothing_deprecated_is_asked_for(name: str) -> None:
    from graphql import NoDeprecatedCustomRule

    assert validate(schema("2026-10"), parse(documents.document(name)), [NoDeprecatedCustomRule]) == []


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("OrdersByIds", {"ids": reads.ORDERS_PER_READ}),
        ("CustomersByIds", {"ids": reads.CUSTOMERS_PER_READ}),
        ("ProductsByIds", {"ids": reads.PRODUCTS_PER_READ}),
        ("OrderLinesPage", {"first": reads.LINES_PER_PAGE}),
        ("ProductCollectionsPage", {"first": reads.COLLECTIONS_PER_PAGE}),
        ("RefundLinesPage", {"first": reads.LINES_PER_PAGE}),
    ],
)
def test_read_stays_under_the_points_of_one_query(name: str, variables: dict[str, int]) -> None:
    assert points(name, **variables) < QUERY_POINTS_MAX


def test_read_takes_as_many_as_fit() -> None:
    assert points("OrdersByIds", ids=reads.ORDERS_PER_READ + 1) >= QUERY_POINTS_MAX
    assert points("ProductsByIds", ids=reads.PRODUCTS_PER_READ + 1) >= QUERY_POINTS_MAX


def fields_of(name: str, *path: str) -> str:
    """The selection at a path of field names, printed; fragments are walked through."""

    def step(selections: SelectionSetNode, wanted: str) -> SelectionSetNode:
        for each in selections.selections:
            if isinstance(each, FieldNode) and each.name.value == wanted:
                assert each.selection_set
                return each.selection_set
            if not isinstance(each, FieldNode):
                return step(each.selection_set, wanted)  # type: ignore[union-attr]
        raise AssertionError(f"{name} has no {wanted}")

    selections = operation(name).selection_set
    for wanted in path:
        selections = step(selections, wanted)
    return print_ast(selections)


def test_line_is_read_alike_by_id_by_page_and_in_bulk() -> None:
    by_id = fields_of("OrdersByIds", "nodes", "lineItems", "nodes")
    assert by_id == fields_of("OrderLinesPage", "order", "lineItems", "nodes")
    assert by_id == fields_of("BulkOrders", "orders", "edges", "node", "lineItems", "edges", "node")


def test_refund_line_is_read_alike_by_id_and_by_page() -> None:
    by_page = ("refund", "refundLineItems", "nodes")
    assert fields_of("OrdersByIds", "nodes", "refunds", "refundLineItems", "nodes") == fields_of(
        "RefundLinesPage", *by_page
    )


def test_customer_is_read_alike_by_id_and_in_bulk() -> None:
    (fragment,) = operation("CustomersByIds").selection_set.selections[0].selection_set.selections  # type: ignore[union-attr]
    assert print_ast(fragment.selection_set) == fields_of("BulkCustomers", "customers", "edges", "node")


@pytest.mark.parametrize("name", ["BulkCustomers", "BulkOrders", "BulkProducts"])
def test_bulk_query_has_no_connection_inside_a_list(name: str) -> None:
    def walk(parent: Any, selections: SelectionSetNode | None, in_list: bool) -> None:
        for each in selections.selections if selections else ():
            assert isinstance(each, FieldNode)
            assert not each.arguments
            declared = parent.fields[each.name.value].type
            kind = get_named_type(declared)
            connection = getattr(kind, "name", "").endswith("Connection")
            assert not (connection and in_list)
            is_list = "[" in str(declared) and each.name.value != "edges"
            if not is_leaf_type(kind):
                walk(kind, each.selection_set, in_list or is_list)

    walk(schema("2026-10").query_type, operation(name).selection_set, False)


def test_bulk_query_is_the_inner_text() -> None:
    assert documents.bulk_query("BulkCustomers").startswith("{\n  customers {")


@pytest.mark.parametrize("name", ["BulkPoll", "BulkRunQuery", "OrdersByIds"])
def test_only_inner_queries_are_sent_in_bulk(name: str) -> None:
    with pytest.raises(ValueError, match="no inner query"):
        documents.bulk_query(name)
