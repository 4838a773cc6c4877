"""Which scope a token needs for which part of the schema."""

from typing import Any

from devstore.graphql.errors import access_denied, withheld
from devstore.graphql.fields import Info, Resolver

# The scope that reading objects of a type asks for, wherever they turn up.
READ_SCOPES = {
    "Collection": "read_products",
    "Customer": "read_customers",
    "DiscountCodeNode": "read_discounts",
    "OnlineStoreTheme": "read_themes",
    "Order": "read_orders",
    "Product": "read_products",
    "ProductVariant": "read_products",
    "ScriptTag": "read_script_tags",
}
WRITE_SCOPES = {
    "discountCodeBasicCreate": "write_discounts",
    "discountCodeDeactivate": "write_discounts",
    "scriptTagCreate": "write_script_tags",
    "scriptTagDelete": "write_script_tags",
}
# Fields that say who a customer is; an app without the approval for them gets null.
ADDRESS = {"address1", "address2", "firstName", "lastName", "name", "phone", "zip"}
PROTECTED = {
    "Customer": {"defaultEmailAddress", "defaultPhoneNumber", "email", "firstName", "lastName", "phone"},
    "MailingAddress": ADDRESS,
    "Order": {"email", "phone"},
}


def holds(scopes: frozenset[str], scope: str) -> bool:
    """A write scope includes its read scope."""
    return scope in scopes or scope.replace("read_", "write_", 1) in scopes


def require(info: Info, kind: str, field: str) -> None:
    """Raise ACCESS_DENIED unless the token may read objects of that type."""
    scope = READ_SCOPES.get(kind)
    if scope and not holds(info.context.scopes, scope):
        raise access_denied(field, scope)


def guarded(resolver: Resolver, parent: str, field: str, kind: str) -> Resolver:
    """The resolver of a field of type `kind`, for those who hold the scope it needs, if any."""
    scope = WRITE_SCOPES.get(field) if parent == "Mutation" else READ_SCOPES.get(kind)
    if scope is None:
        return resolver

    def resolve(source: Any, info: Info, **arguments: Any) -> Any:
        if not holds(info.context.scopes, scope):
            raise access_denied(field, scope)
        return resolver(source, info, **arguments)

    return resolve


def protected(resolver: Resolver, parent: str, field: str) -> Resolver:
    """The resolver of a field that may be withheld: then it is null with an error, in a bulk file just null."""
    if field not in PROTECTED.get(parent, ()):
        return resolver

    def resolve(source: Any, info: Info, **arguments: Any) -> Any:
        if not info.context.withheld:
            return resolver(source, info, **arguments)
        if info.context.bulk is None:
            raise withheld(field)
        return None

    return resolve
