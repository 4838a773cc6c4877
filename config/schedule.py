"""Every periodic job, each with its reason."""

from celery.schedules import crontab, schedule

SCHEDULE = {
    # Finds what a lost wake-up left behind: due deliveries, event runs and imports (DESIGN 4).
    "sweep": {"task": "retention_app.tasks.sweep", "schedule": schedule(60)},
    # Books what time alone changes: points that expire, tiers that fall, debts that can be settled (DESIGN 5).
    "time_passes": {"task": "loyalty.tasks.time_passes", "schedule": schedule(60)},
    # Goes on with points set aside while the platform couldn't be asked; nobody is told when it can be again.
    "holds_look_again": {"task": "loyalty.tasks.holds_look_again", "schedule": crontab(minute=47)},
    # Refreshes tokens of idle shops long before their refresh token's 90 days are over.
    "tokens_keep_alive": {"task": "retention_app.tasks.tokens_keep_alive", "schedule": schedule(12 * 3600)},
    # Opens work for shops that were frozen or closed, where nothing waits that would find out by itself.
    "shops_look_again": {"task": "retention_app.tasks.shops_look_again", "schedule": crontab(minute=37)},
    # Repairs what lost webhooks left behind; off the full hour, when everybody's jobs start.
    "reconcile_changes": {"task": "retention_app.tasks.reconcile_changes", "schedule": crontab(minute=17)},
    # Deletes raw deliveries, failed tries and exports that are too old to keep; at night, off everybody's full hour.
    "retention": {"task": "retention_app.tasks.retention_work", "schedule": crontab(hour=2, minute=23)},
    # Takes away the console's sessions that ran out; nothing else does.
    "sessions_clear": {"task": "retention_app.tasks.sessions_clear", "schedule": crontab(hour=2, minute=53)},
    # Finds what an `updated_at` can't show: deletions. At night, when shops are quiet.
    "reconcile_whole": {"task": "retention_app.tasks.reconcile_whole", "schedule": crontab(hour=3, minute=43)},
}
