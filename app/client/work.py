"""`taskpulse work`: claims tasks and runs a command for each."""

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import AsyncIterator, Sequence

import msgspec

from app.client.answers import RefusedError
from app.client.api import READ_TIMEOUT_S, Api, AwayError
from app.client.backoff import Backoff
from app.client.child import verdict
from app.client.heartbeat import LAST_TRY_S, Claimed, Work, cancel
from app.client.key import Key
from app.client.output import say
from app.client.signals import on_stop

WAIT_S = 20
EARLY_S = 1.0
"""Seconds within which an answer without a task did not wait for one: the next claim comes after a pause."""


class Claims(msgspec.Struct):
    """The answer to a claim of any tasks."""

    items: list[Claimed]


class Worker:
    """Claims one task after the other until it is told to stop."""

    def __init__(
        self, api: Api, name: str, labels: Sequence[str], ttl_s: int, command: Sequence[str], *, stop_on_expiry: bool
    ) -> None:
        self._api = api
        self._claim = {"worker": name, "ttl_s": ttl_s, "labels": list(labels)}
        self._ttl_s = ttl_s
        self._command = command
        self._stop_on_expiry = stop_on_expiry
        self._stopping = asyncio.Event()
        self._work: Work | None = None
        self._left_behind = False

    def stop(self, _number: signal.Signals) -> None:
        """Claim no more and finish the task at hand; the second time, end the command and give the task back."""
        if not self._stopping.is_set():
            say("draining: finishing the task at hand" if self._work else "stopping")
            self._stopping.set()
        elif self._work is not None:
            self._work.give_up()
            self._work.hurry()

    async def run(self) -> bool:
        """Work until stopped; return False where a lease may be left.

        Raises RefusedError when the API refuses a claim, as the key or the labels are wrong, and OSError when the
        command cannot be started.
        """
        on_stop(self.stop)
        say("waiting for tasks")
        pauses = Backoff()
        while not self._stopping.is_set():
            asked_at = time.monotonic()
            works = await self._claim_one()
            for work in works:
                await self._do(work)
            if works or time.monotonic() - asked_at > EARLY_S:
                pauses = Backoff()
            else:
                await self._pause(pauses.next())
        return not self._left_behind

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _do(self, claimed: Work) -> None:
        async with self._working(claimed) as work:
            say(f"task {work.id}: {work.title}")
            if not await work.is_held():
                self._left_behind |= not await work.report(1)
                return
            try:
                status = await work.run()
            except OSError as error:
                say(f"task {work.id}: the command cannot be started ({error}); giving the task back")
                work.give_up()
                await work.report(1)
                raise
            say(f"task {work.id}: {verdict(status)}")
            self._left_behind |= not await work.report(status)

    @contextlib.asynccontextmanager
    async def _working(self, claimed: Work) -> AsyncIterator[Work]:
        self._work = claimed
        try:
            async with claimed:
                yield claimed
        finally:
            self._work = None

    async def _claim_one(self) -> list[Work]:
        """Wait for a task; an answer that gets lost is fetched again by its Idempotency-Key."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        asking = asyncio.create_task(self._ask(key | {"Prefer": f"wait={WAIT_S}"}))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(asking, stopping)
        if not asking.cancelled():
            return asking.result()
        await self._give_back(key)
        return []

    async def _give_back(self, key: dict[str, str]) -> None:
        """Release what a claim without an answer may have got."""
        try:
            for claimed in await self._ask(key, LAST_TRY_S, LAST_TRY_S):
                async with self._working(claimed) as work:
                    work.give_up()
                    self._left_behind |= not await work.report(0)
        except (AwayError, RefusedError) as error:
            say(f"a task that the API may just have given to this worker stays claimed for {self._ttl_s} s ({error})")

    async def _ask(
        self, headers: dict[str, str], within_s: float = READ_TIMEOUT_S + WAIT_S, patience_s: float = float("inf")
    ) -> list[Work]:
        asked_at, backoff = time.monotonic(), Backoff()
        claims: Claims | None = await self._api.call(
            "POST",
            "tasks/claim",
            answer=Claims | None,
            json=self._claim,
            headers=headers,
            within_s=within_s,
            patience_s=patience_s,
            backoff=backoff,
        )
        return [
            Work(
                self._api,
                claimed,
                self._ttl_s,
                self._command,
                asked_at=asked_at,
                retried=backoff.used,
                stop_on_expiry=self._stop_on_expiry,
            )
            for claimed in (claims.items if claims else [])
        ]


async def work(
    url: str, key: Key, name: str, command: Sequence[str], *, labels: Sequence[str], ttl_s: int, stop_on_expiry: bool
) -> bool:
    """Run a worker until SIGTERM, SIGINT or SIGHUP; return False where it may have left a lease.

    Raises SetupError, RefusedError, OSError.
    """
    async with Api(url, key) as api:
        return await Worker(api, name, labels, ttl_s, command, stop_on_expiry=stop_on_expiry).run()
