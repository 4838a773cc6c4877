from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RetentionAppConfig(AppConfig):
    name = "retention_app"
    verbose_name = "Encore"

    def ready(self) -> None:
        from retention_app import checks, outbound  # noqa: F401
        from retention_app.offers.codes import DiscountCodeCall
        from retention_app.postgresql.roles import serving_role_grant
        from retention_app.services.storefront import ScriptTag

        for kind in (ScriptTag(), DiscountCodeCall()):
            outbound.kind_register(kind)
        post_migrate.connect(serving_role_grant, sender=self)
