"""Decodes JSON request bodies, and names every wrong field."""

import asyncio
import re
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice
from typing import Annotated, Any, ClassVar, TypeVar, get_args, get_origin

import msgspec
from litestar import Request
from litestar.dto import AbstractDTO, DTOFieldDefinition
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from app.http.services import services
from app.http.strict_json import check, escape, parse, shorten
from app.problems import FieldError, Problem, invalid
from app.validation import Body, JSONObject, JSONValue

B = TypeVar("B", bound=Body)

MEBIBYTE = 1024 * 1024
LARGE = 64 * 1024
"""Bytes above which only the first error of a body is reported, and no tree of its values is made."""
INLINE = 16 * 1024
"""Bytes up to which a body is decoded in the event loop: some milliseconds at the worst."""
MAX_ERRORS = 100
"""Largest number of errors in one response, so that the response to a large body stays small."""

_decoder = ThreadPoolExecutor(1, "json")
"""One thread: more would only take turns, each with a body in memory."""


def decode(body: bytes, kind: type[B]) -> B:
    """Decode a JSON body into `kind`.

    Raises Problem: malformed-json, or invalid-request with an entry in `errors` for each wrong field, up to MAX_ERRORS.
    """
    if len(body) > LARGE:
        return _decode_large(body, kind)
    value = parse(body)
    try:
        decoded = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise invalid(*(list(islice(_field_errors(value, kind, "#"), MAX_ERRORS)) or [_located(error, "#")])) from None
    if errors := list(islice(decoded.errors("#"), MAX_ERRORS)):
        raise invalid(*errors)
    return decoded


def _decode_large(body: bytes, kind: type[B]) -> B:
    """Decode a large body; what `kind` refuses is found first, as that takes the least time."""
    try:
        first = next(kind.precheck(body), None)
        if first is None:
            decoded = msgspec.json.decode(body, type=kind)
            first = next(decoded.errors("#"), None)
    except msgspec.ValidationError as error:
        first = _located(error, "#")
    except msgspec.DecodeError as error:
        raise Problem("malformed-json", f"{error}.") from None
    except (RecursionError, UnicodeDecodeError):
        check(body)
        raise  # not reached: the standard library refuses both
    if first is not None:
        raise invalid(first)
    check(body)
    return decoded


async def decode_in_thread(request: Request[Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Decode a body that is not small outside the event loop, so that other requests go on meanwhile.

    Requests with more than 1 MiB are worked on one at a time, as each needs several times its body in memory; the
    middleware ends the turn when the answer begins.
    Raises Problem, as `decode` does; what Litestar raises for a body that is too large.
    """
    body = await request.body()
    state = request.scope["state"]
    if len(body) > MEBIBYTE:
        await services(request).large_turn.acquire()
        state["turn"] = services(request).large_turn
    if len(body) > INLINE:
        kind = StrictJSON.kind(handler.handler_id)
        loop = asyncio.get_running_loop()
        state["decoded"] = await loop.run_in_executor(_decoder, decode, body, kind)


def _field_errors(value: Any, kind: Any, pointer: str) -> Iterator[FieldError]:
    """Yield an error for each part of `value` that does not fit the type `kind`."""
    body = _body_kind(kind)
    if isinstance(value, dict) and body is not None:
        fields = _fields(body)
        for name in sorted(islice((name for name in value if name not in fields), MAX_ERRORS)):
            path = f"{pointer}/{escape(name)}"
            yield FieldError("body", path, f"{path} is not a field here. The fields are {', '.join(fields)}.")
        for name, field in fields.items():
            if name in value:
                yield from _field_errors(value[name], field.type, f"{pointer}/{name}")
            elif field.required:
                yield FieldError("body", f"{pointer}/{name}", f"{pointer}/{name} is required.")
        return
    if JSONValue in (kind, *get_args(kind)) or (isinstance(value, dict) and JSONObject in (kind, *get_args(kind))):
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        item = _item_kind(kind)
        if item is None or " - at `$[" not in str(error):
            yield _located(error, pointer)
            return
        for index, part in enumerate(value):
            yield from _field_errors(part, item, f"{pointer}/{index}")


@cache
def _fields(kind: type[Body]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _body_kind(kind: Any) -> type[Body] | None:
    """Return `kind` where it is a Body, or the one that it may be beside null or absent; else None."""
    bodies = [each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, Body)]
    return bodies[0] if len(bodies) == 1 else None


def _item_kind(kind: Any) -> Any:
    """Return the type of the items where `kind` is a list, else None."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return get_args(kind)[0] if get_origin(kind) is list else None


def _located(error: msgspec.ValidationError, pointer: str) -> FieldError:
    """Convert msgspec's "what - at `$.path[0]`" to an error whose pointer continues `pointer`."""
    what, _, path = str(error).partition(" - at `$")
    for token in re.findall(r"[^.\[\]`]+", path):
        pointer += f"/{escape(token)}"
    return FieldError("body", pointer, f"{pointer}: {shorten(what.replace('`', ''))}.")


class StrictJSON(AbstractDTO[Any]):
    """Makes Litestar decode a handler's `data` with `decode`, and document it as its own type."""

    media_types = frozenset({"application/json"})
    _kinds: ClassVar[dict[str, type[Body]]] = {}

    def decode_bytes(self, value: bytes) -> Any:
        """Decode the complete body.

        Raises Problem, as `decode` does.
        """
        state = self.asgi_connection.scope["state"]
        if "decoded" in state:
            return state.pop("decoded")
        return decode(value, self.kind(self.asgi_connection.route_handler.handler_id))

    @classmethod
    def kind(cls, handler_id: str) -> type[Body]:
        """Return the type of a handler's `data`."""
        return cls._kinds[handler_id]

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """Remember the type of a handler's `data`."""
        cls._kinds[handler_id] = field_definition.annotation

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: Any
    ) -> Reference | Schema:
        """Document the type of a handler's `data`."""
        schema: Reference | Schema = schema_creator.for_field_definition(field_definition)
        return schema

    @classmethod
    def schemas(cls) -> dict[str, Any]:
        """Return the JSON Schemas of all bodies by name, made by msgspec: Litestar's lack the limits of list items."""
        kinds = sorted(set(cls._kinds.values()), key=lambda kind: kind.__name__)
        return msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")[1]

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        """Yield nothing: no transfer model is made."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """Return False: no transfer model is made."""
        return False
