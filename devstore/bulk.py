"""Bulk operations: a query over everything, run in the background page by page into a JSONL file."""

import hashlib
import hmac
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLNamedType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute_sync,
    get_named_type,
    get_nullable_type,
    is_list_type,
    parse,
    validate,
)

from devstore import ids, payloads, webhooks
from devstore.graphql.context import BulkPage, Context, Loader
from devstore.graphql.execution import PlanningExecutor
from devstore.knobs import happens
from devstore.shops import Shop, Store
from devstore.state import dump, load

PAGE = 500
AT_ONCE = 5
MOST_CONNECTIONS = 5
DEEPEST = 2

log = logging.getLogger(__name__)


class Refused(Exception):
    """Why an operation is not started; `code` is one of BulkOperationUserErrorCode."""

    def __init__(self, message: str, code: str = "INVALID") -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Shape:
    """Where the connections of a selection are: for each its path of response names from the object, and its nodes'
    own."""

    connections: list[tuple[tuple[str, ...], "Shape"]] = field(default_factory=list)


# --- what is refused -----------------------------------------------------------------------------------------------


class Analysis:
    """Checks a bulk query against Shopify's rules and finds its connections. Raises Refused."""

    def __init__(self, schema: GraphQLSchema, text: str) -> None:
        self.schema = schema
        try:
            self.document = parse(text)
        except GraphQLError as error:
            raise Refused(f"Invalid bulk query: {error.message}") from None
        problems = validate(schema, self.document)
        if problems:
            raise Refused(f"Invalid bulk query: {problems[0].message}")
        self.fragments = {
            each.name.value: each for each in self.document.definitions if isinstance(each, FragmentDefinitionNode)
        }
        self._count = 0
        root = self._root()
        self.root_name = root.alias.value if root.alias else root.name.value
        self.shape = self._connection(self._root_kind(root), root, 1)

    def _root(self) -> FieldNode:
        """The one field at the top, a connection."""
        operations = [each for each in self.document.definitions if isinstance(each, OperationDefinitionNode)]
        if len(operations) != 1 or operations[0].operation != OperationType.QUERY:
            raise Refused("Bulk queries must be exactly one query operation")
        if operations[0].variable_definitions:
            raise Refused("Bulk queries cannot have variables")
        root, *others = operations[0].selection_set.selections
        if others or not isinstance(root, FieldNode):
            raise Refused("Bulk queries can only have one top-level field")
        if not self._root_kind(root).name.endswith("Connection"):
            raise Refused("Bulk queries must contain a connection at the top level; node and nodes are not supported")
        return root

    def _root_kind(self, root: FieldNode) -> GraphQLNamedType:
        query_type: Any = self.schema.query_type
        return get_named_type(query_type.fields[root.name.value].type)

    def _connection(self, kind: GraphQLNamedType, node: FieldNode, depth: int) -> Shape:
        self._count += 1
        if self._count > MOST_CONNECTIONS:
            raise Refused(f"Bulk queries cannot contain more than {MOST_CONNECTIONS} connections")
        if depth > DEEPEST:
            raise Refused(f"Bulk queries cannot contain connections with a nesting depth greater than {DEEPEST}")
        shape, selected_id = Shape(), False
        for inner_kind, inner in self._nodes(kind, node):
            selected_id = self._selection(inner_kind, inner, (), depth, False, shape) or selected_id
        if shape.connections and not selected_id:
            raise Refused("Objects with nested connections must select `id`")
        return shape

    def _nodes(self, kind: GraphQLNamedType, node: FieldNode) -> Iterator[tuple[GraphQLNamedType, SelectionSetNode]]:
        """The selections on a connection's nodes."""
        for wrapper_kind, wrapper in self._fields(kind, node.selection_set):
            inner_kind = get_named_type(field_of(wrapper_kind, wrapper).type)
            if wrapper.name.value == "nodes" and wrapper.selection_set:
                yield inner_kind, wrapper.selection_set
            if wrapper.name.value == "edges":
                for edge_kind, edge in self._fields(inner_kind, wrapper.selection_set):
                    if edge.name.value == "node" and edge.selection_set:
                        yield get_named_type(field_of(edge_kind, edge).type), edge.selection_set

    def _selection(
        self,
        kind: GraphQLNamedType,
        selections: SelectionSetNode,
        path: tuple[str, ...],
        depth: int,
        in_list: bool,
        shape: Shape,
    ) -> bool:
        """Collect the connections below an object; tells whether it selects its `id`."""
        selected_id = False
        for parent, node in self._fields(kind, selections):
            if node.name.value.startswith("__"):
                continue
            name = node.alias.value if node.alias else node.name.value
            selected_id = selected_id or name == node.name.value == "id"
            definition = field_of(parent, node)
            inner = get_named_type(definition.type)
            if not node.selection_set:
                continue
            if inner.name.endswith("Connection"):
                if in_list:
                    raise Refused(
                        "Queries that contain a connection field within a list field are not currently supported."
                        f" ({parent.name}.{node.name.value})"
                    )
                shape.connections.append(((*path, name), self._connection(inner, node, depth + 1)))
            else:
                listed = in_list or is_list_type(get_nullable_type(definition.type))
                self._selection(inner, node.selection_set, (*path, name), depth, listed, shape)
        return selected_id

    def _fields(
        self, kind: GraphQLNamedType, selections: SelectionSetNode | None
    ) -> Iterator[tuple[GraphQLNamedType, FieldNode]]:
        """All fields of a selection with the type they are selected on, fragments opened."""
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                yield kind, node
                continue
            fragment: Any = self.fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            condition = fragment.type_condition
            yield from self._fields(
                self.schema.type_map[condition.name.value] if condition else kind, fragment.selection_set
            )


