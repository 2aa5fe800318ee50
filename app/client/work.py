"""`taskpulse work`: claims tasks and runs a command for each."""

import asyncio
import contextlib
import signal
import uuid
from collections.abc import Sequence
from typing import Any

from app.client.api import Api, AwayError, RefusedError, say
from app.client.child import verdict
from app.client.heartbeat import Work

WAIT_S = 20


class Worker:
    """Claims one task after the other until it is told to stop."""

    def __init__(self, api: Api, name: str, labels: Sequence[str], ttl_s: int, command: Sequence[str]) -> None:
        self._api = api
        self._claim = {"worker": name, "ttl_s": ttl_s, "labels": list(labels)}
        self._command = command
        self._stopping = asyncio.Event()
        self._work: Work | None = None

    def stop(self) -> None:
        """Claim no more and finish the task at hand; the second time, end the command and give the task back."""
        if not self._stopping.is_set():
            say("draining: finishing the task at hand" if self._work else "stopping")
            self._stopping.set()
        elif self._work is not None:
            self._work.give_up()

    async def run(self) -> None:
        """Work until stopped.

        Raises RefusedError when the API refuses a claim, as the key or the labels are wrong, and OSError when the
        command cannot be started.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        say("waiting for tasks")
        while not self._stopping.is_set():
            for claimed in await self._claim_one():
                await self._do(claimed)

    async def _do(self, claimed: dict[str, Any]) -> None:
        self._work = Work(self._api, claimed, self._command)
        say(f"task {self._work.id}: {claimed['task']['title']}")
        try:
            status = await self._work.run()
        except OSError as error:
            say(f"task {self._work.id}: the command cannot be started ({error}); giving the task back")
            self._work.give_up()
            await self._work.report(1)
            raise
        say(f"task {self._work.id}: {verdict(status)}")
        await self._work.report(status)
        self._work = None

    async def _claim_one(self) -> list[dict[str, Any]]:
        """Wait for a task; an answer that gets lost is fetched again by its Idempotency-Key."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        asking = asyncio.create_task(self._ask(key | {"Prefer": f"wait={WAIT_S}"}))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if asking.done():
            return asking.result()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        # The claim may have been granted just now: whatever it got goes back.
        with contextlib.suppress(AwayError, RefusedError):
            for claimed in await self._ask(key, patience_s=2):
                work = Work(self._api, claimed, self._command)
                work.give_up()
                await work.report(0)
        return []

    async def _ask(self, headers: dict[str, str], patience_s: float = float("inf")) -> list[dict[str, Any]]:
        answer = await self._api.call(
            "POST", "tasks/claim", json=self._claim, headers=headers, wait_s=WAIT_S, patience_s=patience_s
        )
        return answer["items"] if answer else []


async def work(url: str, key: str, name: str, command: Sequence[str], *, labels: Sequence[str], ttl_s: int) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Raises RefusedError, OSError.
    """
    async with Api(url, key) as api:
        await Worker(api, name, labels, ttl_s, command).run()
