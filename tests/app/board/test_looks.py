"""What the board is like to read: by axe, on a phone, in the dark."""

from collections.abc import Callable

import httpx
import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import BrowserContext, Page, expect

from tests.app.board.conftest import Open
from tests.support.leases import claim, expire, new_task

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("board")]


@pytest.fixture
def task(client: httpx.Client, database: psycopg.Connection) -> str:
    """One of some tasks, which a worker holds; another worker has gone quiet."""
    new_task(client, title="W" * 200, labels=["L" * 50, "short"], assignee="A" * 200, due_at="2026-01-01T00:00:00Z")
    quiet, held = (new_task(client, title=title, labels=["print"], payload={"a": 1}) for title in ("Quiet", "Held"))
    claim(client, quiet, worker="V" * 100)
    expire(database, quiet)
    token = claim(client, held, worker="printer-1")["lease"]["token"]
    client.post(f"/v1/tasks/{held}/pulse", json={"token": token, "progress": 40, "note": "N" * 150}).raise_for_status()
    return held


def work(page: Page, _: str) -> None:
    expect(page.locator(".lease")).to_have_count(2)
    expect(page.get_by_role("img", name="In the last hour")).to_be_visible()


def tasks(page: Page, _: str) -> None:
    page.get_by_role("link", name="Tasks").click()
    page.locator("tbody tr").first.wait_for()
    page.get_by_label("Select W").check()


def queues(page: Page, _: str) -> None:
    page.get_by_role("link", name="Queues").click()
    page.locator("tbody tr").first.wait_for()


def one_task(page: Page, _: str) -> None:
    page.get_by_role("button", name="Held").click()
    page.get_by_role("dialog").locator(".timeline li").first.wait_for()
    page.get_by_text("Payload").click()


def edit(page: Page, task: str) -> None:
    one_task(page, task)
    page.get_by_role("dialog").get_by_role("button", name="Edit").click()


def sign_out(page: Page, _: str) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("API key").wait_for()


@pytest.mark.parametrize("show", [work, tasks, queues, one_task, edit, sign_out])
def test_it_can_be_read_by_all(
    show: Callable[[Page, str], None], task: str, context: BrowserContext, open_board: Open
) -> None:
    page = open_board()
    show(page, task)
    for scheme, width in (("light", 1200), ("dark", 1200), ("light", 390)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 844})
        found = Axe().run(page).response["violations"]
        assert not found, "\n".join(f"{each['id']}: {node['html']}" for each in found for node in each["nodes"])
    too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert page.evaluate(too_wide) is False
    assert (
        page.evaluate("[...document.querySelectorAll('dialog[open]')].some(d => d.scrollWidth > d.clientWidth)")
        is False
    )
