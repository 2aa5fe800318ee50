"""`taskpulse run`: runs a script of cron under a task, so that a missing run is noticed."""

import asyncio
import hashlib
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.client.api import Api, AwayError, RefusedError, say
from app.client.child import Child
from app.client.heartbeat import Work

PATIENCE_S = 20.0
"""Seconds for the API to answer before the script starts without a heartbeat."""
TTL_S = 60
STILL_RUNNING = 75
"""Exit status EX_TEMPFAIL of sysexits.h: the previous run has not ended, so this one was not started."""
MAX_LABEL = 50


class StillRunningError(Exception):
    """The previous run has not ended."""


def label_of(title: str) -> str:
    """Return the label by which the tasks of one script are found."""
    label = f"run:{title}"
    if len(label) <= MAX_LABEL:
        return label
    digest = hashlib.sha256(title.encode()).hexdigest()[:12]
    return f"{label[: MAX_LABEL - 13]}-{digest}"


class Heartbeat:
    """The tasks of one script: today's, and the next one, which becomes overdue if the script never starts again."""

    def __init__(self, api: Api, title: str, every: timedelta, grace: timedelta, worker: str) -> None:
        self._api = api
        self._title = title
        self._grace = grace
        self._period = every + grace
        self._worker = worker

    async def begin(self) -> dict[str, Any]:
        """Claim today's task, or one made for it, and make the next; return the claim.

        Raises StillRunningError, AwayError, RefusedError.
        """
        started = datetime.now(UTC)
        unfinished = await self._unfinished()
        waiting = [task for task in unfinished if task["status"] == "open"]
        if len(waiting) < len(unfinished):
            raise StillRunningError
        task = waiting[0] if waiting else await self._make_first(started)
        body = {"worker": self._worker, "ttl_s": TTL_S}
        try:
            claimed: dict[str, Any] = await self._call("POST", f"tasks/{task['id']}/claim", json=body)
        except RefusedError as error:
            if error.problem == "task-claimed":
                raise StillRunningError from None
            raise
        if len(waiting) < 2:
            await self._make(started + self._period, f"after-{task['id']}")
        return claimed

    async def _unfinished(self) -> list[dict[str, Any]]:
        """Return the tasks of this script that are open or in progress, but those whose worker is gone."""
        params = {"label": label_of(self._title), "status": ["open", "in_progress"], "limit": 200}
        tasks: list[dict[str, Any]] = []
        cursor: dict[str, str] | None = {}
        while cursor is not None:
            page = await self._call("GET", "tasks", params={**params, **cursor})
            tasks += page["items"]
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        tasks.sort(key=lambda task: str(task["due_at"]))
        return [task for task in tasks if task["status"] == "open" or await self._is_alive(task["id"])]

    async def _is_alive(self, task_id: str) -> bool:
        try:
            lease = await self._call("GET", f"tasks/{task_id}/lease")
        except RefusedError:
            return False
        return bool(lease["state"] == "live")

    async def _make_first(self, started: datetime) -> dict[str, Any]:
        """Make a task that is the same for all that start within this minute, so that only one of them gets it."""
        minute = started.replace(second=0, microsecond=0)
        digest = hashlib.sha256(self._title.encode()).hexdigest()
        return await self._make(minute + timedelta(minutes=1) + self._grace, f"first-{digest}-{minute.timestamp():.0f}")

    async def _make(self, due_at: datetime, key: str) -> dict[str, Any]:
        task = {
            "title": self._title,
            "labels": [label_of(self._title)],
            "due_at": due_at.isoformat(timespec="seconds"),
            "max_attempts": 1,
        }
        made: dict[str, Any] = await self._call("POST", "tasks", json=task, headers={"Idempotency-Key": key})
        return made

    async def _call(self, method: str, path: str, **parts: Any) -> Any:
        return await self._api.call(method, path, patience_s=PATIENCE_S, **parts)


async def run(
    url: str, key: str, worker: str, command: Sequence[str], *, title: str, every: timedelta, grace: timedelta
) -> int:
    """Run the script under its task and return its exit status, or 75 where the run before has not ended.

    The script runs whatever the API says: without an answer it runs without a heartbeat, and its task becomes overdue.
    Raises OSError when the script cannot be started.
    """
    loop = asyncio.get_running_loop()
    async with Api(url, key) as api:
        try:
            claimed = await Heartbeat(api, title, every, grace, worker).begin()
        except StillRunningError:
            say(f"{title}: the run before has not ended; not started")
            return STILL_RUNNING
        except (AwayError, RefusedError) as error:
            say(f"{title}: running without a heartbeat, as the API said {error}")
            child = await Child.start(command, b"")
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, child.terminate)
            return await child.wait()
        work = Work(api, claimed, command)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, work.terminate)
        status = await work.run(quiet_after_s=grace.total_seconds())
        await work.report(status)
        return status
