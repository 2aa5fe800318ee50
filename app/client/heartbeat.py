"""A claimed task and its command: sends pulses until the API knows how the command ended."""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from app.client.answers import RefusedError
from app.client.api import Api, AwayError
from app.client.backoff import Backoff
from app.client.child import Child, verdict
from app.client.output import say
from app.client.together import KINDS, Together

LAST_TRY_S = 5.0
"""Seconds for which the report is still tried once the user is in a hurry."""
TOO_LARGE = (400, 413, 422)
"""Statuses with which the API refuses a report for what it holds."""


class Lease(msgspec.Struct):
    """What of a lease a worker needs."""

    token: str
    fence: int
    pulse_every_s: float


class Claimed(msgspec.Struct):
    """A claimed task, as the API sent it, and its lease."""

    task: msgspec.Raw
    lease: Lease


class _Task(msgspec.Struct):
    id: str
    title: str


class _Pulsed(msgspec.Struct):
    pulse_every_s: float
    cancel_requested: bool


class Work:
    """A claimed task and the command that does it; a context manager that leaves no lease behind.

    `asked_at`, on the monotonic clock, is when the task was asked for; `retried` says that an answer got lost since,
    so that the lease may be as old as that. With `together`, it shares its requests with other commands, and marks the
    lines of its command's output with the task.
    """

    def __init__(
        self,
        api: Api,
        claimed: Claimed,
        ttl_s: int,
        command: Sequence[str],
        *,
        asked_at: float,
        retried: bool = False,
        stop_on_expiry: bool = False,
        together: Together | None = None,
    ) -> None:
        self._api = api
        self._together = together
        self._command = command
        self._json = bytes(claimed.task)
        self._token, self._every_s = claimed.lease.token, claimed.lease.pulse_every_s
        self._ttl_s = ttl_s
        self._contact = asked_at if retried else time.monotonic()
        self._sent = asked_at
        self._out_of_contact = False
        self._stop_on_expiry = stop_on_expiry
        self._child: Child | None = None
        self._keeping: list[asyncio.Task[None]] = []
        self._hurried = asyncio.Event()
        self._settled = False
        self._terminated = False
        task = msgspec.json.decode(claimed.task, type=_Task)
        self.id, self.title = task.id, task.title
        self.lost = False
        """Another worker may have the task: report nothing."""
        self.given_up = False
        """The command was ended early: release the task."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._settled:
                self.give_up()
                self.hurry()
                await self.report(await self._child.wait() if self._child else 1)
        finally:
            await cancel(*self._keeping)

    async def is_held(self) -> bool:
        """Return whether the command may start: a lease that may be over is renewed first, and may be lost."""
        if time.monotonic() - self._contact > self._ttl_s / 2:
            pulse = asyncio.create_task(self._send_pulse(float("inf")))
            await self._unless_hurried(pulse)
            if not pulse.cancelled():
                pulse.result()
        return not self.given_up

    async def run(self, quiet_after_s: float = float("inf")) -> int:
        """Run the command and return its exit status; send pulses until `quiet_after_s`, or until it is reported.

        Raises OSError when the command cannot be started.
        """
        mark = f"{self.id} | " if self._together else ""
        self._child = await Child.start(self._command, self._json, mark)
        pulsing = asyncio.create_task(self._pulse(quiet_after_s))
        self._keeping = [pulsing]
        if self._stop_on_expiry:
            self._keeping.append(asyncio.create_task(self._end_on_expiry()))
        if self.given_up or self._terminated:
            self._child.terminate()
        waiting = asyncio.create_task(self._child.wait())
        try:
            going: set[asyncio.Task[Any]] = {waiting, *self._keeping}
            while not waiting.done():
                done, going = await asyncio.wait(going, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # a defect in the pulses ends the work
            return await waiting
        except OSError:
            self._child = None
            raise
        finally:
            await cancel(waiting)

    def give_up(self) -> None:
        """End the command early, and release the task; one that has ended by itself is reported as it ended."""
        if self._child is None or not self._child.ended:
            self.given_up = True
            self.terminate()

    def hurry(self) -> None:
        """Try to report for five more seconds only."""
        self._hurried.set()

    def terminate(self) -> None:
        """End the command; that counts as its failure."""
        self._terminated = True
        if self._child is not None and not self._child.ended:
            self._child.terminate()

    async def _pulse(self, quiet_after_s: float) -> None:
        """Send pulses. Each may take its time, as long as the next ones are sent in time."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as pulses:
            while time.monotonic() - started + self._every_s <= quiet_after_s:
                await self._until_due()
                if self.lost:
                    return
                self._sent = time.monotonic()  # not in the pulse's own task: this loop looks at it before that begins
                pulses.create_task(self._send_pulse(self._every_s))
            await asyncio.sleep(max(0.0, started + quiet_after_s - time.monotonic()))
            say(f"task {self.id}: the command takes too long; no more pulses")

    async def _until_due(self) -> None:
        """Wait until the next pulse is due, or until that of another command is."""
        left_s = self._sent + self._every_s - time.monotonic()
        if self._together:
            await self._together.next_beat(left_s)
        else:
            await asyncio.sleep(left_s)

    async def _send_pulse(self, patience_s: float) -> None:
        """Send a pulse until there is a verdict on it, or until the next one is due."""
        sent = self._sent = time.monotonic()
        try:
            pulsed: _Pulsed = await self._call(
                "pulse", {}, answer=_Pulsed, patience_s=patience_s, backoff=Backoff(self._every_s / 2), quiet=True
            )
        except AwayError as error:
            if not self._out_of_contact:
                say(f"task {self.id}: no pulse gets through ({error}); trying again until one does")
            self._out_of_contact = True
        except RefusedError as error:
            self._refuse_pulse(error)
        else:
            self._contact, self._out_of_contact = max(sent, self._contact), False
            self._every_s = pulsed.pulse_every_s
            if pulsed.cancel_requested and not self.given_up:
                say(f"task {self.id}: is to be cancelled, ending the command")
                self.give_up()

    def _refuse_pulse(self, error: RefusedError) -> None:
        if error.problem not in {"lease-lost", "not-found"}:
            say(f"task {self.id}: the API refused a pulse ({error})")
            return
        if self.lost:  # an earlier pulse that was still under way has said so
            return
        self.lost = True
        if self._child is None or not self._child.ended:
            say(f"task {self.id}: the lease is lost, ending the command")
        self.give_up()

    async def _end_on_expiry(self) -> None:
        while (left_s := self._contact + self._ttl_s - time.monotonic()) > 0:  # noqa: ASYNC110 - pulses move it
            await asyncio.sleep(left_s)
        if self._child is not None and self._child.ended:
            return
        say(f"task {self.id}: the lease has run out without contact to the API, ending the command")
        self.give_up()

    async def report(self, status: int, patience_s: float = float("inf")) -> bool:
        """Complete, fail or release the task, as the command ended; return False where its lease may be left.

        Tries until there is a verdict, or until `patience_s`, or for five seconds once the user is in a hurry. A lost
        lease is left alone.
        """
        decided = self.lost or await self._report_until_decided(status, patience_s)
        self._settled = True
        await cancel(*self._keeping)
        return decided

    async def _report_until_decided(self, status: int, patience_s: float) -> bool:
        output = self._child.last_lines if self._child else ""
        body: dict[str, Any]
        if self.given_up:
            name, body = "release", {}
        elif status == 0:
            name, body = "complete", {"result": {"output": output}}
        else:
            name, body = "fail", {"error": f"{verdict(status)}\n{output}".strip()}
        try:
            try:
                await self._decide(name, patience_s, body)
            except RefusedError as error:
                if error.status not in TOO_LARGE or name == "release":
                    raise
                say(f"task {self.id}: the API refused its output ({error}); leaving that out")
                bare = {"result": None} if name == "complete" else {"error": verdict(status)}
                await self._decide(name, patience_s, bare)
        except RefusedError as error:
            say(f"task {self.id}: its end was refused ({error})")
            return error.problem in {"lease-lost", "task-finished", "not-found"}
        except AwayError as error:
            say(f"task {self.id}: its end could not be reported ({error}); its lease stays until it expires")
            return False
        return True

    async def _decide(self, name: str, patience_s: float, body: dict[str, Any]) -> None:
        trying = asyncio.create_task(self._call(name, body, answer=_Task, patience_s=patience_s))
        await self._unless_hurried(trying)
        if trying.cancelled():
            await self._call(name, body, answer=_Task, within_s=LAST_TRY_S, patience_s=LAST_TRY_S)
        else:
            trying.result()

    async def _unless_hurried(self, task: asyncio.Task[Any]) -> None:
        """Wait until a task has ended, and cancel it as soon as the user is in a hurry."""
        hurried = asyncio.create_task(self._hurried.wait())
        try:
            await asyncio.wait({task, hurried}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(task, hurried)

    async def _call(self, name: str, body: dict[str, Any], **options: Any) -> Any:
        """Make a call for this lease; `options` are those of `Api.call`."""
        body = {"token": self._token, **body}
        if self._together and name in KINDS:
            del options["answer"]
            return await self._together.call(name, {"id": self.id, **body}, **options)
        return await self._api.call("POST", f"tasks/{self.id}/{name}", json=body, **options)


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
