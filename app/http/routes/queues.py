"""The endpoints of queues: rules for the tasks with a label."""

from functools import partial
from typing import Annotated, Any
from urllib.parse import unquote

from litestar import Request, Response, delete, get, put
from litestar.openapi import ResponseSpec
from litestar.params import PathParameter

from app.http import conditional, page
from app.http.endpoint import api_router, endpoint
from app.http.holding import heavy_call, share
from app.http.negotiation import JSON
from app.http.openapi import ETAG, LINK, LOCATION, NOT_MODIFIED
from app.http.responses import JSONResponse
from app.http.services import services
from app.leases import queues
from app.leases.queues import Queue, QueuePage, QueueRules
from app.postgres.pool import Connection
from app.problems import FieldError, invalid

MAX_LABEL = 50

LabelInPath = Annotated[
    str,
    PathParameter(description="The label, percent-encoded: `a/b` becomes `a%2Fb`. Up to 50 characters."),
]


def _label(segment: str) -> str:
    """Return the label in a segment of the raw path.

    Raises Problem: invalid-request.
    """
    try:
        label = unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise _refused("is not percent-encoded UTF-8") from None
    if len(label) > MAX_LABEL:
        raise _refused(f"has {len(label)} characters; a label may have {MAX_LABEL}")
    if "\0" in label:
        raise _refused("contains U+0000")
    return label


def _refused(why: str) -> Exception:
    return invalid(FieldError("path", "label", f"label {why}."))


@endpoint(
    get,
    "/queues",
    operation_id="listQueues",
    summary="List the labels in use",
    scope="read",
    sends=(LINK,),
)
async def list_queues(
    request: Request[Any, Any, Any], *, limit: page.Limit = 50, cursor: page.Cursor = None
) -> Response[QueuePage]:
    """List labels by name, with their ready, scheduled, leased and quiet tasks, and the rules of their queues."""
    items, next_cursor = await queues.page(heavy_call(request), limit, cursor)
    return page.respond(request, items, next_cursor)


@endpoint(
    get,
    "/queues/{label:str}",
    operation_id="getQueue",
    summary="Read the rules of a queue",
    scope="read",
    reads=(conditional.IF_NONE_MATCH,),
    problems=(404,),
    responses=NOT_MODIFIED,
    sends=(ETAG,),
)
async def get_queue(request: Request[Any, Any, Any], label: LabelInPath) -> Response[Queue]:
    """Read the rules for the tasks with a label; 404 if the label has no queue."""
    found = await queues.get(share(request), _label(label))
    headers = {"ETag": conditional.etag(found.version)}
    return conditional.not_modified(request, found.version) or JSONResponse(found.queue, headers=headers)


@endpoint(
    put,
    "/queues/{label:str}",
    operation_id="putQueue",
    summary="Pause or limit the tasks with a label",
    scope="write",
    takes=(JSON,),
    reads=(conditional.IF_MATCH, conditional.IF_NONE_MATCH),
    problems=(404, 409, 412),
    status_code=201,
    responses={200: ResponseSpec(None, description="The label already had a queue.")},
    sends=(LOCATION, ETAG),
)
async def put_queue(
    request: Request[Any, Any, Any],
    label: LabelInPath,
    data: QueueRules,
) -> Response[Queue]:
    """Create the queue of a label, or replace its rules: a rule that you leave out is removed.

    While a queue is `paused`, nobody can claim a task with its label, by whatever call; workers keep the leases they
    have. With `max_leases`, tasks with the label never have more unexpired leases than that; a lower limit affects new
    claims only. A task with several labels obeys the queues of all of them. Once this call has answered, every claim
    follows the new rules.
    """
    name = _label(label)
    async with share(request).connection() as connection:
        found, made = await queues.put(connection, name, data, partial(conditional.require, request))
        await _settle(request, connection)
    headers = {"ETag": conditional.etag(found.version)}
    if made:
        headers["Location"] = request.scope["raw_path"].decode("ascii")
    return JSONResponse(found.queue, 201 if made else 200, headers)


@endpoint(
    delete,
    "/queues/{label:str}",
    operation_id="deleteQueue",
    summary="Delete a queue",
    scope="write",
    reads=(conditional.IF_MATCH, conditional.IF_NONE_MATCH),
    problems=(404, 412),
)
async def delete_queue(request: Request[Any, Any, Any], label: LabelInPath) -> None:
    """Delete the rules for the tasks with a label; the tasks stay. Deleting them again answers 404."""
    name = _label(label)
    async with share(request).connection() as connection:
        await queues.delete(connection, name, partial(conditional.require, request))
        await _settle(request, connection)


async def _settle(request: Request[Any, Any, Any], connection: Connection) -> None:
    """Wait until every claim goes by the new rules, and wake calls that wait for work."""
    await queues.settle(services(request).database, connection)
    services(request).notifier.notify_anything()


router = api_router([list_queues, get_queue, put_queue, delete_queue], "Queues")