def field_of(kind: GraphQLNamedType, node: FieldNode) -> Any:
    return kind.fields[node.name.value]  # type: ignore[attr-defined]


# --- the result file ---------------------------------------------------------------------------------------------


def write_page(out: BinaryIO, roots: list[Any], shape: Shape) -> int:
    """Write a page's lines, all roots first, then their children, then theirs. Returns the number of lines."""
    level = [(root, shape) for root in roots]
    written = 0
    while level:
        below: list[tuple[Any, Shape]] = []
        for node, node_shape in level:
            for path, child_shape in node_shape.connections:
                for child in take_nodes(node, path):
                    child["__parentId"] = node["id"]
                    below.append((child, child_shape))
            out.write(orjson.dumps(node))
            out.write(b"\n")
        written += len(level)
        level = below
    return written


def take_nodes(node: Any, path: tuple[str, ...]) -> list[Any]:
    """Take a connection out of an object and return its nodes."""
    for name in path[:-1]:
        node = node[name]
        if node is None:
            return []
    return nodes_of(node.pop(path[-1], None))


def nodes_of(connection: Any) -> list[Any]:
    if connection is None:
        return []
    if "nodes" in connection:
        return [each for each in connection["nodes"] if each is not None]
    return [edge["node"] for edge in connection["edges"] if edge["node"] is not None]


# --- operations --------------------------------------------------------------------------------------------------


