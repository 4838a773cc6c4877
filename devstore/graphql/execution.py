"""graphql-core's executor with a shorter way through selections that go well.

Below the root, the fields of a selection are the same for every object of a list, so what to do with each (resolver,
arguments, completion) is worked out once per selection and type. When anything at all goes wrong in there, the
selection is executed again by graphql-core's own code, which knows about error paths and null propagation. Resolvers
below the root only read, so that is safe."""

from collections.abc import Callable, Sequence
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLEnumType,
    GraphQLError,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution.executor import Executor, to_nodes
from graphql.execution.values import get_argument_values

Run = Callable[[Any], Any]


class PlanningExecutor(Executor[None]):
    """`execute_sync(..., executor_class=PlanningExecutor)`. One executor serves one execution."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plans: dict[int, Run] = {}

    def execute_collected_subfields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Any,
        grouped_field_set: Any,
        new_defer_usages: Sequence[Any],
        position_context: None,
    ) -> Any:
        try:
            return self._plan(parent_type, grouped_field_set)(source_value)
        except Exception:
            # Whatever it is, graphql-core raises it again below and says where it belongs.
            return super().execute_collected_subfields(
                parent_type, source_value, path, grouped_field_set, new_defer_usages, position_context
            )

    def _plan(self, parent_type: GraphQLObjectType, grouped_field_set: Any) -> Run:
        # Collected field sets are memoised by graphql-core for the whole execution, so their identity is a safe key.
        plan = self._plans.get(id(grouped_field_set))
        if plan is None:
            plan = self._plans[id(grouped_field_set)] = self._make_plan(parent_type, grouped_field_set)
        return plan

    def _make_plan(self, parent_type: GraphQLObjectType, grouped_field_set: Any) -> Run:
        steps: list[tuple[str, Callable[..., Any], Any, dict[str, Any], Run]] = []
        for name, details in grouped_field_set.items():
            node = details[0].node
            field = self.schema.get_field(parent_type, node.name.value)
            if field is None:
                raise GraphQLError(f"{parent_type.name} has no field {node.name.value}")
            arguments = (
                get_argument_values(field, node, self.variable_values, details[0].fragment_variable_values)
                if field.args
                else {}
            )
            info = self.build_resolve_info(field, to_nodes(details), parent_type, None)  # type: ignore[arg-type]
            steps.append(
                (name, field.resolve or self.field_resolver, info, arguments, self._completion(field.type, details))
            )

        def run(source: Any) -> dict[str, Any]:
            result = {}
            for name, resolve, info, arguments, complete in steps:
                value = resolve(source, info, **arguments) if arguments else resolve(source, info)
                result[name] = complete(value)
            return result

        return run

    def _completion(self, kind: GraphQLOutputType, details: Any) -> Run:
        """How a resolved value of a type becomes part of the result."""
        if isinstance(kind, GraphQLNonNull):
            return required(self._completion(kind.of_type, details))
        if isinstance(kind, GraphQLList):
            return each_of(self._completion(kind.of_type, details))
        if is_leaf_type(kind):
            return leaf(kind)
        return self._abstract(kind, details) if is_abstract_type(kind) else self._object(kind, details)  # type: ignore[arg-type]

    def _object(self, kind: GraphQLObjectType, details: Any) -> Run:
        plan: Run | None = None

        def run(source: Any) -> Any:
            nonlocal plan
            if source is None:
                return None
            if plan is None:
                plan = self._plan(kind, self.collect_subfields(kind, details).grouped_field_set)
            return plan(source)

        return run

    def _abstract(self, kind: GraphQLAbstractType, details: Any) -> Run:
        plans: dict[str, Run] = {}

        def run(source: Any) -> Any:
            if source is None:
                return None
            name = source["__typename"]
            if name not in plans:
                runtime = self.schema.get_type(name)
                if not isinstance(runtime, GraphQLObjectType) or not self.schema.is_sub_type(kind, runtime):
                    raise GraphQLError(f"{name} is no {kind.name}")
                plans[name] = self._object(runtime, details)
            return plans[name](source)

        return run


def required(complete: Run) -> Run:
    def run(value: Any) -> Any:
        done = complete(value)
        if done is None:
            raise GraphQLError("Cannot return null for a non-nullable field")
        return done

    return run


def each_of(complete: Run) -> Run:
    def run(values: Any) -> Any:
        return None if values is None else [complete(value) for value in values]

    return run


def leaf(kind: GraphQLLeafType) -> Run:
    """Strings are what they are for every scalar but Int, Float and Boolean; anything else is coerced by its type."""
    coerce = kind.coerce_output_value
    texts = isinstance(kind, GraphQLScalarType) and kind.name not in ("Int", "Float", "Boolean")
    values = kind.values.keys() if isinstance(kind, GraphQLEnumType) else frozenset()

    def run(value: Any) -> Any:
        if value is None or (value.__class__ is str and (texts or value in values)):
            return value
        return coerce(value)

    return run
