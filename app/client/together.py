"""Calls of many commands about their leases, in one request each: what `taskpulse work --concurrency` shares."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from app.client.answers import NoVerdictError, RefusedError
from app.client.api import READ_TIMEOUT_S, Api
from app.client.backoff import Backoff

MOMENT_S = 0.05
"""Calls of the same kind within this time share a request."""
MOST = 100
"""Largest number of calls in a request: their results are far smaller than a body may be."""
KINDS = ("pulse", "complete", "fail")
"""The calls that can be made for many tasks at once."""
OF_THE_KEY = (401, 403)
"""Statuses with which the API refuses a request for its key; it refuses a call for one task alike."""


class Verdict(msgspec.Struct):
    """What came of the call for one task."""

    id: str
    ok: bool
    status: Any
    type: str = ""
    detail: str = ""
    pulse_every_s: float = 0
    cancel_requested: bool = False


class _Verdicts(msgspec.Struct):
    items: list[Verdict]


class _Call(NamedTuple):
    item: dict[str, Any]
    within_s: float
    verdict: asyncio.Future[Verdict]


class Together:
    """Collects calls for a moment and makes them in one request."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._waiting: dict[str, list[_Call]] = {kind: [] for kind in KINDS}
        self._requests: set[asyncio.Task[None]] = set()
        self._beat = asyncio.Event()

    async def next_beat(self, within_s: float) -> None:
        """Return when a pulse is due, after `within_s` at the latest; all others are then sent along with it."""
        beat = self._beat
        try:
            await asyncio.wait_for(beat.wait(), max(0.0, within_s))
        except TimeoutError:
            if beat is self._beat:
                self._beat = asyncio.Event()
                beat.set()

    async def call(
        self,
        kind: str,
        item: dict[str, Any],
        *,
        within_s: float = READ_TIMEOUT_S,
        patience_s: float = float("inf"),
        backoff: Backoff | None = None,
        quiet: bool = False,
    ) -> Verdict:
        """Return the verdict on a call for the task `id` of `item`, tried as `Api.call` does.

        Raises AwayError and RefusedError, as `Api.call` does.
        """
        return await self._api.retry(
            lambda: self._try(kind, item, within_s), patience_s=patience_s, backoff=backoff or Backoff(), quiet=quiet
        )

    async def _try(self, kind: str, item: dict[str, Any], within_s: float) -> Verdict:
        call = _Call(item, within_s, asyncio.get_running_loop().create_future())
        self._waiting[kind].append(call)
        if len(self._waiting[kind]) == 1:
            request = asyncio.create_task(self._send(kind))
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)
        return await call.verdict

    async def _send(self, kind: str) -> None:
        await asyncio.sleep(MOMENT_S)
        calls, self._waiting[kind] = self._waiting[kind], []
        wanted = [call for call in calls if not call.verdict.done()]
        for first in range(0, len(wanted), MOST):
            await self._answer(kind, wanted[first : first + MOST])

    async def _answer(self, kind: str, calls: Sequence[_Call]) -> None:
        try:
            verdicts = await self._request(kind, calls)
        except RefusedError as error:
            if error.status in OF_THE_KEY:
                _raise(calls, error)
            else:  # for one of the items, or by a release that has no such call
                await asyncio.gather(*(self._alone(kind, call) for call in calls))
        except Exception as error:  # noqa: BLE001 - it is raised in the calls
            _raise(calls, error)
        else:
            for call, verdict in zip(calls, verdicts, strict=True):
                if verdict.ok:
                    _resolve(call, verdict)
                else:
                    name = verdict.type.removeprefix("/problems/")
                    _raise(
                        [call], RefusedError(verdict.status, name, verdict.detail, f"{self._api.url}/v1/tasks/{kind}")
                    )

    async def _request(self, kind: str, calls: Sequence[_Call]) -> list[Verdict]:
        """Return the verdicts on calls, in their order.

        Raises NoVerdictError, RefusedError.
        """
        body = {"items": [call.item for call in calls]}
        within_s = min(call.within_s for call in calls)
        answer: _Verdicts = await self._api.once(
            "POST", f"tasks/{kind}", answer=_Verdicts, json=body, within_s=within_s
        )
        if [verdict.id for verdict in answer.items] != [call.item["id"] for call in calls]:
            raise NoVerdictError("the answer is about other tasks")
        return answer.items

    async def _alone(self, kind: str, call: _Call) -> None:
        task_id, body = call.item["id"], {name: value for name, value in call.item.items() if name != "id"}
        try:
            path = f"tasks/{task_id}/{kind}"
            found = await self._api.once("POST", path, answer=dict[str, Any], json=body, within_s=call.within_s)
            if kind == "pulse":
                verdict = msgspec.convert({**found, "id": task_id, "ok": True, "status": ""}, Verdict)
            else:
                verdict = Verdict(task_id, ok=True, status=found["status"])
        except (msgspec.ValidationError, KeyError):
            _raise([call], NoVerdictError("the answer lacks what this call answers"))
        except Exception as error:  # noqa: BLE001 - it is raised in the call
            _raise([call], error)
        else:
            _resolve(call, verdict)


def _resolve(call: _Call, verdict: Verdict) -> None:
    if not call.verdict.done():
        call.verdict.set_result(verdict)


def _raise(calls: Sequence[_Call], error: Exception) -> None:
    for call in calls:
        if not call.verdict.done():
            call.verdict.set_exception(error)
