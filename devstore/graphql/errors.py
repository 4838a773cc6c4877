"""Errors in Shopify's words and codes."""

from typing import Any

from graphql import GraphQLError

DOCUMENTATION = "https://shopify.dev/api/usage/response-codes"

PROTECTED_DATA = "https://shopify.dev/docs/apps/launch/protected-customer-data"


def not_played(what: str) -> GraphQLError:
    """A part of the schema that this stand-in has no data for."""
    return GraphQLError(f"devstore has no data for {what}", extensions={"code": "NOT_PLAYED_BY_DEVSTORE"})


def access_denied(field: str, scope: str) -> GraphQLError:
    return GraphQLError(
        f"Access denied for {field} field. Required access: `{scope}` access scope.",
        extensions={
            "code": "ACCESS_DENIED",
            "documentation": DOCUMENTATION,
            "requiredAccess": f"`{scope}` access scope.",
        },
    )


def problem(message: str, *path: str, code: str | None = None) -> dict[str, Any]:
    """An entry of `userErrors`."""
    return {"field": list(path) or None, "message": message, "code": code}


def withheld(field: str) -> GraphQLError:
    """A field of protected customer data that the app is not approved for."""
    return GraphQLError(
        f"This app is not approved to use the {field} field. See {PROTECTED_DATA} for more details.",
        extensions={"code": "ACCESS_DENIED", "documentation": PROTECTED_DATA},
    )


def bad_request(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "BAD_REQUEST"})


def throttled() -> dict[str, Any]:
    return {"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": DOCUMENTATION}}


def too_dear(cost: int, limit: int) -> dict[str, Any]:
    message = f"Query cost is {cost}, which exceeds the single query max cost limit ({limit})."
    return {
        "message": message,
        "extensions": {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": limit, "documentation": DOCUMENTATION},
    }
