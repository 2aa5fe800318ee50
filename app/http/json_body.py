"""Decodes JSON request bodies strictly, and names every wrong field."""

import json
import re
from collections import Counter
from collections.abc import Generator, Iterator
from functools import cache
from itertools import islice
from typing import Annotated, Any, ClassVar, NoReturn, TypeVar, get_args, get_origin

import msgspec
from litestar.dto import AbstractDTO, DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from app.problems import FieldError, Problem, invalid
from app.validation import Body, JSONObject, JSONValue

B = TypeVar("B", bound=Body)

MEBIBYTE = 1024 * 1024
LARGE = MEBIBYTE
"""Bytes above which only the first error of a body is reported: to find all would block other requests."""
MAX_DEPTH = 100
MAX_ERRORS = 100
"""Largest number of errors in one response, so that the response to a large body stays small."""
_SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class MalformedError(ValueError):
    """The body is not JSON that every parser reads alike (RFC 8259; RFC 7493, I-JSON)."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise MalformedError(f"The name {twice!r} stands twice in one object.")
    return members


def _number(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise MalformedError(f"The number {text[:40]} is beyond the range of double precision.")
    return number


def _integer(text: str) -> int | float:
    return int(text) if len(text) < 300 else _number(text)


def _constant(text: str) -> NoReturn:
    raise MalformedError(f"{text} is not a JSON number.")


_decoder = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_number, parse_int=_integer, parse_constant=_constant
)


Path = tuple[str | int, ...]


def _texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield (path, text) for every string in `value`, names of members included."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield path, name
            yield from _texts(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _depth(value: Any) -> int:
    """Return the nesting depth of `value`; stop counting beyond MAX_DEPTH."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, (dict, list))
        ]
    return depth


def _pointer(path: Path) -> str:
    return "/".join(["#", *(escape(str(token)) for token in path)])


def escape(name: str) -> str:
    """Escape one reference token of a JSON Pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _parse(body: bytes) -> Any:
    """Parse `body`.

    Raises Problem: malformed-json, or invalid-request for U+0000, which PostgreSQL cannot store.
    """
    try:
        value = _decoder.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Problem("malformed-json", f"Byte {error.start} of the body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise Problem("malformed-json", f"{error.msg}, at line {error.lineno}, column {error.colno}.") from None
    except MalformedError as error:
        raise Problem("malformed-json", str(error)) from None
    except RecursionError:
        raise Problem("malformed-json", f"The body is nested deeper than {MAX_DEPTH}.") from None
    if (
        body.count(b"[") + body.count(b"{") > MAX_DEPTH
        and isinstance(value, (dict, list))
        and _depth(value) > MAX_DEPTH
    ):
        raise Problem("malformed-json", f"The body is nested deeper than {MAX_DEPTH}.")
    if _SUSPICIOUS.search(body):
        _check_texts(value)
    return value


def _check_texts(value: Any) -> None:
    for path, text in _texts(value):
        if "\0" in text:
            pointer = _pointer(path)
            raise invalid(FieldError("body", pointer, f"{pointer} holds U+0000, which cannot be stored."))
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise Problem("malformed-json", f"{_pointer(path)} holds half of a surrogate pair.") from None


def decode(body: bytes, kind: type[B]) -> B:
    """Decode a JSON body into `kind`.

    Raises Problem: malformed-json, or invalid-request with an entry in `errors` for each wrong field, up to MAX_ERRORS.
    """
    if len(body) > LARGE:
        _refuse_early(body, kind)
    value = _parse(body)
    try:
        decoded = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise invalid(*(list(islice(_field_errors(value, kind, "#"), MAX_ERRORS)) or [_located(error, "#")])) from None
    if errors := list(islice(decoded.errors("#"), MAX_ERRORS)):
        raise invalid(*errors)
    return decoded


def _refuse_early(body: bytes, kind: type[B]) -> None:
    """Raise the first error of a large body, before all of it is decoded."""
    try:
        first = next(kind.precheck(body), None) or next(msgspec.json.decode(body, type=kind).errors("#"), None)
    except msgspec.ValidationError as error:
        first = _located(error, "#")
    except msgspec.DecodeError as error:
        raise Problem("malformed-json", f"{error}.") from None
    except (RecursionError, UnicodeDecodeError):
        return  # `_parse` reports it
    if first is not None:
        raise invalid(first)


def _field_errors(value: Any, kind: Any, pointer: str) -> Iterator[FieldError]:
    """Yield an error for each part of `value` that does not fit the type `kind`."""
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, Body):
        fields = _fields(kind)
        for name in sorted(value.keys() - fields.keys()):
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
    return FieldError("body", pointer, f"{pointer}: {what.replace('`', '')}.")


class StrictJSON(AbstractDTO[Any]):
    """Makes Litestar decode a handler's `data` with `decode`, and document it as its own type."""

    media_types = frozenset({"application/json"})
    _kinds: ClassVar[dict[str, type[Body]]] = {}

    def decode_bytes(self, value: bytes) -> Any:
        """Decode the complete body.

        Raises Problem, as `decode` does.
        """
        return decode(value, self._kinds[self.asgi_connection.route_handler.handler_id])

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
