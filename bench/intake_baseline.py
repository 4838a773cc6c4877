"""What one would write first for webhooks, as a WSGI application: verify, decode, `get_or_create`.

The peer of the intake's benchmark, with persistent connections and no more middleware than every Django project has.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config.env import database

settings.configure(
    SECRET_KEY="bench",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[],
    USE_TZ=True,
    LOGGING_CONFIG=None,
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    DATABASES={
        "default": {
            **database("DATABASE_OWNER_URL", os.environ["DATABASE_OWNER_URL"]),
            "ENGINE": "django.db.backends.postgresql",
            "OPTIONS": {},
            "CONN_MAX_AGE": 60,
        }
    },
)
django.setup()

_SECRET = os.environ["SHOPIFY_API_SECRET"].encode()


class WebhookEvent(models.Model):
    webhook_id = models.CharField(max_length=64, unique=True)
    topic = models.CharField(max_length=64, db_index=True)
    shop_domain = models.CharField(max_length=128, db_index=True)
    payload = models.JSONField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "bench"
        db_table = "bench_webhook"


@csrf_exempt
def receive(request: HttpRequest) -> HttpResponse:
    given = request.headers.get("X-Shopify-Hmac-Sha256", "")
    if not hmac.compare_digest(base64.b64encode(hmac.digest(_SECRET, request.body, hashlib.sha256)).decode(), given):
        return HttpResponse(status=401)
    WebhookEvent.objects.get_or_create(
        webhook_id=request.headers["X-Shopify-Webhook-Id"],
        defaults={
            "topic": request.headers["X-Shopify-Topic"],
            "shop_domain": request.headers["X-Shopify-Shop-Domain"],
            "payload": json.loads(request.body),
        },
    )
    return HttpResponse(status=200)


urlpatterns = [path("webhooks/shopify", receive)]
application = get_wsgi_application()
