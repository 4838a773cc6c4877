"""Celery wakes workers; what there is to do stands in the tables."""

import gc
import os

from celery import Celery
from celery.signals import setup_logging, worker_before_create_process
from kombu.transport import TRANSPORT_ALIASES

from config.schedule import SCHEDULE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")

TRANSPORT_ALIASES["filesystem"] = "config.broker:Transport"
TRANSPORT_ALIASES["redis"] = "config.broker:RedisTransport"
app = Celery("encore")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = SCHEDULE
app.autodiscover_tasks()


@worker_before_create_process.connect
def _modules_keep(**_: object) -> None:
    """What a worker has imported lives as long as it does: its processes share it, and their collections pass it by."""
    gc.freeze()


@setup_logging.connect
def _logging_stays(**_: object) -> None:
    """Django has set it up; without a receiver Celery would set its own level, which leaves out what workers did."""
