"""`taskpulse run`: runs a script of cron under a task, so that a missing run is noticed."""

import asyncio
import contextlib
import hashlib
import signal
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from app.client.answers import RefusedError
from app.client.api import Api, AwayError, SetupError
from app.client.child import Child
from app.client.heartbeat import LAST_TRY_S, Claimed, Work, cancel
from app.client.key import Key
from app.client.output import say
from app.client.schedule import Schedule
from app.client.signals import on_stop

PATIENCE_S = 20.0
"""Seconds for the API to answer before the script starts without a heartbeat."""
REPORT_PATIENCE_S = 300.0
"""Seconds for which the report is tried: cron's next run must not wait for this one."""
TTL_S = 60
CANNOT_START = 126
"""Exit status of a shell for a command that is there and cannot be run (POSIX, section 2.8.2)."""
STILL_RUNNING = 75
"""Exit status EX_TEMPFAIL of sysexits.h: the previous run has not ended, so this one was not started."""
MAX_LABEL = 50
OUT_OF_REACH = timedelta(days=365)
"""How long past its due time a task that waits for its run stays out of other workers' reach: a worker that finished it
instead would end the alert of a run that is missing."""


class StillRunningError(Exception):
    """The previous run has not ended."""


def label_of(title: str) -> str:
    """Return the label by which the tasks of one script are found."""
    label = f"run:{title}"
    if len(label) <= MAX_LABEL:
        return label
    digest = hashlib.sha256(title.encode()).hexdigest()[:12]
    return f"{label[: MAX_LABEL - 13]}-{digest}"


class _Task(msgspec.Struct):
    id: str
    status: str
    due_at: str | None
    run_after: str | None = None


class _Page(msgspec.Struct):
    items: list[_Task]
    next_cursor: str | None


class _LeaseState(msgspec.Struct):
    state: str


@dataclass(frozen=True)
class Expectation:
    """When a script is started, how late a start may be, and how long a run may take."""

    schedule: Schedule
    start_grace: timedelta
    max_runtime: timedelta


