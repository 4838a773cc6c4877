"""What can go wrong between us and the platform, by what a caller can do about it. Messages carry no personal data."""

from __future__ import annotations

from collections.abc import Sequence

CLOSED_STATUSES = {402: "frozen", 403: "forbidden", 404: "unknown", 423: "locked"}  # HTTP answers for a whole shop


class ShopifyError(Exception):
    """Anything the platform refused or failed to do. Raised itself for a business rule it named."""


class TransientError(ShopifyError):
    """The platform or the way to it failed for now: try again later."""


class Throttled(TransientError):
    """The shop's cost budget is used up for longer than a caller may wait."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"The platform asks us to wait {wait_seconds:.1f} s.")
        self.wait_seconds = wait_seconds


class ShopClosed(ShopifyError):
    """Nothing can be done for the shop until somebody there does something: its work waits, nothing has failed."""


class Unauthorized(ShopClosed):
    """No token opens the shop: somebody of the shop must open the app again."""


class AppRefused(Unauthorized):
    """The platform refuses our client id and secret: a mistake of ours, which nobody in the shop can mend."""


class StaleIdToken(ShopifyError):
    """The platform no longer takes this ID token: the browser must fetch a fresh one."""


class GrantRefused(ShopifyError):
    """The platform takes this code of an authorization grant not, or not again: the merchant must approve anew."""


class ShopUnavailable(ShopClosed):
    """The app is uninstalled, or the shop is frozen, locked or gone."""


class AccessDenied(ShopifyError):
    """A scope or an approval for protected data is missing; trying again changes nothing."""


class ScopesMissing(AccessDenied, ShopClosed):
    """The shop hasn't granted what the call needs: somebody there must approve it."""

    def __init__(self, scopes: Sequence[str]) -> None:
        super().__init__(f"The shop hasn't granted {', '.join(scopes)}.")


class QueryRefused(ShopifyError):
    """The platform can't run this query: a mistake of ours."""


class QueryTooCostly(QueryRefused):
    """The query may ask for more than one query is allowed to: ask for less at a time."""


class FileUnavailable(ShopifyError):
    """A bulk result can't be read: its link ran out, or points where no result may lie."""


class UnreadableAnswer(ShopifyError):
    """The platform answered in a shape or with an amount we can't take exactly."""
