from django.apps import AppConfig


class LoyaltyConfig(AppConfig):
    name = "loyalty"
    verbose_name = "Loyalty"

    def ready(self) -> None:
        from django.utils.translation import gettext_lazy as _

        from loyalty import consumers, rest_points, rest_programme  # noqa: F401
        from loyalty.privacy import LoyaltyPrivacy
        from loyalty.screens import LoyaltyScreens
        from loyalty.selectors import points_issued
        from loyalty.spending_codes import SpendingCode, SpendingCodeEnd
        from retention_app import outbound, screens
        from retention_app.api.scopes import scope_register
        from retention_app.privacy import engines
        from retention_app.statistics import register_stat

        register_stat("points_issued", points_issued)
        screens.engine_register(LoyaltyScreens())
        engines.engine_register(LoyaltyPrivacy())
        scope_register(rest_points.READ, _("Read points: balances, tiers, what was earned and why"))
        scope_register(rest_points.WRITE, _("Give points to customers and take them, within your team's limits"))
        scope_register(rest_programme.READ, _("Read your programme's rules, those in force and earlier ones"))
        for kind in (SpendingCode(), SpendingCodeEnd()):
            outbound.kind_register(kind)
