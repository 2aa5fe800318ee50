"""A stream of YAML taken apart, as Helm may write it."""

import pytest

from delivery.manifests import documents, dump, parse

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


def test_a_line_of_text_parts_nothing() -> None:
    text = f"{ONE}data:\n  a: |\n    ---\n    b\n  c: ---\n  ---d: e\n"
    assert documents(text) == [text]
