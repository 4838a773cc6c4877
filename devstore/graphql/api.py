"""One call to `POST /admin/api/{version}/graphql.json`, from the body to the answer."""

import functools
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from devstore.graphql import cost, errors
from devstore.graphql.context import Context, Loader
from devstore.graphql.execution import PlanningExecutor
from devstore.knobs import happens
from devstore.shops import Shop

OLDEST_VERSION = "2026-01"
VERSIONS = frozenset({"2026-01", "2026-04", "2026-07", "2026-10", "2027-01", "unstable"})


@dataclass
class Answer:
    """A GraphQL answer and what the call log says about it. `created` names what a mutation made, None for a query."""

    body: dict[str, Any]
    operation: str | None = None
    query: str | None = None
    requested: int | None = None
    actual: int | None = None
    created: list[str] | None = None


def served_version(asked: str) -> str:
    """A version that is gone is answered by the oldest one there is."""
    return asked if asked in VERSIONS else OLDEST_VERSION


class AdminApi:
    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self._buckets: dict[int, cost.Bucket] = {}
        self._checked = functools.lru_cache(256)(self._check)

    def answer(self, shop: Shop, version: str, scopes: frozenset[str], offline: bool, payload: Any) -> Answer:
        """Execute a request body `{"query", "variables", "operationName"}`. Errors are part of the answer."""
        query, variables, name = payload["query"], payload.get("variables") or {}, payload.get("operationName")
        document, problems = self._checked(query)
        if document is None or problems:
            return Answer({"errors": problems}, query=query)
        operation = get_operation_ast(document, name)
        if operation is None:
            return Answer({"errors": [{"message": "An operation name is required"}]}, query=query)
        answer = Answer({}, operation.name.value if operation.name else None, query)
        answer.requested = cost.Estimate(self.schema, document, dict(variables)).operation(operation)
        if answer.requested > cost.MAX_COST:
            answer.body = {"errors": [errors.too_dear(answer.requested, cost.MAX_COST)]}
            return answer
        bucket = self._bucket(shop)
        if happens(shop.knobs.throttle) or not bucket.take(answer.requested):
            answer.body = {"errors": [errors.throttled()], "extensions": self._cost_block(answer, bucket)}
            return answer
        loader = Loader(shop, shop.database.connection(), 0)
        context = Context(shop, scopes, loader, version, offline, withheld=happens(shop.knobs.withheld))
        if operation.operation is OperationType.QUERY:
            context.loader.stale = shop.knobs.stale
            with shop.database.read():  # one snapshot; a mutation takes its own write transactions
                answer.body = self._run(context, document, operation, variables)
        else:
            answer.body = self._run(context, document, operation, variables)
            answer.created = context.created
        answer.actual = min(answer.requested, cost.actual_of(operation, answer.body.get("data")))
        bucket.give_back(answer.requested - answer.actual)
        answer.body["extensions"] = self._cost_block(answer, bucket)
        return answer

    def _run(
        self, context: Context, document: DocumentNode, operation: OperationDefinitionNode, variables: dict[str, Any]
    ) -> dict[str, Any]:
        result = execute_sync(
            self.schema,
            document,
            context_value=context,
            variable_values=variables,
            operation_name=operation.name.value if operation.name else None,
            executor_class=PlanningExecutor,
        )
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = [error.formatted for error in result.errors]
        return body

    def _check(self, query: str) -> tuple[DocumentNode | None, list[Any]]:
        """Parse and validate a text; remembered, since an app sends few different ones."""
        try:
            document = parse(query)
        except GraphQLError as error:
            return None, [error.formatted]
        return document, [error.formatted for error in validate(self.schema, document)]

    def _bucket(self, shop: Shop) -> cost.Bucket:
        plan = shop.document["plan"]
        bucket = self._buckets.get(shop.id)
        if bucket is None or bucket.plan != plan:
            bucket = self._buckets[shop.id] = cost.Bucket(plan)
        return bucket

    def _cost_block(self, answer: Answer, bucket: cost.Bucket) -> dict[str, Any]:
        return {
            "cost": {
                "requestedQueryCost": answer.requested,
                "actualQueryCost": answer.actual,
                "throttleStatus": bucket.status(),
            }
        }
