"""Random reviews: every link of the page leads somewhere, and the lines between hunks are those of the object."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.manifests import Object
from delivery.review.diff import unified
from delivery.review.model import Danger, Link, ObjectChange, OverlayReview
from delivery.review.page import page
from delivery.review.page.lines import Fold, hunks
from tests.delivery.review.reviews import change, review
from tests.delivery.review.test_property import pairs, reviewed

NAMES = st.sampled_from(
    ["a", "b", "dev", "dangers", "page:main", "a/b", "a b", "a%20b", "é\u202e", "<b>\"'&", "</script>"]
)
LINKS = st.builds(
    Link, st.booleans(), st.just("reads it"), NAMES, NAMES, NAMES, st.booleans(), st.sampled_from(["both", "before"])
)


@st.composite
def changes(draw: st.DrawFn) -> ObjectChange:
    dangers = draw(st.lists(st.builds(Danger, NAMES, NAMES), max_size=2))
    made = change("changed", draw(NAMES), draw(NAMES), "a: 1\n", "a: 2\n", *dangers)
    return replace(made, namespace=draw(NAMES), links=tuple(draw(st.lists(LINKS, max_size=4))))


OVERLAYS = st.lists(
    st.builds(OverlayReview, NAMES, st.just("kept"), st.lists(changes(), max_size=4).map(tuple)), max_size=3
)


class Anchors(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.wanted: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [str(found["id"])] if "id" in found else []
        self.wanted += [str(found["href"])] if "href" in found else []
        self.wanted += [f"#{found['aria-labelledby']}"] if "aria-labelledby" in found else []


def assert_links_lead_somewhere(text: str) -> Anchors:
    found = Anchors(text)
    assert len(set(found.ids)) == len(found.ids)
    assert all(re.fullmatch(r"[!-~]+", each) for each in found.ids)
    assert {each[1:] for each in found.wanted} <= set(found.ids)
    return found


@settings(max_examples=100, deadline=None, derandomize=True)
@given(OVERLAYS)
def test_links_lead_to_anchors(overlays: list[OverlayReview]) -> None:
    text = page(review(*overlays))
    found = assert_links_lead_somewhere(text)
    assert sum("/" in each for each in found.ids) >= sum(len(each.changes) for each in overlays)
    assert text.count("<script") == 1


@settings(max_examples=50, deadline=None, derandomize=True)
@given(pairs())
def test_links_of_compared_objects_lead_to_anchors(pair: tuple[list[Object], list[Object]]) -> None:
    _, result = reviewed(*pair)
    assert_links_lead_somewhere(page(result))


TEXTS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(TEXTS, TEXTS, st.integers(0, 300))
def test_hunks_and_folds_are_the_whole_object(old: list[str], new: list[str], tail: int) -> None:
    same = [f"line {number}" for number in range(tail)]
    before, after = ("\n".join([*lines, *same]) + "\n" for lines in (old, new))
    got: list[str | None] = []
    for each in hunks(unified(before, after), after):
        if isinstance(each, Fold):
            start, end = (re.findall(r"<div>(.*?)</div>", part) for part in (each.start, each.end))
            assert len(start) + each.left_out + len(end) == each.size
            got += [*start, *[None] * each.left_out, *end]
        else:
            rows = [
                row for chunk in each.chunks for row in re.findall(r'<div class="(\w+)"><b>.</b>(.*?)</div>', chunk)
            ]
            got += [re.sub("<[^>]+>", "", text) for style, text in rows if style != "cut"]
    wanted = [*new, *same]
    assert len(got) == len(wanted) or old == new
    assert all(mine in {None, theirs} for mine, theirs in zip(got, wanted, strict=False))


def test_an_anchor_is_the_overlay_the_kind_and_the_name() -> None:
    made = change("created", "Service", "taskpulse-api", "", "a: 1\n")
    others = [replace(made, namespace=each, name="twice") for each in ("one", "two")]
    found = assert_links_lead_somewhere(page(review(OverlayReview("apps/dev", "kept", changes=(made, *others)))))
    assert [each for each in found.ids if not each.startswith("page:")] == [
        "apps/dev", "apps/dev/Service/taskpulse-api", "apps/dev/Service/one/twice", "apps/dev/Service/two/twice",
    ]  # fmt: skip
