"""Random pairs of renders: nothing is lost, nothing secret is told, and the Markdown is what it was meant to be."""

import base64
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from delivery.manifests import Object, documents, parse
from delivery.review import outcome
from delivery.review.compare import Compared, Side, compare
from delivery.review.diff import unified
from delivery.review.model import Review
from delivery.review.trees import Rendered

NASTY = "`|<>@#*_~\\\n\r\t\u202e\u200b\u2028[]()&\"'!:/-. =ab1é"
TEXT = st.text(NASTY, max_size=30) | st.sampled_from(
    [
        "```",
        "````\n```diff",
        "</details>",
        "@octocat",
        "#12",
        "https://example.com",
        "<!-- ",
        "yes",
        "012",
        "a|b",
        "GH-12",
        ":tada:",
    ]
)
NAME = st.sampled_from(["a", "b", "c", "a-2456789bcd", "a-bcdfghkmt2", "we`ird|<b>@octocat", "x\u202ey"])
SECRET = st.binary(min_size=9, max_size=20).map(lambda each: f"S{each.hex()}") | st.text(
    "\u00e9\u4e2d\U0001f511", min_size=8, max_size=12
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


KINDS = ["ConfigMap", "Secret", "Deployment", "NetworkPolicy", "PrometheusRule", "Odd"]
IDENTITIES = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(["one", "two"]), NAME), min_size=1, max_size=6, unique=True
)


@st.composite
def objects(draw: st.DrawFn, kind: str, namespace: str, name: str, secrets: list[str]) -> Object:
    each: Object = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}
    if kind == "Secret":
        secret = draw(st.sampled_from(secrets))
        each["data"] = {draw(NAME): encoded(secret)}
        each["stringData"] = {"key": secret, "multiline": f"{secret}\n"}
        each["metadata"]["annotations"] = {"note": secret, "last": f"{{{encoded(secret)}}}"}
    elif kind == "ConfigMap":
        each["data"] = draw(st.dictionaries(TEXT, TEXT, max_size=4))
        if draw(st.booleans()):
            each["data"]["copied"] = f"by mistake {draw(st.sampled_from(secrets))}"
    elif kind == "PrometheusRule":
        names = TEXT | st.sampled_from(secrets)
        rules = [{"alert": draw(names), "expr": draw(TEXT)} for _ in range(draw(st.integers(0, 3)))]
        each["spec"] = {"groups": [{"name": "group", "rules": rules}]}
    else:
        each["spec"] = {"field": draw(VALUES), "template": {"spec": {"containers": [
            {"name": draw(TEXT), "image": draw(TEXT)} for _ in range(draw(st.integers(0, 2)))
        ]}}}  # fmt: skip
    return each


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[Object], list[Object]]:
    """Objects before and after: of each, the same is on both sides, or two are, or one is on one side only."""
    secrets = draw(st.lists(SECRET, min_size=2, max_size=4, unique=True))
    before, after = [], []
    for identity in draw(IDENTITIES):
        made = objects(*identity, secrets)
        fate = draw(st.sampled_from(["kept", "changed", "changed", "created", "deleted"]))
        first = draw(made)
        if fate != "created":
            before.append(first)
        if fate != "deleted":
            after.append(draw(made) if fate == "changed" else first)
    return before, draw(st.permutations(after))


def identity(each: Object) -> tuple[str, str, str]:
    return each["kind"], each["metadata"]["namespace"], each["metadata"]["name"]


def side(each: list[Object]) -> Side:
    return Side(Rendered("---\n".join(yaml.safe_dump(one, allow_unicode=True) for one in each)), {})


def reviewed(before: list[Object], after: list[Object]) -> tuple[Compared, Review]:
    compared = compare("dev", side(before), side(after))
    return compared, Review("a" * 40, "b" * 40, "a" * 40, (compared.review,))


def by_identity(text: str) -> dict[tuple[str, str, str], Object]:
    return {identity(each): each for document in documents(text) for each in parse(document)}


ONE, TWO = (
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": each}, "data": {"a": "b"}}
    for each in ("one", "two")
)


