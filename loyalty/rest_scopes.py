"""What a key of the merchant REST API may be allowed to do with points and the programme."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from retention_app.api.scopes import scope_register

POINTS_READ = "points:read"
POINTS_WRITE = "points:write"
PROGRAMME_READ = "programme:read"


def scopes_register() -> None:
    """Tell the kernel, when our app is ready."""
    scope_register(POINTS_READ, gettext_lazy("Read points: balances, tiers, what was earned and why"))
    scope_register(POINTS_WRITE, gettext_lazy("Give points to customers and take them, within your team's limits"))
    scope_register(PROGRAMME_READ, gettext_lazy("Read your programme's rules, those in force and earlier ones"))
