"""Every periodic job, each with its reason."""

from celery.schedules import schedule

SCHEDULE = {
    # Finds what a lost wake-up left behind: due deliveries, event runs and imports (DESIGN 4).
    "sweep": {"task": "retention_app.tasks.sweep", "schedule": schedule(60)},
    # Refreshes tokens of idle shops long before their refresh token's 90 days are over.
    "tokens_keep_alive": {"task": "retention_app.tasks.tokens_keep_alive", "schedule": schedule(12 * 3600)},
}
