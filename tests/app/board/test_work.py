"""The view of the work: figures, who holds what, and what stops."""

import httpx
import psycopg
import pytest
from playwright.sync_api import expect

from tests.app.board.conftest import Open
from tests.support.leases import claim, expire, new_task

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("board")]


def test_figures_count_tasks_and_lead_to_them(client: httpx.Client, open_board: Open) -> None:
    for title in ("one", "two"):
        new_task(client, title=title)
    failed = new_task(client, title="broken", status="failed")
    page = open_board()
    expect(page.locator("[data-figure=open] strong")).to_have_text("2")
    expect(page.locator("[data-figure=failed] strong")).to_have_text("1")
    page.locator("[data-figure=failed] a").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("broken")
    assert page.url.endswith("/board?view=tasks&status=failed")
    page.reload()
    expect(page.locator("tbody")).to_contain_text("broken")
    page.go_back()
    expect(page.locator("[data-figure=failed] strong")).to_have_text("1")
    client.post(f"/v1/tasks/{failed}/requeue").raise_for_status()
    expect(page.locator("[data-figure=failed] strong")).to_have_text("0")
    expect(page.locator("[data-figure=open] strong")).to_have_text("3")


def test_a_lease_shows_how_far_its_worker_is(client: httpx.Client, open_board: Open) -> None:
    page = open_board()
    expect(page.locator("main")).to_contain_text("No worker holds a task at the moment.")
    task = new_task(client, title="Print", labels=["paper"], max_attempts=4)
    token = claim(client, task, worker="printer-1")["lease"]["token"]
    row = page.locator(".lease")
    expect(row).to_contain_text("printer-1")
    expect(row).to_contain_text("attempt 1 of 4")
    expect(row).to_contain_text("paper")
    for progress in (40, 80):
        client.post(f"/v1/tasks/{task}/pulse", json={"token": token, "progress": progress, "note": f"{progress} pages"})
        expect(row.locator("progress")).to_have_js_property("value", progress)
        expect(row).to_contain_text(f"{progress} pages")
    client.post(f"/v1/tasks/{task}/complete", json={"token": token}).raise_for_status()
    expect(row).to_have_count(0)
    expect(page.locator("[data-figure=done] strong")).to_have_text("1")


def test_a_worker_that_goes_quiet_comes_first(
    client: httpx.Client, database: psycopg.Connection, open_board: Open
) -> None:
    tasks = [new_task(client, title=title) for title in ("first", "second", "third")]
    for task in tasks:
        claim(client, task, worker=f"worker of {task}")
    page = open_board()
    rows = page.locator(".lease")
    expect(rows).to_have_count(3)
    assert page.locator("[data-figure=in_progress] strong").inner_text() == "3"
    expect(rows.first).to_contain_text("first")
    expire(database, tasks[2])
    expect(rows.first).to_contain_text("third")
    expect(rows.first).to_contain_text("quiet for")
    expect(page.get_by_role("status").filter(has_text="has gone quiet: third")).to_be_visible()
    expect(page.locator("[data-figure=quiet] strong")).to_have_text("1")
    page.locator("[data-figure=quiet] a").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("third")


def test_quiet_workers_are_seen_among_hundreds(
    client: httpx.Client, database: psycopg.Connection, open_board: Open
) -> None:
    """The page asks for quiet and live leases in turn then; it shows some of these and all of those."""
    client.post("/v1/tasks/batch", json={"tasks": [{"title": f"task {n}"} for n in range(300)]}).raise_for_status()
    claimed = client.post("/v1/tasks/claim", json={"worker": "w", "ttl_s": 300, "limit": 100}).json()["items"]
    for _ in range(2):
        claimed += client.post("/v1/tasks/claim", json={"worker": "w", "ttl_s": 300, "limit": 100}).json()["items"]
    page = open_board()
    expect(page.locator("#held")).to_contain_text("and more")
    quiet = claimed[-1]["task"]
    expire(database, quiet["id"])
    expect(page.locator(".lease").first).to_contain_text(quiet["title"])
    expect(page.locator(".lease").first).to_contain_text("quiet for")


def test_a_cancelled_task_tells_its_worker(client: httpx.Client, open_board: Open) -> None:
    task = new_task(client, title="Long work")
    token = claim(client, task)["lease"]["token"]
    page = open_board()
    page.get_by_role("button", name="Long work").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.locator(".lease")).to_contain_text("asked to stop")
    pulse = client.post(f"/v1/tasks/{task}/pulse", json={"token": token})
    assert pulse.json()["cancel_requested"] is True


def test_the_chart_says_what_it_shows(client: httpx.Client, open_board: Open) -> None:
    task = new_task(client)
    token = claim(client, task)["lease"]["token"]
    client.post(f"/v1/tasks/{task}/complete", json={"token": token}).raise_for_status()
    page = open_board()
    expect(page.get_by_role("img", name="1 claimed, 1 completed, 0 failed, 0 gone quiet")).to_be_visible()


def test_it_asks_little_and_nothing_while_it_is_hidden(client: httpx.Client, open_board: Open) -> None:
    """A busy browser asks less, never more. `document.hidden` is set, as a browser without windows hides none."""
    task = new_task(client)
    claim(client, task)
    page = open_board()
    expect(page.locator(".lease")).to_have_count(1)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    began = page.evaluate("performance.now()")
    page.wait_for_function("began => performance.now() > began + 8000", arg=began)
    spent = (page.evaluate("performance.now()") - began) / 1000
    assert 0 < len(asked) <= 2 * spent
    hide = "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
    hide += " document.dispatchEvent(new Event('visibilitychange')) }"
    page.evaluate(hide, True)
    page.wait_for_function("began => performance.now() > began + 1000", arg=page.evaluate("performance.now()"))
    asked.clear()
    client.post(f"/v1/tasks/{task}/requeue")
    page.wait_for_function("began => performance.now() > began + 3000", arg=page.evaluate("performance.now()"))
    assert asked == []
    done = new_task(client, status="done")
    client.delete(f"/v1/tasks/{done}").raise_for_status()
    page.evaluate(hide, False)
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator(".lease")).to_have_count(1)
    assert asked
