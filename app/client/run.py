"""`taskpulse run`: runs a script of cron under a task, so that a missing run is noticed."""

import asyncio
import contextlib
import hashlib
import signal
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.client.api import Api, AwayError, RefusedError, say
from app.client.child import Child
from app.client.heartbeat import Work
from app.client.schedule import Schedule

PATIENCE_S = 20.0
"""Seconds for the API to answer before the script starts without a heartbeat."""
TTL_S = 60
CANNOT_START = 126
"""Exit status of a shell for a command that is there and cannot be run (POSIX, section 2.8.2)."""
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


@dataclass(frozen=True)
class Expectation:
    """When a script is started, how late a start may be, and how long a run may take."""

    schedule: Schedule
    start_grace: timedelta
    max_runtime: timedelta


class Heartbeat:
    """The tasks of one script: today's, and the next one, which becomes overdue if the script does not start in time.

    A task is due when its run must have started, and from then on when it must have ended.
    """

    def __init__(self, api: Api, title: str, expected: Expectation, worker: str) -> None:
        self._api = api
        self.title = title
        self._expected = expected
        self._worker = worker
        self._began = datetime.now(UTC)
        self._others: list[dict[str, Any]] = []

    async def begin(self) -> dict[str, Any]:
        """Claim today's task, or one made for it, and return the claim.

        Raises StillRunningError, AwayError, RefusedError.
        """
        unfinished = await self._unfinished()
        waiting = [task for task in unfinished if task["status"] == "open"]
        if len(waiting) < len(unfinished):
            with contextlib.suppress(AwayError, RefusedError):
                await self._expect_next(waiting, PATIENCE_S)
            raise StillRunningError
        task = waiting[0] if waiting else await self._make_first()
        self._others = waiting[1:]
        body, key = {"worker": self._worker, "ttl_s": TTL_S}, {"Idempotency-Key": str(uuid.uuid4())}
        try:
            claimed: dict[str, Any] = await self._call("POST", f"tasks/{task['id']}/claim", json=body, headers=key)
        except RefusedError as error:
            if error.problem == "task-claimed":
                raise StillRunningError from None
            raise
        return claimed

    async def plan(self, claimed: dict[str, Any]) -> None:
        """Have the next task become overdue when its run is late, and the claimed one when its run takes too long.

        Waits for as long as the API is away. Raises RefusedError.
        """
        task_id, patience_s = claimed["task"]["id"], float("inf")
        if self._others:  # somebody has requeued one
            await self._expect_next(self._others, patience_s)
        else:
            await self._make(self._next_due_at(), f"after-{task_id}-{claimed['lease']['fence']}", patience_s)
        await self._set_due(task_id, self._now() + self._expected.max_runtime, patience_s)

    def _now(self) -> datetime:
        """Return the server's time when this run began, as exactly as it is known by now."""
        return self._api.clock.correct(self._began)

    def _next_due_at(self) -> datetime:
        return self._expected.schedule.next_start(self._now(), self._began) + self._expected.start_grace

    async def _expect_next(self, waiting: list[dict[str, Any]], patience_s: float) -> None:
        """Have tasks that wait for a run become overdue no sooner than the next one is late."""
        for task in waiting:
            await self._set_due(task["id"], self._next_due_at(), patience_s)

    async def _unfinished(self) -> list[dict[str, Any]]:
        """Return the tasks of this script that are open or in progress, but those whose worker is gone."""
        params = {"label": label_of(self.title), "status": ["open", "in_progress"], "limit": 200}
        page = await self._call("GET", "tasks", params=params)
        tasks: list[dict[str, Any]] = sorted(page["items"], key=lambda task: str(task["due_at"]))
        return [task for task in tasks if task["status"] == "open" or await self._is_alive(task["id"])]

    async def _is_alive(self, task_id: str) -> bool:
        try:
            lease = await self._call("GET", f"tasks/{task_id}/lease")
        except RefusedError:
            return False
        return bool(lease["state"] == "live")

    async def _make_first(self) -> dict[str, Any]:
        """Make a task that is the same for all that start within this minute, so that only one of them gets it."""
        minute = self._now().replace(second=0, microsecond=0)
        digest = hashlib.sha256(self.title.encode()).hexdigest()
        due_at = minute + timedelta(minutes=1) + self._expected.start_grace
        return await self._make(due_at, f"first-{digest}-{minute.timestamp():.0f}")

    async def _make(self, due_at: datetime, key: str, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        task = {
            "title": self.title,
            "labels": [label_of(self.title)],
            "due_at": due_at.isoformat(),
            "max_attempts": 1,
        }
        headers = {"Idempotency-Key": key}
        made: dict[str, Any] = await self._call("POST", "tasks", patience_s, json=task, headers=headers)
        return made

    async def _set_due(self, task_id: str, due_at: datetime, patience_s: float) -> None:
        body = {"due_at": due_at.isoformat()}
        await self._call("PATCH", f"tasks/{task_id}", patience_s, json=body)

    async def _call(self, method: str, path: str, patience_s: float = PATIENCE_S, **parts: Any) -> Any:
        return await self._api.call(method, path, patience_s=patience_s, **parts)


async def run(url: str, key: str, worker: str, command: Sequence[str], *, title: str, expected: Expectation) -> int:
    """Run the script under its task and return its exit status, or 75 where the run before has not ended.

    The script runs whatever the API says: without an answer it runs without a heartbeat, and its task becomes overdue.
    Raises OSError when the script cannot be started.
    """
    async with Api(url, key) as api:
        heartbeat = Heartbeat(api, title, expected, worker)
        try:
            claimed = await heartbeat.begin()
        except StillRunningError:
            say(f"{title}: the run before has not ended; not started")
            return STILL_RUNNING
        except (AwayError, RefusedError) as error:
            say(f"{title}: running without a heartbeat, as the API said {error}")
            child = await Child.start(command, b"")
            _at_signals(child.terminate)
            return await child.wait()
        planning = asyncio.create_task(_plan(heartbeat, claimed))
        return await _work(Work(api, claimed, command), planning, expected.max_runtime)


async def _work(work: Work, planning: asyncio.Task[None], max_runtime: timedelta) -> int:
    """Run the script once all is planned, or while the API is away, and report how it ended."""
    ended = asyncio.Event()

    def end() -> None:
        ended.set()
        work.terminate()

    _at_signals(end)
    await asyncio.wait({planning}, timeout=PATIENCE_S)
    failure = None
    try:
        status = -signal.SIGTERM if ended.is_set() else await work.run(quiet_after_s=max_runtime.total_seconds())
    except OSError as error:
        status, failure = CANNOT_START, error
    await work.report(status)
    if (await asyncio.wait({planning}, timeout=PATIENCE_S))[1]:
        planning.cancel()
        say("nobody will notice if the next run is late, as the API did not answer")
    if failure is not None:
        raise failure
    return status


async def _plan(heartbeat: Heartbeat, claimed: dict[str, Any]) -> None:
    try:
        await heartbeat.plan(claimed)
    except RefusedError as error:
        say(f"{heartbeat.title}: nobody will notice if the next run is late, as the API said {error}")


def _at_signals(end: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
