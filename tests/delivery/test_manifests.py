"""A stream of YAML taken apart, as Helm may write it, and texts that must stay texts."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from delivery.manifests import documents, load, parse
from delivery.tools import kustomize
from delivery.yaml_writer import dump, dump_all, shown

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


LETTERS = "ab \t\n\x85\u2028\u2029 \U0001f680\u00e9-:#|>'\"\\\r\u202e\ufeff\x00\x7f,[]{}&*!%@`?.=~0x1e+"
TEXTS = st.text(LETTERS, max_size=12) | st.sampled_from(["yes", "on", "null", "012", "1:30", "<<", "k" * 1100, "- a"])
VALUES = st.recursive(
    TEXTS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
@settings(deadline=None)
def test_what_is_written_is_read_again(value: object) -> None:
    assert load(dump({"a": value})) == {"a": value}


@given(st.lists(st.text("ab \t\n \u00e9\u200b-:#|>'\"\\\r", max_size=12), max_size=60))
@example(["\t\n", "\ta\nb", "a\n\tb\n"])
@settings(deadline=None, max_examples=8)
def test_other_programs_read_it_too(texts: list[str]) -> None:
    """As kustomize does, whose reader is not ours; U+0085 and U+2028, which are ends of lines to it, are left out."""
    data = {f"key-{number}": text for number, text in enumerate(texts)}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "kustomization.yaml").write_text("resources: [a.yaml]\n")
        (folder / "a.yaml").write_text(dump_all([config]), newline="")
        result = kustomize.build(folder)
    assert not result.stderr
    assert (load(result.stdout).get("data") or {}) == data


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("!!timestamp 2026-01-01", "2026-01-01"),
        ("!!set {a, b}", {"a": None, "b": None}),
        ("!!omap [a: 1]", [{"a": 1}]),
        ("!!binary aGk=", b"hi"),
    ],
)
def test_types_of_yaml_1_1(written: str, value: object) -> None:
    assert load(f"a: {written}") == {"a": value}
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
