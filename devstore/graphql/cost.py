"""What a query costs, by Shopify's classic formula, and the bucket it is paid from.

Scalars are free, an object costs 1, a connection 2 plus its page size times a node, a list its `first` (or the number
of `ids`) times an object, a mutation 10. Page information and edges are free."""

import threading
import time
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    value_from_ast_untyped,
)

MAX_COST = 1000
PLANS = {"basic": (2000.0, 100.0), "plus": (20000.0, 1000.0)}  # bucket, points restored a second
MUTATION = 10


class Estimate:
    """The requested cost of one operation."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any]) -> None:
        self.schema = schema
        self.fragments = {
            each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
        }
        self.variables = variables

    def operation(self, operation: OperationDefinitionNode) -> int:
        for definition in operation.variable_definitions or ():
            if definition.default_value is not None:
                name = definition.variable.name.value
                self.variables.setdefault(name, value_from_ast_untyped(definition.default_value))
        root = self.schema.get_root_type(operation.operation)
        base = MUTATION if operation.operation == OperationType.MUTATION else 0
        return base + (self.selection(root, operation.selection_set) if root else 0)

    def selection(self, kind: GraphQLNamedType, selections: SelectionSetNode | None) -> int:
        """Fields cost their sum; of fragments on different types, at most the dearest applies."""
        total, alternatives = 0, [0]
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                total += self.field(kind, node)
                continue
            fragment: Any = self.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            condition = fragment.type_condition
            inner = self.schema.get_type(condition.name.value) if condition else kind
            cost = self.selection(inner, fragment.selection_set) if inner else 0
            if inner is kind:
                total += cost
            else:
                alternatives.append(cost)
        return total + max(alternatives)

    def field(self, parent: GraphQLNamedType, node: FieldNode) -> int:
        if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) or node.name.value not in parent.fields:
            return 0
        field = parent.fields[node.name.value]
        kind = get_named_type(field.type)
        if is_leaf_type(kind) or node.name.value == "pageInfo":
            return 0
        if kind.name.endswith("Connection"):
            return 2 + self.size(node, 1) * self.nodes(kind, node.selection_set)
        each = 1 + self.selection(kind, node.selection_set)
        return each * self.size(node, 1) if is_list_type(get_nullable_type(field.type)) else each

    def nodes(self, connection: GraphQLNamedType, selections: SelectionSetNode | None) -> int:
        """One node of a connection, by way of `nodes` or of `edges { node }`."""
        total = 0
        for node in selections.selections if selections else ():
            if not isinstance(node, FieldNode) or not isinstance(connection, GraphQLObjectType):
                continue
            kind = get_named_type(connection.fields[node.name.value].type)
            if node.name.value == "nodes":
                total += 1 + self.selection(kind, node.selection_set)
            elif node.name.value == "edges":
                total += self.selection(kind, node.selection_set)
        return total

    def size(self, node: FieldNode, default: int) -> int:
        """The page size or the number of ids asked for."""
        for argument in node.arguments or ():
            value = value_from_ast_untyped(argument.value, self.variables)
            if argument.name.value in ("first", "last") and isinstance(value, int):
                return max(0, value)
            if argument.name.value == "ids" and isinstance(value, list):
                return len(value)
        return default


def actual_of(operation: OperationDefinitionNode, data: Any) -> int:
    """What an operation cost once it has run: its mutation, its objects, and 2 for each connection."""
    base = MUTATION if operation.operation == OperationType.MUTATION else 0
    return base + sum(map(actual, (data or {}).values()))


def actual(data: Any) -> int:
    if isinstance(data, list):
        return sum(map(actual, data))
    if not isinstance(data, dict):
        return 0
    inside = sum(actual(value) for name, value in data.items() if name != "pageInfo")
    if not data.keys().isdisjoint(("nodes", "edges", "pageInfo")):
        return 2 + inside
    return inside if data.keys() <= {"node", "cursor"} else 1 + inside


@dataclass
class Bucket:
    """Cost points of one shop on its plan: full at first, refilled by the second."""

    plan: str
    available: float = 0.0
    at: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self.size, self.restored = PLANS[self.plan]

    def take(self, points: float) -> bool:
        """Take the points if they are there."""
        with self._lock:
            self._refill()
            if self.available < points:
                return False
            self.available -= points
            return True

    def give_back(self, points: float) -> None:
        with self._lock:
            self._refill()
            self.available = min(self.size, self.available + points)

    def status(self) -> dict[str, float]:
        with self._lock:
            self._refill()
            return {
                "maximumAvailable": self.size,
                "currentlyAvailable": int(self.available),
                "restoreRate": self.restored,
            }

    def _refill(self) -> None:
        now = time.monotonic()
        self.available = min(self.size, self.available + (now - self.at) * self.restored)
        self.at = now
