"""`taskpulse work`: claims tasks and runs a command for each, several at the same time if asked for."""

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
from app.client.together import Together

WAIT_S = 20
EARLY_S = 1.0
"""Seconds within which an answer without a task did not wait for one: the next claim comes after a pause."""


class Claims(msgspec.Struct):
    """The answer to a claim of any tasks."""

    items: list[Claimed]


class Worker:
    """Claims tasks, and works on several at the same time at most, until it is told to stop."""

    def __init__(
        self,
        api: Api,
        name: str,
        labels: Sequence[str],
        ttl_s: int,
        command: Sequence[str],
        *,
        stop_on_expiry: bool,
        concurrency: int = 1,
    ) -> None:
        self._api = api
        self._claim = {"worker": name, "ttl_s": ttl_s, "labels": list(labels)}
        self._ttl_s = ttl_s
        self._command = command
        self._stop_on_expiry = stop_on_expiry
        self._concurrency = concurrency
        self._together = Together(api) if concurrency > 1 else None
        self._stopping = asyncio.Event()
        self._works: set[Work] = set()
        self._doing: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        """Why a command could not be run; the worker then ends as after a signal."""
        self._left_behind = False

    def stop(self, _number: signal.Signals) -> None:
        """Claim no more and finish the tasks at hand; the second time, end the commands and give the tasks back."""
        if not self._stopping.is_set():
            say(f"draining: finishing {self._at_hand()}" if self._works else "stopping")
            self._stopping.set()
        else:
            for work in self._works:
                work.give_up()
                work.hurry()

    def _at_hand(self) -> str:
        return "the task at hand" if len(self._works) == 1 else f"the {len(self._works)} tasks at hand"

    async def run(self) -> bool:
        """Work until stopped; return False where a lease may be left.

        Raises RefusedError when the API refuses a claim, as the key or the labels are wrong, and OSError when the
        command cannot be started; the tasks at hand are finished first.
        """
        on_stop(self.stop)
        say("waiting for tasks")
        try:
            await self._claim_until_stopped()
        finally:
            while self._doing:
                await asyncio.wait(self._doing)
        if self._failure is not None:
            raise self._failure
        return not self._left_behind

    async def _claim_until_stopped(self) -> None:
        pauses = Backoff()
        while not self._stopping.is_set():
            if len(self._doing) >= self._concurrency:
                await asyncio.wait(self._doing, return_when=asyncio.FIRST_COMPLETED)
                continue
            asked_at = time.monotonic()
            works = await self._claim_some(self._concurrency - len(self._doing))
            for work in works:
                doing = asyncio.create_task(self._do(work))
                self._doing.add(doing)
                doing.add_done_callback(self._done)
            if works or time.monotonic() - asked_at > EARLY_S:
                pauses = Backoff()
            else:
                await self._pause(pauses.next())

    def _done(self, doing: asyncio.Task[None]) -> None:
        self._doing.discard(doing)
        failure = asyncio.CancelledError() if doing.cancelled() else doing.exception()
        if failure is not None:
            self._failure = self._failure or failure
            self._stopping.set()

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
        self._works.add(claimed)
        try:
            async with claimed:
                yield claimed
        finally:
            self._works.discard(claimed)

    async def _claim_some(self, limit: int) -> list[Work]:
        """Wait for tasks; an answer that gets lost is fetched again by its Idempotency-Key."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        asking = asyncio.create_task(self._ask(limit, key | {"Prefer": f"wait={WAIT_S}"}))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(asking, stopping)
        if not asking.cancelled():
            return asking.result()
        await self._give_back(limit, key)
        return []

    async def _give_back(self, limit: int, key: dict[str, str]) -> None:
        """Release what a claim without an answer may have got."""
        try:
            claimed = await self._ask(limit, key, LAST_TRY_S, LAST_TRY_S)
        except (AwayError, RefusedError) as error:
            tasks = "a task" if limit == 1 else f"up to {limit} tasks"
            stays = "stays" if limit == 1 else "stay"
            say(
                f"{tasks} that the API may just have given to this worker {stays} claimed for {self._ttl_s} s ({error})"
            )
            return
        await asyncio.gather(*map(self._release, claimed))

    async def _release(self, claimed: Work) -> None:
        async with self._working(claimed) as work:
            work.give_up()
            self._left_behind |= not await work.report(0)

    async def _ask(
        self,
        limit: int,
        headers: dict[str, str],
        within_s: float = READ_TIMEOUT_S + WAIT_S,
        patience_s: float = float("inf"),
    ) -> list[Work]:
        asked_at, backoff = time.monotonic(), Backoff()
        claims: Claims | None = await self._api.call(
            "POST",
            "tasks/claim",
            answer=Claims | None,
            json=self._claim if limit == 1 else {**self._claim, "limit": limit},
            headers=headers,
            within_s=within_s,
            patience_s=patience_s,
            backoff=backoff,
        )
        works = [
            Work(
                self._api,
                claimed,
                self._ttl_s,
                self._command,
                asked_at=asked_at,
                retried=backoff.used,
                stop_on_expiry=self._stop_on_expiry,
                together=self._together,
            )
            for claimed in (claims.items if claims else [])
        ]
        self._works.update(works)  # at once: a signal is about them from now on
        return works


async def work(
    url: str,
    key: Key,
    name: str,
    command: Sequence[str],
    *,
    labels: Sequence[str],
    ttl_s: int,
    stop_on_expiry: bool,
    concurrency: int,
) -> bool:
    """Run a worker until SIGTERM, SIGINT or SIGHUP; return False where it may have left a lease.

    Raises SetupError, RefusedError, OSError.
    """
    async with Api(url, key) as api:
        worker = Worker(api, name, labels, ttl_s, command, stop_on_expiry=stop_on_expiry, concurrency=concurrency)
        return await worker.run()
