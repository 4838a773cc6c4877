from django.apps import AppConfig


class LoyaltyConfig(AppConfig):
    name = "loyalty"
    verbose_name = "Loyalty"

    def ready(self) -> None:
        from loyalty import consumers  # noqa: F401
        from loyalty.privacy import LoyaltyPrivacy
        from loyalty.rest_scopes import scopes_register
        from loyalty.screens import LoyaltyScreens
        from loyalty.selectors import points_issued
        from loyalty.spending_codes import SpendingCode, SpendingCodeEnd
        from retention_app import outbound, screens
        from retention_app.privacy import engines
        from retention_app.statistics import register_stat

        register_stat("points_issued", points_issued)
        screens.engine_register(LoyaltyScreens())
        engines.engine_register(LoyaltyPrivacy())
        scopes_register()
        for kind in (SpendingCode(), SpendingCodeEnd()):
            outbound.kind_register(kind)