class ScriptTasks:
    """The tasks of one script: today's, and the next one, which becomes overdue if the script does not start in time.

    A task is due when its run must have started, and from then on when it must have ended. Until its run claims it, it
    waits (`run_after`), so that no other worker can.
    """

    def __init__(self, api: Api, title: str, expected: Expectation, worker: str) -> None:
        self._api = api
        self._title = title
        self._expected = expected
        self._worker = worker
        self._began = datetime.now(UTC)
        self._claiming: dict[str, Any] | None = None
        self._others: list[_Task] = []

    async def begin(self) -> Claimed:
        """Claim today's task, or one made for it, and return the claim.

        Raises StillRunningError, AwayError, RefusedError.
        """
        unfinished = await self._unfinished()
        waiting = [task for task in unfinished if task.status == "open"]
        if len(waiting) < len(unfinished):
            with contextlib.suppress(AwayError, RefusedError):
                await self._expect_next(waiting, PATIENCE_S)
            raise StillRunningError
        task = waiting[0] if waiting else await self._make_first()
        self._others = waiting[1:]
        self._claiming = {
            "path": f"tasks/{task.id}/claim",
            "json": {"worker": self._worker, "ttl_s": TTL_S},
            "headers": {"Idempotency-Key": str(uuid.uuid4())},
            "answer": Claimed,
        }
        try:
            if task.run_after is not None:
                await self._call("PATCH", f"tasks/{task.id}", answer=_Task, json={"run_after": None})
            claimed: Claimed = await self._call("POST", **self._claiming)
        except RefusedError as error:
            if error.problem == "task-claimed":
                raise StillRunningError from None
            raise
        return claimed

    async def plan(self, task_id: str, fence: int) -> None:
        """Have the next task become overdue when its run is late, and the claimed one when its run takes too long.

        Waits for as long as the API is away. Says what it refuses.
        """
        patience_s = float("inf")
        try:
            if self._others:  # somebody has requeued one
                await self._expect_next(self._others, patience_s)
            else:
                await self._make(self._waiting_until(self._next_due_at()), f"after-{task_id}-{fence}", patience_s)
            due_at = self._now() + self._expected.max_runtime
            await self._change(task_id, {"due_at": due_at.isoformat()}, patience_s)
        except RefusedError as error:
            say(f"{self._title}: nobody will notice if the next run is late, as {error}")

    async def give_back(self) -> None:
        """Release what a claim that was interrupted may have got."""
        if self._claiming is not None:
            asked_at = time.monotonic()
            with contextlib.suppress(AwayError, RefusedError):
                claimed = await self._api.call("POST", **self._claiming, within_s=LAST_TRY_S, patience_s=LAST_TRY_S)
                async with Work(self._api, claimed, TTL_S, (), asked_at=asked_at) as work:
                    work.give_up()

    def _now(self) -> datetime:
        """Return the server's time when this run began, as exactly as it is known by now."""
        return self._api.clock.correct(self._began)

    def _next_due_at(self) -> datetime:
        return self._expected.schedule.next_start(self._now(), self._began) + self._expected.start_grace

    async def _expect_next(self, waiting: list[_Task], patience_s: float) -> None:
        """Have tasks that wait for a run become overdue no sooner than the next one is late."""
        for task in waiting:
            await self._change(task.id, self._waiting_until(self._next_due_at()), patience_s)

    async def _unfinished(self) -> list[_Task]:
        """Return the tasks of this script that are open or in progress, but those whose worker is gone."""
        params = {"label": label_of(self._title), "status": ["open", "in_progress"], "limit": 200}
        tasks, cursor = list[_Task](), dict[str, str]()
        while True:
            page: _Page = await self._call("GET", "tasks", answer=_Page, params={**params, **cursor})
            tasks += page.items
            if page.next_cursor is None:
                break
            cursor = {"cursor": page.next_cursor}
        tasks.sort(key=lambda task: str(task.due_at))
        return [task for task in tasks if task.status == "open" or await self._is_alive(task.id)]

    async def _is_alive(self, task_id: str) -> bool:
        try:
            lease: _LeaseState = await self._call("GET", f"tasks/{task_id}/lease", answer=_LeaseState)
        except RefusedError:
            return False
        return lease.state == "live"

    async def _make_first(self) -> _Task:
        """Make a task that is the same for all that start within this minute, so that only one of them gets it."""
        minute = self._now().replace(second=0, microsecond=0)
        digest = hashlib.sha256(self._title.encode()).hexdigest()
        due_at = minute + timedelta(minutes=1) + self._expected.start_grace
        return await self._make({"due_at": due_at.isoformat()}, f"first-{digest}-{minute.timestamp():.0f}")

    @staticmethod
    def _waiting_until(due_at: datetime) -> dict[str, str]:
        """Return the times of a task that waits for a run that starts until `due_at`."""
        return {"due_at": due_at.isoformat(), "run_after": (due_at + OUT_OF_REACH).isoformat()}

    async def _make(self, times: dict[str, str], key: str, patience_s: float = PATIENCE_S) -> _Task:
        task = {"title": self._title, "labels": [label_of(self._title)], "max_attempts": 1, **times}
        headers = {"Idempotency-Key": key}
        made: _Task = await self._call("POST", "tasks", patience_s, answer=_Task, json=task, headers=headers)
        return made

    async def _change(self, task_id: str, times: dict[str, str], patience_s: float) -> None:
        await self._call("PATCH", f"tasks/{task_id}", patience_s, answer=_Task, json=times)

    async def _call(self, method: str, path: str, patience_s: float = PATIENCE_S, **parts: Any) -> Any:
        return await self._api.call(method, path, patience_s=patience_s, **parts)


