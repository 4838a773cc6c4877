"""The ASGI application: Django behind a limit on bodies, and in front of it the intake and the storefront's read."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

_django = get_asgi_application()

from django.conf import settings  # noqa: E402

from loyalty.session.application import SessionReceiver  # noqa: E402
from retention_app.body_limit import body_limit  # noqa: E402
from retention_app.receiving.application import Receiver, WebhookReceiver, in_front_of  # noqa: E402

RECEIVERS: dict[str, Receiver] = {"/webhooks/shopify": WebhookReceiver(), "/proxy/v1/session": SessionReceiver()}

application = in_front_of(body_limit(_django, settings.DATA_UPLOAD_MAX_MEMORY_SIZE), RECEIVERS)
