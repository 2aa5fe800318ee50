"""What clients send: structs that refuse unknown fields, and errors that types cannot express."""

from collections.abc import Iterator

import msgspec

from app.problems import FieldError

JSONValue = msgspec.Raw
"""Any JSON, which stays as the client wrote it, numbers to the last digit."""
JSONObject = dict[str, JSONValue]
"""A JSON object whose values stay as the client wrote them."""


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """Base of every request body."""

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield what is wrong beyond the types of the fields; `pointer` is the JSON Pointer of this body."""
        yield from ()

    @classmethod
    def precheck(cls, body: bytes) -> Iterator[FieldError]:
        """Yield cheap reasons to refuse a large body before it is decoded; raises what `msgspec.json.decode` raises."""
        yield from ()


def compact(value: JSONObject | JSONValue) -> bytes:
    """Return `value` as it is stored: JSON without white space, in UTF-8."""
    return msgspec.json.format(msgspec.json.encode(value), indent=-1)


def size_errors(pointer: str, value: JSONObject | JSONValue, limit: int) -> Iterator[FieldError]:
    """Yield an error if more than `limit` bytes would be stored for the value at `pointer`."""
    if (size := len(compact(value))) > limit:
        yield FieldError("body", pointer, f"{pointer} has {size} bytes; it may have {limit}.")
