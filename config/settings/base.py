"""Every setting, with a default that runs on the demo's embedded database. Other modules only override."""

import os

from config.env import ROOT, VAR, choice, database, days, encryption_keys, env, redis_url, secret, url

if os.environ.get("DJANGO_SETTINGS_MODULE") == __name__ and (VAR / "demo.env").exists():
    env.read_env(str(VAR / "demo.env"), recurse=False)

PRODUCTION = False
DEBUG = False

_UNSAFE_KEY = "demo-only-not-a-secret"
_UNSAFE_FERNET_KEY = "ZGVtby1vbmx5LW5vdC1hLXNlY3JldC0wMTIzNDU2Nzg="

SECRET_KEY = secret("SECRET_KEY", _UNSAFE_KEY)
FIELD_ENCRYPTION_KEYS = encryption_keys("FIELD_ENCRYPTION_KEYS", _UNSAFE_FERNET_KEY)
APP_URL = url("APP_URL", "http://localhost:8000")

# --- privacy ----------------------------------------------------------------------------------------------------------
PRIVACY_PEPPER = env.str("PRIVACY_PEPPER", "") or SECRET_KEY  # erased customers are recognised by it: it never changes
RETENTION_DAYS = days("RETENTION_DAYS", 14)  # raw deliveries and failed tries live that long

# --- platform ---------------------------------------------------------------------------------------------------------
SHOPIFY_API_KEY = secret("SHOPIFY_API_KEY", "demo-client-id")
SHOPIFY_API_SECRET = secret("SHOPIFY_API_SECRET", "demo-client-secret")
SHOPIFY_API_SECRET_OLD = env.str("SHOPIFY_API_SECRET_OLD", "")
SHOPIFY_API_VERSION = env.str("SHOPIFY_API_VERSION", "2026-10")
SHOPIFY_SCOPES = env.list(
    "SHOPIFY_SCOPES",
    [
        "read_customers",
        "read_orders",
        "read_all_orders",
        "read_products",
        "read_discounts",
        "write_discounts",
        "read_themes",
        "write_script_tags",
        "write_app_proxy",
    ],
)
APP_BRIDGE_URL = url("APP_BRIDGE_URL", "https://cdn.shopify.com/shopifycloud/app-bridge.js")
SHOPIFY_DEVSTORE_URL = url("SHOPIFY_DEVSTORE_URL", "http://127.0.0.1:8700") if env("SHOPIFY_DEVSTORE_URL", "") else ""
CLOCK_URL = f"{SHOPIFY_DEVSTORE_URL}/devstore/clock" if SHOPIFY_DEVSTORE_URL else ""  # whose time is followed

# --- Django -----------------------------------------------------------------------------------------------------------
ALLOWED_HOSTS = ["*"]  # the shop comes from signatures, never from the Host header
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "retention_app",  # before allauth: our templates win
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_cotton.apps.SimpleAppConfig",
    "template_partials.apps.SimpleAppConfig",
    "rest_framework",
    "drf_spectacular",
    "csp",
    "django_structlog",
    "loyalty",
]
MIDDLEWARE = [
    "retention_app.observability.RequestMetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "retention_app.operating.door.ConsoleDoor",
    "csp.middleware.CSPMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            # Both wrap the loaders: `page.html#part` on the outside, <c-…> components inside the cache.
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django_cotton.cotton_loader.Loader",
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
            "builtins": [
                "django_cotton.templatetags.cotton",
                "template_partials.templatetags.partials",
                "django.templatetags.i18n",
                "django.templatetags.static",
                "retention_app.templatetags.encore",
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

DATABASES = {"default": database("DATABASE_URL", env.str("DATABASE_URL", "") or "sqlite:///var/encore.sqlite3")}
if env.str("DATABASE_OWNER_URL", ""):
    DATABASES["owner"] = database("DATABASE_OWNER_URL", env.str("DATABASE_OWNER_URL"))
    DATABASES["owner"]["OPTIONS"] = {}

REDIS_URL = redis_url("REDIS_URL")
CACHES = {
    "default": (
        {"BACKEND": "retention_app.shared_memory.SharedMemory", "LOCATION": REDIS_URL}
        if REDIS_URL
        else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    )
}

# --- Celery: messages only wake workers, the tables are the queue (DESIGN 4) ------------------------------------------
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", "") or "filesystem://"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
if CELERY_BROKER_URL == "filesystem://":
    _queue = VAR / "celery"
    for _folder in ("messages", "processed", "control"):
        (_queue / _folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue / "messages"),
        "data_folder_out": str(_queue / "messages"),
        "control_folder": str(_queue / "control"),
        "polling_interval": 0.05,
    }
elif CELERY_BROKER_URL.startswith("redis"):
    # Whoever wakes a worker doesn't wait for a broker that is gone without a word.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 10, "socket_keepalive": True}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False  # a wake-up may be lost, and a worker that loses its broker owes it nothing
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]

# --- languages --------------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("zh-hans", "简体中文"),
    ("zh-hant", "繁體中文"),
    ("pt-br", "Português (Brasil)"),
    ("es", "Español"),
]
LOCALE_PATHS = [ROOT / "locale"]
LANGUAGE_COOKIE_NAME = "encore_language"

# --- static files -----------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"  # collectstatic fills it where a front server serves it
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [ROOT / "static"]
WHITENOISE_USE_FINDERS = True

# --- security ---------------------------------------------------------------------------------------------------------
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 20 * 1024 * 1024  # the largest webhook body; above it 413
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# --- operators' own site ----------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "retention_app.accounts.OperatorAccounts"
ACCOUNT_SESSION_REMEMBER = False  # the session ends with the browser
SESSION_COOKIE_AGE = 12 * 3600  # seconds: and after a working day at the latest
MFA_ADAPTER = "retention_app.accounts.SecondFactors"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Encore"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # nobody signs up, so there is no address to prove
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/console/login/"
LOGIN_REDIRECT_URL = "/console/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/console/login/"
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Encore",
    "VERSION": "1",
    "DESCRIPTION": "What a store knows of its customers' points, for the merchant's own programs.",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["retention_app.api.schema.only_the_api"],
    "ENUM_NAME_OVERRIDES": {"CountedBy": "loyalty.rest_serializers.COUNTED_BY"},
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# --- observability ----------------------------------------------------------------------------------------------------
LOG_FORMAT = choice("LOG_FORMAT", "json", "console")
LOGGING_CONFIG = "retention_app.observability.logging_configure"
LOGGING = {"format": LOG_FORMAT}
