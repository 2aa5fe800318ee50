"""A claimed task and its command: sends pulses while it runs, then reports how it ended."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

from app.client.api import Api, AwayError, RefusedError, say
from app.client.child import Child, verdict
from app.client.exact_json import encode

REPORT_PATIENCE_S = 300.0
"""Seconds for which the report is retried; after that the lease expires."""


class Work:
    """A claimed task and the command that does it."""

    def __init__(self, api: Api, claimed: dict[str, Any], command: Sequence[str]) -> None:
        self._api = api
        self._command = command
        self._task = claimed["task"]
        self._lease = claimed["lease"]
        self._child: Child | None = None
        self.lost = False
        """Another worker may have the task: report nothing."""
        self.given_up = False
        """The command was ended early: release the task."""

    @property
    def id(self) -> str:
        """The task's id."""
        return str(self._task["id"])

    async def run(self, quiet_after_s: float = float("inf")) -> int:
        """Run the command and return its exit status; send pulses until it ends, or until `quiet_after_s`.

        Raises OSError when the command cannot be started.
        """
        self._child = await Child.start(self._command, encode(self._task))
        pulsing = asyncio.create_task(self._pulse(quiet_after_s))
        try:
            if self.given_up:
                self._child.terminate()
            return await self._child.wait()
        finally:
            pulsing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pulsing

    def give_up(self) -> None:
        """End the command early, and release the task."""
        self.given_up = True
        if self._child is not None:
            self._child.terminate()

    def terminate(self) -> None:
        """End the command; that counts as its failure."""
        if self._child is not None:
            self._child.terminate()

    async def _pulse(self, quiet_after_s: float) -> None:
        started, every_s = time.monotonic(), self._lease["pulse_every_s"]
        while time.monotonic() - started + every_s <= quiet_after_s:
            await asyncio.sleep(every_s)
            try:
                answer = await self._call("pulse")
            except RefusedError as error:
                if error.problem in {"lease-lost", "not-found"}:
                    say(f"task {self.id}: the lease is lost, ending the command")
                    self.lost = True
                    self.give_up()
                    return
                say(f"task {self.id}: the API refused a pulse ({error})")
                continue
            every_s = answer["pulse_every_s"]
            if answer["cancel_requested"] and not self.given_up:
                say(f"task {self.id}: is to be cancelled, ending the command")
                self.give_up()
        await asyncio.sleep(max(0.0, quiet_after_s - (time.monotonic() - started)))
        say(f"task {self.id}: the command takes too long; no more pulses")

    async def report(self, status: int) -> None:
        """Complete, fail or release the task, as the command ended; a lost lease is left alone."""
        output = self._child.last_lines if self._child else ""
        if self.lost:
            return
        try:
            if self.given_up:
                await self._call("release", patience_s=REPORT_PATIENCE_S)
            elif status == 0:
                result = {"output": output}
                await self._call("complete", patience_s=REPORT_PATIENCE_S, result=result)
            else:
                error = f"{verdict(status)}\n{output}".strip()
                await self._call("fail", patience_s=REPORT_PATIENCE_S, error=error)
        except RefusedError as error:
            say(f"task {self.id}: its end was refused ({error})")
        except AwayError as error:
            say(f"task {self.id}: its end could not be reported ({error})")

    async def _call(self, name: str, patience_s: float = float("inf"), **body: Any) -> Any:
        return await self._api.call(
            "POST", f"tasks/{self.id}/{name}", json={"token": self._lease["token"], **body}, patience_s=patience_s
        )