@settings(max_examples=150, deadline=None)
@example(([], [ONE, TWO]))
@given(pairs())
def test_every_difference_is_told_and_no_secret(pair: tuple[list[Object], list[Object]]) -> None:
    before, after = pair
    secrets = {each["stringData"]["key"] for each in [*before, *after] if each["kind"] == "Secret"}
    compared, review = reviewed(before, after)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        outcome.write(review, [compared], out)
        files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for name, content in files.items():
        for secret in secrets:
            for spelling in (secret, encoded(secret), encoded(f"{secret}\n"), repr(secret)[1:-1]):
                assert spelling.encode() not in content, name

    old, new = ({identity(each): each for each in objects} for objects in (before, after))
    shown_old, shown_new = (by_identity(files.get(f"{side}/dev.yaml", b"").decode()) for side in ("base", "head"))
    assert (shown_old.keys(), shown_new.keys()) == (old.keys(), new.keys())
    for each in old.keys() & new.keys():
        assert same(old[each], new[each]) == same(shown_old[each], shown_new[each]), each
    told = {(each.kind, name) for each in compared.review.changes for name in (each.name, each.renamed_from)}
    for each in {*old, *new}:
        if not same(old.get(each), new.get(each)):
            assert (each[0], each[2]) in told
    assert review.changed == any(not same(old.get(each), new.get(each)) for each in {*old, *new})
    # what the reader of the summary sees is the whole of every diff
    fences = [token.content for token in parsed(files["summary.md"].decode()) if token.type == "fence"]
    for change in compared.review.changes:
        assert any(escaped_lines(change.diff) == fence for fence in fences)
        assert applied(change.before, change.diff) == change.after
    assert len(fences) == len(compared.review.changes)
    assert len(files["comment.md"].decode()) < 65_536
    check_structure(files["comment.md"].decode(), review)


def same(one: Any, other: Any) -> bool:
    """Whether both are the same as text, in which 1 is not true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def escaped_lines(diff: tuple[str, ...]) -> str:
    return "\n".join(diff) + "\n"


def applied(before: str, diff: tuple[str, ...]) -> str:
    """`before` as a unified diff makes it; fails where a line of the diff is not in it."""
    old = before.split("\n")[:-1] if before else []
    result: list[str] = []
    position = 0
    for line in diff:
        if line.startswith("@@"):
            found = re.match(r"@@ -(\d+)(?:,(\d+))? ", line)
            assert found
            start = int(found[1]) - (0 if found[2] == "0" else 1)
            result += old[position:start]
            position = start
        elif line.startswith("+"):
            result.append(line[1:])
        else:
            assert old[position] == line[1:]
            result += [] if line.startswith("-") else [old[position]]
            position += 1
    result += old[position:]
    return "".join(f"{line}\n" for line in result)


@given(st.lists(st.sampled_from("abcd"), max_size=12), st.lists(st.sampled_from("abcd"), max_size=12))
def test_a_diff_makes_the_one_text_of_the_other(before: list[str], after: list[str]) -> None:
    old, new = ("".join(f"{line}\n" for line in lines) for lines in (before, after))
    assert applied(old, unified(old, new)) == new
    assert (unified(old, new) == ()) == (old == new)


def parsed(text: str) -> Iterator[Any]:
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        yield token
        yield from token.children or []


OWN_HTML = re.compile(r"(?:<!-- taskpulse review -->|</?(?:details|summary|code|b|br)(?: open)?>)")


def check_structure(text: str, review: Review) -> None:
    """Only our own headings, rows and tags; nothing that links, shows an image or calls anybody."""
    tokens = list(parsed(text))
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "image", "code_block", "hr", "blockquote_open", "s_open", "em_open", "softbreak"}
    headings = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings[0].startswith("What commit ")
    assert set(headings[1:]) <= {"Look at this first", "Every change", "Who receives alerts"}
    for token in tokens:
        if token.type in {"html_inline", "html_block"}:
            assert "<" not in OWN_HTML.sub("", token.content), token.content
            assert "@" not in OWN_HTML.sub("", token.content)
        if token.type == "text":
            assert not re.search(r"@\w|#\d|gh-\d|:[\w+-]+:", token.content, re.IGNORECASE), token.content
    rows = [token for token in tokens if token.type == "tr_open"]
    assert len(rows) == (1 + len(review.overlays) if review.changed else 0)
    cells = [token for token in tokens if token.type in {"td_open", "th_open"}]
    assert len(cells) == 7 * len(rows)