class Run:
    """One run of the script, and what a signal does to it."""

    def __init__(self, tasks: ScriptTasks, api: Api, command: Sequence[str], title: str) -> None:
        self._tasks = tasks
        self._api = api
        self._command = command
        self._title = title
        self._stopped: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()
        self._hurried = asyncio.Event()
        self._work: Work | None = None
        self._child: Child | None = None

    def stop(self, number: signal.Signals) -> None:
        """End the script, or do not start it; the second time, stop trying to report how it ended."""
        if not self._stopped.done():
            say(f"{self._title}: ending, because of {number.name}")
            self._stopped.set_result(number)
            if self._work is not None:
                self._work.terminate()
            elif self._child is not None:
                self._child.terminate()
        else:
            self._hurried.set()
            if self._work is not None:
                self._work.hurry()

    async def begin(self) -> tuple[Claimed, float] | None:
        """Claim today's task; return the claim and when it was asked for, or None where a signal came first.

        Raises StillRunningError, AwayError, RefusedError.
        """
        asked_at = time.monotonic()
        beginning = asyncio.create_task(self._tasks.begin())
        first: set[asyncio.Future[Any]] = {beginning, self._stopped}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(beginning)
        if not self._stopped.done():
            return beginning.result(), asked_at
        if not beginning.cancelled():
            beginning.exception()  # whatever it was, the signal goes first
        await self._tasks.give_back()
        return None

    async def with_heartbeat(self, claimed: Claimed, asked_at: float, max_runtime: timedelta) -> int:
        """Run the script under its task, once all is planned or while the API is away; return its exit status.

        Raises OSError when the script cannot be started; its task has failed then.
        """
        async with Work(self._api, claimed, TTL_S, self._command, asked_at=asked_at) as self._work:
            planning = asyncio.create_task(self._tasks.plan(self._work.id, claimed.lease.fence))
            await self._wait_for(planning, self._stopped)
            failure = None
            try:
                status = await self._script(self._work, max_runtime)
            except OSError as error:
                status, failure = CANNOT_START, error
            await self._work.report(status, REPORT_PATIENCE_S)
            hurried = asyncio.create_task(self._hurried.wait())
            await self._wait_for(planning, hurried)
            if not planning.done():
                say(f"{self._title}: nobody will notice if the next run is late, as {self._api.url} did not answer")
            await cancel(planning, hurried)
            if failure is not None:
                raise failure
            return status

    async def _script(self, work: Work, max_runtime: timedelta) -> int:
        if self._stopped.done():
            return -self.stopped_by
        return await work.run(quiet_after_s=max_runtime.total_seconds())

    async def _wait_for(self, planning: asyncio.Task[None], end: asyncio.Future[Any]) -> None:
        first: set[asyncio.Future[Any]] = {planning, end}
        await asyncio.wait(first, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)

    async def without_heartbeat(self) -> int:
        """Run the script; return its exit status."""
        self._child = await Child.start(self._command, b"")
        if self._stopped.done():
            self._child.terminate()
        status = await self._child.wait()
        await self._tasks.give_back()
        return status

    @property
    def stopped_by(self) -> signal.Signals:
        """The signal that came first."""
        return self._stopped.result()


async def alone(command: Sequence[str]) -> int:
    """Run the script where no call can be made, and return its exit status; a signal ends it.

    Raises OSError when it cannot be started.
    """
    child = await Child.start(command, b"")
    on_stop(lambda _: child.terminate())
    return await child.wait()


async def run(url: str, key: Key, worker: str, command: Sequence[str], *, title: str, expected: Expectation) -> int:
    """Run the script under its task and return its exit status, or 75 where the run before has not ended.

    The script runs whatever the API says: without an answer it runs without a heartbeat, and its task becomes overdue.
    The status is negative for a signal that killed it, or that came before it was started.
    Raises OSError when the script cannot be started.
    """
    try:
        client = Api(url, key)
    except SetupError as error:
        say(f"{title}: running without a heartbeat: {url}: {error}")
        return await alone(command)
    async with client as api:
        this = Run(ScriptTasks(api, title, expected, worker), api, command, title)
        on_stop(this.stop)
        try:
            begun = await this.begin()
        except StillRunningError:
            say(f"{title}: the run before has not ended; not started")
            return STILL_RUNNING
        except (AwayError, RefusedError) as error:
            say(f"{title}: running without a heartbeat, as {error}")
            return await this.without_heartbeat()
        if begun is None:
            say(f"{title}: stopped before it was started")
            return -this.stopped_by
        return await this.with_heartbeat(*begun, expected.max_runtime)
