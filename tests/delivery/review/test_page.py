"""The page of a review, as text and in a real browser."""

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from delivery.review.model import OverlayReview, Review
from delivery.review.page import HERE, page
from tests.delivery.review.browsing import no_sideways_scrolling, show
from tests.delivery.review.reviews import BASE, DEPLOYMENT, HEAD, change, example, review

HOSTILE = (
    "<script>document.title = 'owned'</script>&amp;\u202egpj.exe\u0007\u200b<img src=//example.com/x onerror=alert(1)>"
)


def hostile() -> Review:
    """A review whose every text wants to be something else."""
    dangerous = replace(example().overlays[0].changes[1].dangers[0], kind=HOSTILE, sentence=HOSTILE)
    changed = replace(
        change("changed", HOSTILE, HOSTILE, f"a: {HOSTILE}\n", f"a: {HOSTILE}!\n", dangerous),
        api_version=HOSTILE,
        namespace=HOSTILE,
        renamed_from=HOSTILE,
    )
    image = replace(example().overlays[0].images[0], name=HOSTILE, before=HOSTILE, after=HOSTILE)
    return review(
        OverlayReview(
            HOSTILE,
            "added",
            changes=(changed,),
            images=(image,),
            routing=(HOSTILE,),
            error_at_base=HOSTILE,
            error_at_head=HOSTILE,
            notes=(HOSTILE,),
        ),
        OverlayReview("z", "kept", changes=(changed,)),
    )


def test_it_works() -> None:
    text = page(example())
    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert "What would change" in text
    assert "TaskPulseDown (critical) is gone: nobody is told when no pod answers." in text
    assert "slack-quiet before and after, but no longer at night." in text
    assert "../../base/&lt;queue&gt;.yaml" in text


def test_same_review_same_bytes() -> None:
    assert page(example()) == page(example())


def test_nothing_changes() -> None:
    text = page(review(OverlayReview("dev", "kept"), OverlayReview("main", "kept")))
    assert "<h1>Nothing changes</h1>" in text
    assert "<details" not in text
    assert "Dangers</h2>" not in text


def test_base_branch_that_went_on_is_named() -> None:
    gone_on = replace(review(OverlayReview("dev", "kept")), base="3" * 40)
    assert "The base branch has gone on to" in page(gone_on)
    assert "The base branch has gone on to" not in page(replace(gone_on, base=BASE))


def test_every_line_is_there() -> None:
    text = page(example())
    shown = [
        unquote(re.sub(r"<[^>]+>", "", line)).replace("&#34;", '"').replace("&#39;", "'").replace("&lt;", "<")
        for line in re.findall(r'<div class="(?:add|cut|same)">.*?</div>', text)
    ]
    wanted = [
        line
        for overlay in example().overlays
        for each in sorted(overlay.changes, key=lambda each: not each.dangers)
        for line in each.diff
        if not line.startswith("@@")
    ]
    assert shown == wanted


def test_overlay_that_does_not_render_counts_nothing() -> None:
    row = page(example()).rpartition(">preview</a>")[2].partition("</tr>")[0]
    assert "does not render" in row
    assert re.findall(r">([^<]+)</td>", row) == ["?"] * 5


def test_words_are_marked() -> None:
    text = page(example())
    assert "memory: <del>256Mi</del>" in text
    assert "memory: <ins>512Mi</ins>" in text


def test_danger_of_two_overlays_stands_once() -> None:
    panel = page(example()).partition('aria-labelledby="page:dangers"')[2].partition("</section>")[0]
    assert panel.count("readiness probe") == 1
    assert re.findall(r">(\w+)</a>", panel.partition("</li>")[0]) == ["dev", "main"]


def test_hostile_text_stays_text() -> None:
    text = page(hostile())
    script = (HERE / "page.js").read_text()
    assert text.count("<script") == text.count("</script") == text.count(f"<script>{script}</script>") == 1
    assert "<img" not in text
    assert set(re.findall(r"[\u0000-\u0008\u200b-\u200f\u202a-\u202e]", text)) == set()
    assert '<span class="unseen">U+202E</span>' in text


@pytest.mark.slow
def test_in_a_browser(tab: Page, tmp_path: Path) -> None:
    show(tab, tmp_path / "review.html", page(example()))
    expect(tab.get_by_role("heading", level=1)).to_have_text("What would change")
    assert no_sideways_scrolling(tab)
    assert tab.locator(".object").count() == 10
    for details in reversed(tab.locator(".object:not([open])").all()):
        details.locator("summary").first.click()
    assert tab.locator(".object[open]").count() == 10
    for summary in tab.locator(".fold > summary").all():
        summary.click()
    assert all(each.is_visible() for each in tab.locator(".object .lines").all())
    assert no_sideways_scrolling(tab)
    report = Axe().run(tab)
    assert report.response["passes"]
    assert report.violations_count == 0, report.generate_report()
    tab.screenshot(path=tmp_path / "review.png", full_page=True)


@pytest.mark.slow
def test_link_of_a_danger_opens_its_object(tab: Page, tmp_path: Path) -> None:
    show(tab, tmp_path / "review.html", page(example()))
    link = tab.get_by_label("Dangers").get_by_role("link", name="main").first
    target = tab.locator(f'[id="{str(link.get_attribute("href"))[1:]}"]')
    expect(target).not_to_be_visible()
    link.click()
    expect(target).to_be_in_viewport()


@pytest.mark.slow
def test_hostile_text_in_a_browser(tab: Page, tmp_path: Path) -> None:
    show(tab, tmp_path / "review.html", page(hostile()))
    assert tab.title() == f"Review of {HEAD[:12]}"
    assert tab.locator("script").count() == 1
    assert tab.locator("img").count() == 0
    assert no_sideways_scrolling(tab)
    assert (
        "<script>document.title = 'owned'</script>&amp;U+202Egpj.exeU+0007U+200B<img"
        in tab.locator("h2").all()[-2].inner_text()
    )


@pytest.mark.slow
def test_five_thousand_objects_and_one_of_two_megabytes_open(browser: Browser, tmp_path: Path) -> None:
    config = "data:\n" + "".join(f"  key-{line}: {'x' * 30}\n" for line in range(50_000))
    small = [
        change("changed", "Deployment", f"d{n}", DEPLOYMENT, DEPLOYMENT.replace("INFO", "DEBUG")) for n in range(5_000)
    ]
    large = change("created", "ConfigMap", "large", "", config)
    path = tmp_path / "review.html"
    path.write_text(page(review(OverlayReview("dev", "kept", changes=(large, *small)))))
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    tab.goto(path.as_uri(), timeout=120_000)
    assert tab.locator(".object").count() == 5_001
    tab.locator(".object > summary").first.click(timeout=60_000)
    expect(tab.locator(".object").first.locator(".lines").first).to_be_visible()
    assert no_sideways_scrolling(tab)
    tab.close()


@pytest.mark.slow
def test_paper_shows_what_is_closed(browser: Browser, tmp_path: Path) -> None:
    tab = browser.new_page()
    show(tab, tmp_path / "review.html", page(example()))
    closed = tab.locator(".object:not([open]) .diff > .lines").first
    expect(closed).not_to_be_visible()
    tab.emulate_media(media="print")
    expect(closed).to_be_visible()
    tab.close()
