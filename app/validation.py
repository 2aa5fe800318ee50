"""What clients send: structs that refuse unknown fields, and errors that types cannot express."""

from collections.abc import Iterator

import msgspec

from app.problems import FieldError

JSONObject = dict[str, msgspec.Raw]
"""A JSON object whose values stay as the client wrote them, numbers to the last digit."""


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """Base of every request body."""

    def errors(self, pointer: str) -> Iterator[FieldError]:
        """Yield what is wrong beyond the types of the fields; `pointer` is the JSON Pointer of this body."""
        yield from ()

    @classmethod
    def precheck(cls, body: bytes) -> Iterator[FieldError]:
        """Yield cheap reasons to refuse a large body before it is decoded; raises what `msgspec.json.decode` raises."""
        yield from ()