class BulkRunner:
    """Starts operations and runs them in threads of its own."""

    def __init__(self, store: Store, schema: GraphQLSchema) -> None:
        self.store = store
        self.schema = schema
        self.folder = store.config.state_dir / "bulk"
        self.folder.mkdir(exist_ok=True)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="bulk")
        self._closing = False
        self._fail_interrupted()

    def start(self, shop: Shop, text: str, scopes: frozenset[str], version: str) -> dict[str, Any]:
        """Check the query and run it in the background. Raises Refused."""
        analysis = Analysis(self.schema, text)
        with shop.database.write() as connection:
            (busy,) = connection.execute(
                "SELECT count(*) FROM bulk_operations WHERE shop_id = ? AND status IN ('CREATED', 'RUNNING')",
                (shop.id,),
            ).fetchone()
            if busy >= AT_ONCE:
                raise Refused(
                    f"A maximum of {AT_ONCE} bulk query operations can run for an app and shop at a time",
                    "LIMIT_REACHED",
                )
            operation = {
                "id": ids.take(connection, "BulkOperation"),
                "query": text,
                "status": "CREATED",
                "error_code": None,
                "created_at": shop.clock.now(),
                "completed_at": None,
                "objects": 0,
                "roots": 0,
                "file_size": None,
            }
            connection.execute(
                "INSERT INTO bulk_operations VALUES (?, ?, ?, ?)",
                (operation["id"], shop.id, operation["status"], dump(operation)),
            )
        self._threads.submit(self._run_logged, shop, operation["id"], analysis, scopes, version)
        return operation

    def cancel(self, shop: Shop, number: int) -> dict[str, Any] | None:
        """Stop a running operation after its current page."""
        with shop.database.write():
            operation = find(shop, number)
            if operation and operation["status"] in ("CREATED", "RUNNING"):
                operation["status"] = "CANCELING"
                save(shop, operation)
        return operation

    def path(self, number: int) -> Path:
        return self.folder / f"{number}.jsonl"

    def close(self) -> None:
        """Let running operations end after their current page."""
        self._closing = True
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run_logged(self, *arguments: Any) -> None:
        try:
            self._run(*arguments)
        except Exception:
            log.exception("bulk operation failed")
            self._finish(arguments[0], arguments[1], "FAILED", "INTERNAL_SERVER_ERROR")

    def _run(self, shop: Shop, number: int, analysis: Analysis, scopes: frozenset[str], version: str) -> None:
        page = BulkPage(PAGE)
        objects = roots = 0
        with self.path(number).open("wb") as out:
            while True:
                if self._closing or not self._progress(shop, number, objects, roots):
                    break
                result = self._page(shop, analysis, scopes, version, page)
                if result.errors or result.data is None:
                    self._finish(shop, number, "FAILED", error_code(result))
                    return
                nodes = nodes_of(result.data[analysis.root_name])
                roots += len(nodes)
                objects += write_page(out, nodes, analysis.shape)
                page.after = page.next
                if page.next is None:
                    break
        with shop.database.write():
            going_on = self._progress(shop, number, objects, roots)
            self._finish(shop, number, "COMPLETED" if going_on else "CANCELED", None)

    def _page(
        self, shop: Shop, analysis: Analysis, scopes: frozenset[str], version: str, page: BulkPage
    ) -> ExecutionResult:
        with shop.database.read() as connection:
            loader, withheld = Loader(shop, connection, shop.knobs.stale), happens(shop.knobs.withheld)
            context = Context(shop, scopes, loader, version, bulk=page, withheld=withheld)
            return execute_sync(self.schema, analysis.document, context_value=context, executor_class=PlanningExecutor)

    def _progress(self, shop: Shop, number: int, objects: int, roots: int) -> bool:
        """Note how far it is; False when it is to stop."""
        with shop.database.write():
            operation = find(shop, number)
            if operation is None or operation["status"] == "CANCELING" or not shop.installed:
                return False
            operation |= {"status": "RUNNING", "objects": objects, "roots": roots}
            save(shop, operation)
        return True

    def _finish(self, shop: Shop, number: int, status: str, code: str | None) -> None:
        with shop.database.write() as connection:
            operation = find(shop, number)
            if operation is None:
                return
            size = self.path(number).stat().st_size if operation["objects"] else None
            operation |= {"status": status, "error_code": code, "completed_at": shop.clock.now(), "file_size": size}
            save(shop, operation)
            if webhooks.wanted(shop, "bulk_operations/finish"):
                payload = payloads.bulk_operation(number, operation, payloads.Writer(shop.document))
                webhooks.queue(connection, shop, "bulk_operations/finish", payload)

    def _fail_interrupted(self) -> None:
        """What a process that is gone left running will not finish."""
        for shop in self.store.shops.values():
            for operation in all_of(shop):
                if operation["status"] in ("CREATED", "RUNNING", "CANCELING"):
                    self._finish(shop, operation["id"], "FAILED", "INTERNAL_SERVER_ERROR")


def error_code(result: ExecutionResult) -> str:
    codes = {(error.extensions or {}).get("code") for error in result.errors or ()}
    for error in result.errors or ():
        log.warning("bulk query: %s", error)
    return "ACCESS_DENIED" if "ACCESS_DENIED" in codes else "INTERNAL_SERVER_ERROR"


def find(shop: Shop, number: int) -> dict[str, Any] | None:
    row = (
        shop.database.connection()
        .execute("SELECT document FROM bulk_operations WHERE id = ? AND shop_id = ?", (number, shop.id))
        .fetchone()
    )
    return load(row[0]) if row else None


def all_of(shop: Shop) -> list[dict[str, Any]]:
    """The shop's operations, oldest first."""
    rows = shop.database.connection().execute(
        "SELECT document FROM bulk_operations WHERE shop_id = ? ORDER BY id", (shop.id,)
    )
    return [load(document) for (document,) in rows]


def save(shop: Shop, operation: dict[str, Any]) -> None:
    shop.database.connection().execute(
        "UPDATE bulk_operations SET status = ?, document = ? WHERE id = ?",
        (operation["status"], dump(operation), operation["id"]),
    )


def url(shop: Shop, operation: dict[str, Any], *, partial: bool) -> str | None:
    """Where the result is fetched, without a token: None while there is none, and for an empty result."""
    wanted = "FAILED" if partial else "COMPLETED"
    if operation["status"] != wanted or not operation["file_size"]:
        return None
    number = operation["id"]
    return f"{shop.store.config.public_url}/devstore/bulk/{number}.jsonl?signature={signature(shop.store, number)}"


def signature(store: Store, number: int) -> str:
    return hmac.digest(store.signing_key.encode(), f"bulk/{number}".encode(), hashlib.sha256).hex()
