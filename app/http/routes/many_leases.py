"""The endpoints for a worker that holds many leases: pulse, complete and fail many tasks at once."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, post

from app.http.auth import actor
from app.http.endpoint import api_router, endpoint
from app.http.holding import heavy_share
from app.http.idempotency import ResponseData, once
from app.http.json_body import MEBIBYTE
from app.http.negotiation import JSON
from app.http.problem_details import document
from app.http.responses import JSONResponse
from app.http.services import services
from app.leases import together
from app.leases.items import Completions, Failures, Pulses, Verdict, Verdicts
from app.postgres.pool import Connection
from app.problems import Problem


def _body(items: Sequence[Any], verdicts: Sequence[Verdict | Problem]) -> bytes:
    """Return the JSON of verdicts, as many as `items`."""
    answers = [
        _refused(item.id, given) if isinstance(given, Problem) else given
        for item, given in zip(items, verdicts, strict=True)
    ]
    return msgspec.json.encode({"items": answers})


def _refused(task_id: UUID, problem: Problem) -> Verdict:
    alone = document(problem, "", "")
    return Verdict(task_id, ok=False, status=alone.status, type=alone.type, title=alone.title, detail=alone.detail)


@endpoint(
    post,
    "/tasks/pulse",
    operation_id="pulseTasks",
    summary="Show that the work on many tasks goes on",
    status_code=200,
    scope="work",
    takes=(JSON,),
    ignores_key=True,
    request_max_body_size=8 * MEBIBYTE,
)
async def pulse_tasks(
    request: Request[Any, Any, Any],
    data: Pulses,
) -> Response[Verdicts]:
    """Prolong up to 1,000 leases as `pulseTask` does, each by its own `ttl_s`. No task may stand twice.

    The answer has a verdict for each item, in the order given: with `ok: false`, the problem that `pulseTask` would
    give. Stop the work of such a task, and of one with `cancel_requested`.

    The call may be repeated as it is; an `Idempotency-Key` is ignored.
    """
    async with heavy_share(request).connection() as connection:
        verdicts = await together.pulse(connection, data.items)
    return JSONResponse(_body(data.items, verdicts))


@endpoint(
    post,
    "/tasks/complete",
    operation_id="completeTasks",
    summary="Complete many tasks",
    status_code=200,
    scope="work",
    takes=(JSON,),
    request_max_body_size=8 * MEBIBYTE,
)
async def complete_tasks(
    request: Request[Any, Any, Any],
    data: Completions,
) -> Response[Verdicts]:
    """Make up to 1,000 tasks done as `completeTask` does, each with its own result. No task may stand twice.

    The answer has a verdict for each item, in the order given: with `ok: false`, the problem that `completeTask` would
    give. The others are done all the same.
    """

    async def complete(connection: Connection) -> ResponseData:
        return ResponseData(200, {}, _body(data.items, await together.complete(connection, actor(request), data.items)))

    response = await once(request, heavy_share(request), complete)
    services(request).notifier.notify_room()
    return response


@endpoint(
    post,
    "/tasks/fail",
    operation_id="failTasks",
    summary="Say that many attempts failed",
    status_code=200,
    scope="work",
    takes=(JSON,),
    request_max_body_size=8 * MEBIBYTE,
)
async def fail_tasks(
    request: Request[Any, Any, Any],
    data: Failures,
) -> Response[Verdicts]:
    """End up to 1,000 attempts as `failTask` does, each with its own error. No task may stand twice.

    The answer has a verdict for each item, in the order given: with `ok: false`, the problem that `failTask` would
    give. The others are ended all the same.
    """
    ready: list[list[str]] = []

    async def fail(connection: Connection) -> ResponseData:
        verdicts, labels = await together.fail(connection, actor(request), data.items)
        ready.extend(labels)
        return ResponseData(200, {}, _body(data.items, verdicts))

    response = await once(request, heavy_share(request), fail)
    notifier = services(request).notifier
    notifier.notify_work(ready)
    notifier.notify_room()
    return response


router = api_router([pulse_tasks, complete_tasks, fail_tasks], "Leases")
