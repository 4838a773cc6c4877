"""What can go wrong between us and the platform, by what a caller can do about it. Messages carry no personal data."""

from __future__ import annotations


class ShopifyError(Exception):
    """Anything the platform refused or failed to do. Raised itself for a business rule it named."""


class TransientError(ShopifyError):
    """The platform or the way to it failed for now: try again later."""


class Throttled(TransientError):
    """The shop's cost budget is used up for longer than a caller may wait."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"The platform asks us to wait {wait_seconds:.1f} s.")
        self.wait_seconds = wait_seconds


class Unauthorized(ShopifyError):
    """No token opens the shop: somebody of the shop must open the app again."""


class StaleIdToken(ShopifyError):
    """The platform no longer takes this ID token: the browser must fetch a fresh one."""


class ShopUnavailable(ShopifyError):
    """The app is uninstalled, or the shop is frozen, locked or gone."""


class AccessDenied(ShopifyError):
    """A scope or an approval for protected data is missing; trying again changes nothing."""


class QueryRefused(ShopifyError):
    """The platform can't run this query: a mistake of ours."""


class QueryTooCostly(QueryRefused):
    """The query may ask for more than one query is allowed to: ask for less at a time."""


class FileUnavailable(ShopifyError):
    """A bulk result can't be read: its link ran out, or points where no result may lie."""


class UnreadableAnswer(ShopifyError):
    """The platform answered in a shape or with an amount we can't take exactly."""
