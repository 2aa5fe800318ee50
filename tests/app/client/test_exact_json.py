"""Numbers that pass through a client command."""

import json

import pytest

from app.client.exact_json import decode, encode

NUMBERS = ["0", "-0", "-0.0", "0.10", "1.0", "1e308", "1E+2", "5e-324", "0.1e-400", "9" * 300, "1234567890123456789.10"]


@pytest.mark.parametrize("number", NUMBERS, ids=[number[:20] for number in NUMBERS])
def test_a_number_stays_as_it_was_sent(number: str) -> None:
    text = f'{{"n":[{number},{{"a":{number}}}]}}'.encode()
    assert encode(decode(text)) == text
    assert decode(text) == json.loads(text)


@pytest.mark.parametrize("value", [None, True, 'é\u2028\n"', [], {}, {"a": {"": [1, 1.5]}}], ids=str)
def test_anything_else_does_too(value: object) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize("text", [b"", b"<html>", b"{", b"\xff"])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - decoding bytes and parsing fail alike
        decode(text)
