"""Production: no default stands in for a secret, and devstore is refused."""

from config.env import env, refuse, secret
from config.settings.base import *  # noqa: F403

PRODUCTION = True

for _name in (
    "SECRET_KEY",
    "FIELD_ENCRYPTION_KEYS",
    "PRIVACY_PEPPER",
    "APP_URL",
    "DATABASE_URL",
    "SHOPIFY_API_KEY",
    "SHOPIFY_API_SECRET",
):
    secret(_name)
if env.str("SHOPIFY_DEVSTORE_URL", ""):
    refuse("SHOPIFY_DEVSTORE_URL is set in production; it would send shops' tokens to a stand-in.")
if not APP_URL.startswith("https://"):  # noqa: F405
    refuse("APP_URL must be https in production.")
if DATABASES["default"]["ENGINE"] != "retention_app.postgresql":  # noqa: F405
    refuse("DATABASE_URL must be PostgreSQL in production.")
if CELERY_BROKER_URL == "filesystem://":  # noqa: F405
    refuse("CELERY_BROKER_URL must be set in production.")

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 31_536_000
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
