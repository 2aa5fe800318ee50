"""GET /v1/events: the parameters of a stream; `app.http.sse` sends it."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter

from app.events.hub import Reader
from app.events.model import FROM_START, EventId, Selection, TaskEvent
from app.http.auth import credentials
from app.http.endpoint import api_router, endpoint
from app.http.holding import hold
from app.http.services import services
from app.http.sse import FRESH_WITHIN_S, HEADERS, MEDIA_TYPE, EventStream
from app.problems import FieldError, invalid
from app.tasks.model import Action, Assignee, Label, Status

EXAMPLE_ID = "5c1f0a9b3e7d-7421-1093"


def _any_of(description: str, **schema: Any) -> QueryParameter:
    item = {"items": {"type": "string", **schema}} if schema else None
    return QueryParameter(description=f"{description}. Repeat it for any of several.", schema_extra=item)


LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        description="The `id` of the last event that you have; the stream continues after it. It takes precedence over"
        " `after`.",
    ),
]


@endpoint(
    get,
    "/events",
    operation_id="streamEvents",
    summary="Follow every change",
    scope="read",
    gives=(MEDIA_TYPE,),
    responses={
        200: ResponseSpec(TaskEvent, description="Server-sent events.", media_type=MEDIA_TYPE, generate_examples=False)
    },
)
async def stream_events(
    request: Request[Any, Any, Any],
    *,
    after: Annotated[
        str | None,
        QueryParameter(description="The same as `Last-Event-ID`; or `0` to begin with the oldest event that is kept."),
    ] = None,
    task: Annotated[list[UUID] | None, _any_of("Only events of the task with this id", format="uuid")] = None,
    action: Annotated[list[Action] | None, _any_of("Only this action")] = None,
    status: Annotated[list[Status] | None, _any_of("Only events that gave a task this status")] = None,
    assignee: Annotated[
        list[Assignee] | None,
        _any_of(
            "Only events of tasks that have this assignee when the event is read, or that gained or lost it by it",
            minLength=1,
            maxLength=200,
        ),
    ] = None,
    label: Annotated[
        list[Label] | None,
        _any_of(
            "Only events of tasks that have this label when the event is read, or that gained or lost it by it",
            minLength=1,
            maxLength=50,
        ),
    ] = None,
    last_event_id: LastEventId = None,
) -> Response[Any]:
    """Follow every change as server-sent events (WHATWG HTML, 9.2): none is missed, and none comes twice.

        curl -N -H "Authorization: Bearer $TASKPULSE_KEY" "$TASKPULSE_URL/v1/events?after=0"

    Events come in the order in which changes were committed. Each has an `id`, `<epoch>-<transaction>-<sequence>`, and
    as `data` a `TaskEvent` in one line of JSON. Without `Last-Event-ID` or `after`, the stream begins now. When the
    connection ends, for whatever reason, connect again with the last `id`. `version` orders the events of one task.

    An event named `reset` says that events between your `id` and its own are not available: `{"reason":"pruned"}`
    because they are no longer kept, or `{"reason":"unknown"}` because the database was restored to an earlier moment.
    Read the tasks again with `GET /v1/tasks`; the stream continues with all that is available.

    A comment comes at least every 15 seconds. A block with an `id` alone moves you past events that your filters leave
    out. A client that falls more than 1 MiB behind is disconnected. A stream also ends when its key is revoked or when
    the process needs room for another. By default, a key may have 100 streams at one process, and all keys 1,000: see
    `GET /v1/limits`.
    """
    hub = services(request).hub
    start = _start(last_event_id, after)
    hold(request, services(request).limits.event_streams)
    if not hub.serving or hub.epochs is None:
        await hub.fresh(FRESH_WITHIN_S)
    if request.scope["state"]["head"]:
        return Response(b"", media_type=MEDIA_TYPE, headers=HEADERS)
    sets: dict[str, Sequence[Any] | None] = {
        "task": task,
        "action": action,
        "status": status,
        "assignee": assignee,
        "label": label,
    }
    selection = Selection(**{name: frozenset(map(str, values)) for name, values in sets.items() if values})
    extensions: Any = request.scope["extensions"]
    reader = Reader(selection, credentials(request), extensions["abort"])
    return _Stream(hub, reader, start, extensions["on_leave"])


class _Stream(Response[Any]):
    """Passes an EventStream to Litestar."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(None, media_type=MEDIA_TYPE)
        self._parts = parts

    def to_asgi_response(self, *_: Any, **__: Any) -> EventStream:
        """Return the stream."""
        return EventStream(*self._parts)


def _start(last_event_id: str | None, after: str | None) -> EventId | None:
    """Return the event after which to begin; None: begin now.

    Raises Problem: invalid-request.
    """
    text, place, name = (last_event_id, "header", "Last-Event-ID") if last_event_id else (after, "query", "after")
    if text is None:
        return None
    if place == "query" and text == "0":
        return FROM_START
    found = EventId.parse(text)
    if found is None:
        detail = f"{name} is the id of an event, unchanged, as in {EXAMPLE_ID}; {text[:80]!r} is not."
        raise invalid(FieldError("header" if place == "header" else "query", name, detail))
    return found


router = api_router([stream_events], "Events")
