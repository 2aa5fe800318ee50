"""JSON of the API, whose numbers stay as they were sent: 0.10 is not 0.1, and 30 digits are not rounded to 17."""

import json
from typing import Any

import msgspec


class Number(float):
    """A number that keeps its digits."""

    def __new__(cls, text: str) -> "Number":
        """Make it of a JSON number."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def decode(text: bytes) -> Any:
    """Return what a JSON text holds.

    Raises ValueError where it is not JSON.
    """
    return json.loads(text, parse_float=Number, parse_int=_integer)


def encode(value: Any) -> bytes:
    """Return what `decode` returned as JSON again, in one line of UTF-8."""
    return msgspec.json.encode(value, enc_hook=_as_sent)


def _integer(text: str) -> int | Number:
    return Number(text) if text == "-0" else int(text)


def _as_sent(number: Any) -> msgspec.Raw:
    return msgspec.Raw(number.text.encode())
