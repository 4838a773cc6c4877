from django.apps import AppConfig


class LoyaltyConfig(AppConfig):
    name = "loyalty"
    verbose_name = "Loyalty"

    def ready(self) -> None:
        from loyalty import consumers  # noqa: F401
        from loyalty.screens import LoyaltyScreens
        from loyalty.selectors import points_issued
        from retention_app.screens import engine_register
        from retention_app.statistics import register_stat

        register_stat("points_issued", points_issued)
        engine_register(LoyaltyScreens())
