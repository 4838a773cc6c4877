"""Celery wakes workers; what there is to do stands in the tables."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

from config.schedule import SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

TRANSPORT_ALIASES["filesystem"] = "config.broker:Transport"
TRANSPORT_ALIASES["redis"] = "config.broker:RedisTransport"
app = Celery("encore")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = SCHEDULE
app.autodiscover_tasks()
