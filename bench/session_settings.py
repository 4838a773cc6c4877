"""Settings of the session benchmark's peer: the application's, with persistent connections in place of a pool and no
more middleware than every Django project has."""

from config.settings.base import *  # noqa: F403

ROOT_URLCONF = "bench.session_baseline"
INSTALLED_APPS = [app for app in INSTALLED_APPS if not app.startswith("allauth")]  # noqa: F405
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
]
DATABASES["default"] |= {"OPTIONS": {}, "CONN_MAX_AGE": 60}  # noqa: F405
