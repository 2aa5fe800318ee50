"""What the page offers beyond reading, in a real browser: filter, steps, links, and all of it by keyboard."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from delivery.review.model import Link, OverlayReview, Review
from delivery.review.page import page
from tests.delivery.review.browsing import no_sideways_scrolling, show
from tests.delivery.review.reviews import DEPLOYMENT, change, example, review

pytestmark = pytest.mark.slow
WIDE: ViewportSize = {"width": 1200, "height": 844}


def linked() -> Review:
    """The example, with links between its objects and to others."""
    overlays = list(example().overlays)
    for number in (0, 1):
        namespace = f"taskpulse-{overlays[number].name}"
        changes = list(overlays[number].changes)
        uses = (
            Link(True, "reads it", "ConfigMap", namespace, "taskpulse-api-7f9c2b6d4k", True, "both"),
            Link(True, "reads it", "Secret", namespace, "elsewhere", False, "both"),
            Link(False, "scales it", "HorizontalPodAutoscaler", namespace, "taskpulse-api", True, "after"),
        )
        changes[1] = replace(changes[1], links=uses)
        overlays[number] = replace(overlays[number], changes=tuple(changes))
    return review(*overlays)


def shown(tab: Page) -> list[str]:
    return tab.locator(".object:not(.out) h3").all_text_contents()


def by_anchor(tab: Page, anchor: str) -> Locator:
    return tab.locator(f'[id="{anchor}"]')


def open_list(tab: Page) -> None:
    if (summary := tab.locator(".drawer > summary")).is_visible():
        summary.click()


def test_filter(tab: Page, tmp_path: Path) -> None:
    show(tab, tmp_path / "review.html", page(example()))
    open_list(tab)
    status = tab.get_by_role("status")
    expect(status).to_have_text("10 objects")
    search = tab.get_by_role("search")
    search.get_by_label("Text").fill("LOADBALANCER exposure")
    expect(status).to_have_text("2 of 10 objects")
    assert shown(tab) == ["Service/taskpulse-api"] * 2
    assert [each.inner_text() for each in tab.locator(".entry:visible b").all()] == ["taskpulse-api"] * 2
    search.get_by_label("Overlay").select_option("main (5)")
    expect(status).to_have_text("1 of 10 objects")
    expect(tab.get_by_role("heading", name="dev", exact=True)).not_to_be_visible()
    search.get_by_label("Text").fill("no such thing")
    expect(status).to_have_text("None of 10 objects")
    tab.get_by_role("button", name="Show all").click()
    expect(status).to_have_text("10 objects")
    search.get_by_label("Kind").select_option("ConfigMap (2)")
    expect(status).to_have_text("2 of 10 objects")
    search.get_by_label("Only with dangers").check()
    expect(status).to_have_text("None of 10 objects")
    search.get_by_label("Kind").select_option("all")
    expect(status).to_have_text("6 of 10 objects")
    assert no_sideways_scrolling(tab)
    report = Axe().run(tab)
    assert report.violations_count == 0, report.generate_report()


def test_the_filter_reads_changed_lines_and_not_folded_ones(browser: Browser, tmp_path: Path) -> None:
    tab = browser.new_page(viewport=WIDE)
    show(tab, tmp_path / "review.html", page(example()))
    text = tab.get_by_role("search").get_by_label("Text")
    text.fill("kind: Deployment")
    assert "kind: Deployment" in str(tab.locator(".fold").first.text_content())
    expect(tab.get_by_role("status")).to_have_text("None of 10 objects")
    text.fill("memory: 512Mi")
    expect(tab.get_by_role("status")).to_have_text("2 of 10 objects")
    tab.close()


def test_from_danger_to_danger(tab: Page, tmp_path: Path) -> None:
    show(tab, tmp_path / "review.html", page(example()))
    every = [each.text_content() for each in tab.locator(".why").all()]
    assert len(every) == 6
    focused = tab.locator(".why:focus")
    for number, text in enumerate([*every, every[0]]):
        tab.keyboard.press("n")
        expect(focused).to_have_text(str(text))
        expect(focused).to_be_in_viewport()
        expect(tab.locator(".position")).to_have_text(f"{number % 6 + 1} of 6")
    tab.keyboard.press("p")
    expect(focused).to_have_text(str(every[-1]))
    assert tab.url.endswith("#main/PrometheusRule/taskpulse")
    tab.get_by_role("button", name="Previous danger").click()
    expect(focused).to_have_text(str(every[-2]))
    tab.get_by_role("button", name="Next danger").click()
    expect(focused).to_have_text(str(every[-1]))


def test_dangers_that_are_filtered_out_are_passed_over(browser: Browser, tmp_path: Path) -> None:
    tab = browser.new_page(viewport=WIDE)
    show(tab, tmp_path / "review.html", page(example()))
    text = tab.get_by_role("search").get_by_label("Text")
    text.fill("readiness")
    text.press("n")  # typed, and no step
    expect(text).to_have_value("readinessn")
    assert "#" not in tab.url
    text.press("Backspace")
    tab.get_by_role("status").click()
    for overlay in ("dev", "main", "dev"):
        tab.keyboard.press("Tab")
        tab.locator("h1").click()
        tab.keyboard.press("n")
        assert tab.url.endswith(f"#{overlay}/Deployment/taskpulse-api")
    text.fill("no such thing")
    tab.locator("h1").click()
    tab.keyboard.press("n")
    expect(tab.get_by_role("status")).to_have_text("No danger among the objects shown")
    tab.close()


def test_a_link_to_an_object_survives_a_reload(tab: Page, tmp_path: Path) -> None:
    show(tab, tmp_path / "review.html", page(example()))
    tab.goto(f"{(tmp_path / 'review.html').as_uri()}#main/Secret/taskpulse-secret")
    for _ in range(2):
        expect(by_anchor(tab, "main/Secret/taskpulse-secret")).to_be_in_viewport()
        expect(tab.locator("summary:focus")).to_contain_text("Secret/taskpulse-secret")
        tab.reload()


def test_what_hangs_together_is_linked(tab: Page, tmp_path: Path) -> None:
    show(tab, tmp_path / "review.html", page(linked()))
    uses = by_anchor(tab, "dev/Deployment/taskpulse-api").locator(".links")
    assert " ".join(uses.inner_text().split()) == (
        "Uses ConfigMap/taskpulse-api-7f9c2b6d4k reads it Secret/elsewhere reads it, not in this overlay "
        "Used by HorizontalPodAutoscaler/taskpulse-api now scales it, unchanged"
    )
    assert uses.get_by_role("link").count() == 1
    uses.get_by_role("link").click()
    expect(by_anchor(tab, "dev/ConfigMap/taskpulse-api-7f9c2b6d4k")).to_be_in_viewport()
    assert no_sideways_scrolling(tab)


def test_a_link_shows_what_the_filter_hides(browser: Browser, tmp_path: Path) -> None:
    tab = browser.new_page(viewport=WIDE)
    show(tab, tmp_path / "review.html", page(linked()))
    link = by_anchor(tab, "dev/Deployment/taskpulse-api").locator(".links a")
    target = by_anchor(tab, "dev/ConfigMap/taskpulse-api-7f9c2b6d4k")
    for _ in range(2):  # the second time the address does not change
        tab.get_by_role("search").get_by_label("Text").fill("readiness")
        expect(target).not_to_be_visible()
        link.click()
        expect(target).to_be_in_viewport()
        expect(tab.get_by_role("status")).to_have_text("10 objects")
    tab.close()


def test_unchanged_lines_unfold(tab: Page, tmp_path: Path) -> None:
    show(tab, tmp_path / "review.html", page(example()))
    fold = by_anchor(tab, "dev/Deployment/taskpulse-api").locator(".fold").first
    expect(fold.locator("summary")).to_have_text("13 unchanged lines")
    line = fold.get_by_text("kind: Deployment")
    expect(line).not_to_be_visible()
    fold.locator("summary").focus()
    tab.keyboard.press("Enter")
    expect(line).to_be_visible()


def outline(tab: Page) -> list[tuple[str, str, int]]:
    """Role, name and level of what assistive technology gets, as Chromium computes it."""
    nodes = tab.context.new_cdp_session(tab).send("Accessibility.getFullAXTree")["nodes"]
    found = []
    for node in nodes:
        level = next((each["value"]["value"] for each in node.get("properties", []) if each["name"] == "level"), 0)
        if not node["ignored"]:
            found.append((node["role"]["value"], str(node.get("name", {}).get("value", "")), int(level)))
    return found


def test_headings_and_landmarks(tab: Page, tmp_path: Path) -> None:
    show(tab, tmp_path / "review.html", page(example()))
    open_list(tab)
    found = outline(tab)
    headings = [(name, level) for role, name, level in found if role == "heading"]
    assert headings[:2] == [("What would change", 1), ("Objects", 2)]
    assert [name for name, level in headings if level == 2] == [
        "Objects", "Does not render", "Dangers", "Overlays", "dev", "main", "chart-main", "preview",
    ]  # fmt: skip
    assert [name for name, level in headings if level == 3 and "/" in name] == shown(tab)
    levels = [level for _, level in headings]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    roles = [role for role, _, _ in found]
    for role in ("banner", "navigation", "search", "main", "contentinfo", "status"):
        assert roles.count(role) == 1, role


def test_screen_readers_get_what_is_far_off_screen(browser: Browser, tmp_path: Path) -> None:
    """Headings of closed objects, links of the list, and lines."""
    long = "\n".join(f"a: {n}" for n in range(1_000))
    texts = [("", long), *((DEPLOYMENT, DEPLOYMENT.replace("INFO", f"LEVEL {n}.")) for n in range(300))]
    changes = tuple(change("changed", "Deployment", f"d{n}", *each) for n, each in enumerate(texts))
    tab = browser.new_page(viewport=WIDE)
    show(tab, tmp_path / "review.html", page(review(OverlayReview("dev", "kept", changes=changes))))
    found = outline(tab)
    names = [f"Deployment/d{n}" for n in range(301)]
    assert [name for role, name, level in found if role == "heading" and level == 3] == names
    assert [name.rpartition(" ")[2] for role, name, _ in found if role == "link" and "Deployment/" in name] == names
    assert sum(role == "StaticText" and name.startswith("a: ") for role, name, _ in found) == 1_000
    tab.close()


def test_by_keyboard_alone(browser: Browser, tmp_path: Path) -> None:
    tab = browser.new_page(viewport=WIDE)
    show(tab, tmp_path / "review.html", page(linked()))
    tab.keyboard.press("Tab")
    expect(tab.locator(":focus")).to_have_text("Skip to the changes")
    expect(tab.locator(":focus")).to_be_in_viewport()
    seen: list[str] = []
    for _ in range(60):
        tab.keyboard.press("Tab")
        focused = tab.locator(":focus")
        name = focused.evaluate("each => each.name || each.textContent")
        seen.append(" ".join(name.split()))
        expect(focused).to_be_visible()
        if name == "text":
            tab.keyboard.type("readiness")
            expect(tab.get_by_role("status")).to_have_text("2 of 10 objects")
        if len(seen) > 3 and "Deployment" in seen[-1] and focused.evaluate("each => each.tagName") == "SUMMARY":
            break
    assert [each for each in seen if each in {"overlay", "kind", "risky", "Show all"}] == [
        "overlay", "kind", "risky", "Show all",
    ]  # fmt: skip
    assert sum(bool(re.match(r".*Deployment/taskpulse-api$", each)) for each in seen) == 2  # of the list
    assert not any("Secret/" in each for each in seen)
    tab.keyboard.press("Enter")
    expect(tab.locator(".object:not([open])", has=tab.locator(":focus"))).to_have_count(1)
    tab.close()


def test_enter_in_the_filter_goes_to_the_first(browser: Browser, tmp_path: Path) -> None:
    tab = browser.new_page(viewport=WIDE)
    show(tab, tmp_path / "review.html", page(example()))
    text = tab.get_by_role("search").get_by_label("Text")
    text.fill("DB_POOL_SIZE")
    text.press("Enter")
    expect(tab.locator("summary:focus")).to_contain_text("ConfigMap/taskpulse-api-7f9c2b6d4k")
    tab.close()


@pytest.mark.parametrize("width", [1200, 390])
def test_without_javascript(width: int, browser: Browser, tmp_path: Path) -> None:
    """All is there to be read, the list leads to it, and nothing is offered that does not work."""
    with browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 844}) as context:
        tab = context.new_page()
        show(tab, tmp_path / "review.html", page(linked()))
        expect(tab.get_by_role("search")).to_have_count(0)
        expect(tab.get_by_role("button", name="Next danger")).to_have_count(0)
        open_list(tab)
        entries = tab.get_by_role("navigation").get_by_role("link")
        assert entries.count() == 12
        target = by_anchor(tab, "main/Secret/taskpulse-secret")
        expect(target).not_to_be_visible()
        entries.and_(tab.locator('[href="#main/Secret/taskpulse-secret"]')).click()
        expect(target).to_be_visible()
        for summary in tab.locator(".object:not([open]) > summary, .fold > summary").all():
            if summary.is_visible():
                summary.click()
        for line in ("memory: 512Mi", "password: '*** (after)'", "kind: Deployment"):
            expect(tab.locator(".object .lines > div", has_text=line).first).to_be_visible()


def test_paper_has_what_the_filter_leaves(browser: Browser, tmp_path: Path) -> None:
    tab = browser.new_page(viewport=WIDE)
    show(tab, tmp_path / "review.html", page(example()))
    tab.get_by_role("search").get_by_label("Text").fill("DB_POOL_SIZE")
    tab.emulate_media(media="print")
    expect(tab.get_by_role("navigation")).to_have_count(0)
    assert [each.is_visible() for each in tab.locator(".object").all()].count(True) == 2
    tab.close()


def test_a_thousand_objects(browser: Browser, tmp_path: Path) -> None:
    objects = [
        change("changed", "Deployment", f"d{n}", DEPLOYMENT, DEPLOYMENT.replace("INFO", f"LEVEL {n}."))
        for n in range(1_000)
    ]
    tab = browser.new_page(viewport=WIDE)
    show(tab, tmp_path / "review.html", page(review(OverlayReview("dev", "kept", changes=tuple(objects)))))
    text = tab.get_by_role("search").get_by_label("Text")
    for typed, count in (
        ("level 99", "19 of 1,000 objects"),
        ("level 998.", "1 of 1,000 objects"),
        ("", "1,000 objects"),
    ):
        text.fill(typed)
        expect(tab.get_by_role("status")).to_have_text(count)
    text.fill("level 998.")
    text.press("Enter")
    expect(by_anchor(tab, "dev/Deployment/d998")).to_be_in_viewport()
    tab.close()
