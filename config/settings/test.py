"""Tests: fixed secrets, the servers that `make test` started."""

import os

os.environ.update(
    SECRET_KEY="test-secret-key",
    FIELD_ENCRYPTION_KEYS="dGVzdC1vbmx5LW5vdC1hLXNlY3JldC0wMTIzNDU2Nzg=",
    SHOPIFY_API_KEY="test-client-id",
    SHOPIFY_API_SECRET="hush",
    APP_URL="http://localhost:8000",
    APP_BRIDGE_URL="http://127.0.0.1:8700/devstore/app-bridge.js",
    LOG_FORMAT="json",
    CELERY_BROKER_URL="memory://",  # wake-ups go nowhere: tests do the worker's part themselves
)

from config.env import env
from config.settings.base import *  # noqa: F403

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True  # looks a file up when it is asked for: a test's client needn't find them all first
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

_redis = env.str("REDIS_URL", "")
if _redis:
    # A number of each test process's own (whole installations take the low ones): clearing a cache empties all of it.
    _process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    CACHES["default"]["LOCATION"] = REDIS_URL = f"{_redis.rsplit('/', 1)[0]}/{8 + _process}"  # noqa: F405

for _alias in DATABASES.values():  # noqa: F405
    if "pool" in _alias["OPTIONS"]:
        _alias["OPTIONS"] = {}  # a test's database is dropped at its end; a pool would hold it
