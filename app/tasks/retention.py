"""Deletes finished tasks once they are older than KEEP_FINISHED_DAYS; their history stays for HISTORY_DAYS more."""

import asyncio
import logging

from prometheus_client import Counter

from app.postgres.notifications import Notifier
from app.postgres.pool import Database
from app.postgres.statements import sql

log = logging.getLogger(__name__)

DELETE_EVERY_S = 60
BITE = 200
"""Tasks that one statement deletes: their locks last for some milliseconds."""
PAUSE_S = 0.2
"""Seconds between two statements: time for requests, and for those who follow the events of the deletions."""
TURN = 0x6B656570
"""Key of the advisory lock that a process holds while a statement deletes."""

DELETE_OLD = sql("tasks/delete_old_tasks")

DELETED = Counter(
    "taskpulse_finished_tasks_deleted_total",
    "Finished tasks that this process deleted, as they were older than KEEP_FINISHED_DAYS.",
)


async def delete_old_tasks(database: Database, notifier: Notifier, days: float) -> None:
    """Delete every task that was finished more than `days` ago, BITE at a time, and tell who follows events.

    Returns at once while another process does so. A task that somebody has locked is left for the next time.
    Raises psycopg.OperationalError.
    """
    deleted = 0
    while bite := await database.fetch(DELETE_OLD, {"turn": TURN, "days": days, "bite": BITE}):
        deleted += len(bite)
        DELETED.inc(len(bite))
        notifier.notify_change()
        await asyncio.sleep(PAUSE_S)
    if deleted:
        log.info("deleted %s tasks that were finished more than %s days ago", deleted, days)
