"""Lines in a pull request's text that accept a warning. Those in lines.yaml are about the review below."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.review.acceptances import Text, apply, digest
from delivery.review.comment import COMMENT_LIMIT, markdown, size
from delivery.review.model import Danger, ObjectChange, OverlayReview, Review
from delivery.review.page import page
from tests.delivery.review.reviews import change, review

LINES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("lines.yaml").read_text("utf-8"))
EXPOSURE = Danger("exposure", "It can be reached from outside.")
SELECTOR = Danger("selector", "Requests reach other pods.")
DELETION = Danger("deletion", "It is deleted.")


def service(overlay: str, *dangers: Danger) -> ObjectChange:
    return change("changed", "Service", "taskpulse-api", "a: 1\n", "a: 2\n", *dangers, overlay=overlay)


def token(namespace: str) -> ObjectChange:
    return replace(change("deleted", "Secret", "token", "a: 1\n", "", DELETION, overlay="main"), namespace=namespace)


REVIEW = review(
    OverlayReview("dev", "kept", (service("dev", EXPOSURE, SELECTOR),)),
    OverlayReview(
        "main",
        "kept",
        (
            service("main", EXPOSURE),
            token("taskpulse"),
            token("monitoring"),
            change("changed", "PrometheusRule", "taskpulse", "a: 1\n", "a: 2\n", Danger("safety net", "Less.")),
        ),
    ),
)
LINE = "delivery: accepted dev Service/taskpulse-api exposure, because "


def accepted(found: Review) -> dict[str, str]:
    """Reasons by overlay, object and warning, with the namespace where another object has the name too."""
    return {
        f"{overlay.name} {each.kind}/{each.name} {danger.kind}"
        + (f" ({each.namespace})" if each.name == "token" else ""): " + ".join(one.reason for one in danger.accepted)
        for overlay in found.overlays
        for each in overlay.changes
        for danger in each.dangers
        if danger.accepted
    }


@pytest.mark.parametrize("case", LINES, ids=lambda case: case["name"])
def test_a_line(case: dict[str, Any]) -> None:
    found = apply(REVIEW, Text(case["text"], ("ana",)))
    assert accepted(found) == case.get("accepted", {})
    assert list(found.not_accepted) == case.get("said", [])


@pytest.mark.parametrize("case", LINES, ids=lambda case: case["name"])
def test_the_warnings_stay(case: dict[str, Any]) -> None:
    found = apply(REVIEW, Text(case["text"], ("ana",)))
    for before, after in zip(REVIEW.overlays, found.overlays, strict=True):
        bare = tuple(
            replace(each, dangers=tuple(replace(danger, accepted=()) for danger in each.dangers))
            for each in after.changes
        )
        assert bare == before.changes
        assert after.dangers or not before.dangers
    for text in (EXPOSURE, SELECTOR, DELETION):
        assert markdown(found, COMMENT_LIMIT).count(text.sentence) >= markdown(REVIEW, COMMENT_LIMIT).count(
            text.sentence
        )


@pytest.mark.parametrize(
    "case", [case for case in LINES if "accepted" in case or "said" in case], ids=lambda c: c["name"]
)
def test_a_text_that_does_not_count(case: dict[str, Any]) -> None:
    found = apply(REVIEW, Text(case["text"], refusal="the pull request comes from a fork."))
    assert accepted(found) == {}
    assert found.not_accepted == ("No line of the pull request's text counts: the pull request comes from a fork.",)


def test_an_overlay_that_does_not_render() -> None:
    blind = replace(REVIEW, overlays=(*REVIEW.overlays, OverlayReview("broken", "kept", error_at_head="no such file")))
    said = "accepts nothing: broken does not render, so its warnings are unknown."
    for line in ("broken Service/taskpulse-api exposure, because a", "Service/other exposure, because a"):
        assert apply(blind, Text(f"delivery: accepted {line}")).not_accepted == (f"“accepted {line}” {said}",)
    both = replace(blind, overlays=(*blind.overlays, OverlayReview("worse", "kept", error_at_base="no such file")))
    (sentence,) = apply(both, Text("delivery: accepted Service/other exposure, because a")).not_accepted
    assert sentence.endswith("accepts nothing: broken, worse do not render, so their warnings are unknown.")
    line = "main Service/other exposure, because a"
    (sentence,) = apply(blind, Text(f"delivery: accepted {line}")).not_accepted
    assert sentence.endswith("accepts nothing: Service/other has no warning in main.")


def test_a_text_without_lines_needs_no_right() -> None:
    found = apply(REVIEW, Text("Nothing.", refusal="the pull request comes from a fork."))
    assert found.not_accepted == ()


def test_a_text_that_cannot_be_read() -> None:
    found = apply(REVIEW, Text(error="No answer."))
    assert found == replace(REVIEW, not_accepted=("The text of the pull request was not read: No answer.",))


def test_the_comment_says_who_and_why() -> None:
    text = markdown(apply(REVIEW, Text(f"{LINE}it moves", ("ana", "ben"))), COMMENT_LIMIT)
    assert (
        "**Exposure**: It can be reached from outside. **Accepted** by <code>ana</code> or <code>ben</code>: it moves\n"
        in text
    )
    assert "**6 warnings.** 1 of them is accepted." in text


def test_the_page_says_who_and_why() -> None:
    text = page(apply(REVIEW, Text(f"{LINE}<b>it</b> moves\n{LINE}\n", ("ana",))))
    assert text.count("Accepted by <b>ana</b>: it moves") == 2, "among the dangers, and at the object"
    assert "gives no reason: write" in text


HOSTILE = [
    "<script>alert(1)</script> &lt;img src=x onerror=alert(1)&gt;",
    "@team/all and @ana, see #12, GH-13, team/taskpulse#14 and https://example.com",
    r"\`\`\` \*\*bold\*\* \[link\](https://example.com) \| cell \|",
    "&#64;team &lt;/details&gt; &lt;!-- open",
    "\\<!-- taskpulse review --\\> :tada: \u202egnp\u202c \u200b",
    "x" * 60_000,
]


@pytest.mark.parametrize("reason", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_text(reason: str) -> None:
    plain = apply(REVIEW, Text(f"{LINE}because", ("ana",)))
    found = apply(REVIEW, Text(f"{LINE}{reason}\n\ndelivery: {reason}\n", ("ana",)))
    assert len(found.not_accepted) == 1
    for mark in (
        "<script",
        "<img",
        "@team",
        "@ana",
        " #12",
        "GH-13",
        "https://",
        "**bold",
        "[link",
        "\u202e",
        "```\n ",
    ):
        assert mark not in markdown(found, COMMENT_LIMIT)
    for mark in ("<script", "<img", "<!--", "\u202e"):
        assert page(found).count(mark) == page(plain).count(mark)
    text = markdown(found, COMMENT_LIMIT)
    assert size(text) < size(markdown(plain, COMMENT_LIMIT)) + 8_000, "a long text is cut"
    assert text.count("\n") == markdown(plain, COMMENT_LIMIT).count("\n") + 4, "a heading and one line"
    assert text.count("<!--") == 2
    assert text.count("<details") == text.count("</details>")


def test_a_long_line_keeps_its_problem() -> None:
    (sentence,) = apply(REVIEW, Text(f"delivery: {'x' * 60_000}", ("ana",))).not_accepted
    assert sentence.endswith("x…” is not understood: write “delivery: accepted KIND/NAME WARNING, because REASON”.")
    assert "is not understood: write" in markdown(apply(REVIEW, Text(f"delivery: {'x' * 60_000}")), COMMENT_LIMIT)


def test_thousands_of_lines_are_counted() -> None:
    found = apply(REVIEW, Text("\n".join(f"delivery: accepted Service/s{n} exposure, because" for n in range(1200))))
    assert "more sentences, in the artifact" in markdown(found, COMMENT_LIMIT)
    assert size(markdown(found, COMMENT_LIMIT)) < COMMENT_LIMIT


def test_the_digest_is_of_the_lines() -> None:
    text = f"Why.\n\n{LINE}a\n"
    assert digest(text) == digest(f"Another why.\r\n\r\n{LINE}a\r\n")
    assert digest(text) != digest(text.replace("because a", "because b"))
    assert digest(text) != digest("Why.")
    assert f"<!-- lines {digest(text)} -->\n## What" in markdown(apply(REVIEW, Text(text, ("ana",))), COMMENT_LIMIT)
    assert "<!-- lines" not in markdown(REVIEW, COMMENT_LIMIT)
