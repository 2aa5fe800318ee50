"""Marks within changed lines."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.review.page.words import CHARACTERS, LINES, Part, compare, marked

LINE = st.text(st.sampled_from("ab :-1\t"), max_size=12)
RUN = st.lists(LINE, max_size=6)


def text(parts: list[Part]) -> str:
    return "".join(text for text, _ in parts)


@settings(deadline=None)
@given(RUN, RUN)
def test_marks_change_no_text(removed: list[str], added: list[str]) -> None:
    before, after = marked(removed, added)
    assert [text(parts) for parts in before] == removed
    assert [text(parts) for parts in after] == added


@given(LINE, LINE)
def test_what_is_not_marked_is_equal(old: str, new: str) -> None:
    if parts := compare(old, new):
        left, right = ("".join(text for text, differs in side if not differs) for side in parts)
        assert left == right


def test_lines_are_paired_by_their_key_where_some_are_new() -> None:
    before, after = marked(["  cpu: 100m", "  memory: 128Mi"], ["  cpu: 100m", "  disk: 1Gi", "  memory: 256Mi"])
    assert before[1] == [("  memory: ", False), ("128Mi", True)]
    assert after == [[("  cpu: 100m", False)], [("  disk: 1Gi", False)], [("  memory: ", False), ("256Mi", True)]]


def test_lines_with_little_in_common_are_left_alone() -> None:
    assert compare("type: ClusterIP", "one two three four five") is None


def test_cost_is_bounded() -> None:
    began = time.process_time()
    long = "a, " * CHARACTERS
    assert marked([long], [long + "b"]) == ([[(long, False)]], [[(long + "b", False)]])
    many = [f"{'a, ' * 90}{line}" for line in range(LINES + 1)]
    assert marked(many, many[::-1])[0] == [[(line, False)] for line in many]
    marked(["a,b;" * 50] * LINES, ["b;a," * 50] * LINES)
    assert time.process_time() - began < 30
