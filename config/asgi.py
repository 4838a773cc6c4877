"""The ASGI application: Django behind a limit on bodies, and the intake in front of it."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

_django = get_asgi_application()

from django.conf import settings  # noqa: E402

from retention_app.body_limit import body_limit  # noqa: E402
from retention_app.receiving.application import WebhookReceiver, in_front_of  # noqa: E402

RECEIVERS = {"/webhooks/shopify": WebhookReceiver()}

application = in_front_of(body_limit(_django, settings.DATA_UPLOAD_MAX_MEMORY_SIZE), RECEIVERS)
