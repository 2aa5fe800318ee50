"""A stream of YAML taken apart, as Helm may write it, and texts that must stay texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.manifests import documents, dump, dump_all, load, parse, shown

ONE = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\n"
TWO = ONE.replace("one", "two")


@pytest.mark.parametrize(
    "stream",
    [
        f"{ONE}---\n{TWO}",
        f"---\n{ONE}--- # and another\n{TWO}---\n",
        f"---\n# a comment\n---\n{ONE}---\t\n\n---\n{TWO}---",
        f"---\n{ONE}---\n{TWO}".replace("\n", "\r\n"),
        f"--- {{kind: ConfigMap, apiVersion: v1, metadata: {{name: one}}}}\n---\n{TWO}",
        f"{ONE}...\n---\n{TWO}",
    ],
)
def test_no_document_is_lost(stream: str) -> None:
    assert [dump(each) for document in documents(stream) for each in parse(document)] == [ONE, TWO]


LETTERS = "ab \t\n\n \U0001f680\u00e9-:#|>'\"\\\r\u202e"


@given(st.recursive(st.text(LETTERS, max_size=12), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.text(LETTERS, max_size=12), inner, max_size=3), max_leaves=8))  # fmt: skip
@settings(deadline=None)
def test_what_is_written_is_read_again(value: object) -> None:
    assert load(dump({"a": value})) == {"a": value}


@pytest.mark.parametrize("odd", ["\t", " ", "\U0001f680", "\r", "\u200b", "   \n   "])
def test_a_text_of_several_lines_is_shown_in_lines(odd: str) -> None:
    text = "".join(f"line {number}{odd}\n" for number in range(5))
    assert shown({"a": text}).count("\n  line ") == 5


def test_a_hidden_character_is_told_from_its_spelling() -> None:
    assert shown({"a": "\u200b\n"}) != shown({"a": "\\u200b\n"})


def test_a_line_of_text_parts_nothing() -> None:
    text = f"{ONE}data:\n  a: |\n    ---\n    b\n  c: ---\n  ---d: e\n"
    assert documents(text) == [text]


@pytest.mark.parametrize(
    "text", ["=", "1e3", "0o14", "0x1F", ".5", "~", "yes", "off", "012", "1:30", "2026-01-01", "null"]
)
def test_a_text_stays_a_text(text: str) -> None:
    """Whatever YAML 1.1 or 1.2 would make of it; a bare `=` is one too."""
    assert load(f"a: '{text}'") == {"a": text}
    assert load(dump_all([{"a": text}])) == {"a": text}
    assert load(dump({"a": text})) == {"a": text}
    assert load("matchType: =") == {"matchType": "="}
