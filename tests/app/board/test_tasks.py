"""The list of tasks, one task, and what people change."""

import json
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.app.board.conftest import Open
from tests.support.leases import claim, new_task, read
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("board")]

HOSTILE = '<img src=x onerror="document.title=1"> </script> ${1+1} \u202egnp.exe'


def test_a_new_task_and_a_change_are_seen_at_once(client: httpx.Client, open_board: Open) -> None:
    page = open_board("?view=tasks")
    expect(page.locator(".empty")).to_have_text("No task matches.")
    task = new_task(client, title="Fresh", labels=["a"])
    expect(page.locator("tbody")).to_contain_text("Fresh")
    client.patch(f"/v1/tasks/{task}", json={"title": "Riper", "status": "done"}).raise_for_status()
    expect(page.locator("tbody")).to_contain_text("Riper")
    expect(page.locator("tbody .status")).to_have_text("done")
    client.delete(f"/v1/tasks/{task}").raise_for_status()
    expect(page.locator("tbody tr")).to_have_count(0)


def test_filters_are_in_the_address(client: httpx.Client, open_board: Open) -> None:
    for title, fields in {
        "urgent print": {"labels": ["print"], "priority": "urgent"},
        "low print": {"labels": ["print"], "priority": "low"},
        "mail": {"labels": ["mail"], "assignee": "ana"},
    }.items():
        new_task(client, title=title, **fields)
    page = open_board("?view=tasks")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Label").fill("print")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("Priority").select_option("low")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert "label=print" in page.url
    assert "priority=low" in page.url
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.keyboard.press("/")
    page.keyboard.type("mail")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("input[name=q]")).to_be_focused()


def test_pages_follow_one_another(client: httpx.Client, open_board: Open) -> None:
    client.post("/v1/tasks/batch", json={"tasks": [{"title": f"task {n}"} for n in range(120)]}).raise_for_status()
    page = open_board("?view=tasks")
    expect(page.locator("tbody tr")).to_have_count(50)
    for rows in (100, 120):
        page.get_by_role("button", name="Show more").click()
        expect(page.locator("tbody tr")).to_have_count(rows)
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    new_task(client, title="later")
    page.get_by_role("button", name="Tasks have changed").click()
    expect(page.locator("tbody tr").first).to_contain_text("later")
    expect(page.locator("tbody tr")).to_have_count(50)


def test_one_task_shows_all_of_it(client: httpx.Client, open_board: Open) -> None:
    task = new_task(client, title="Whole", description="Every page", payload={"deep": [1, {"a": "b"}]}, labels=["x"])
    token = claim(client, task, worker="printer-1")["lease"]["token"]
    page = open_board(f"?task={task}")
    dialog = page.get_by_role("dialog", name="Whole")
    expect(dialog).to_contain_text("Every page")
    expect(dialog).to_contain_text("printer-1")
    dialog.get_by_text("Payload").click()
    expect(dialog.locator("pre")).to_have_text(json.dumps({"deep": [1, {"a": "b"}]}, indent=2))
    client.post(f"/v1/tasks/{task}/complete", json={"token": token, "result": {"pages": 9}}).raise_for_status()
    history = dialog.locator(".timeline > li")
    expect(history).to_have_count(3)
    expect(history.nth(0)).to_contain_text("completed by tests")
    expect(history.nth(0)).to_contain_text("status: in_progress → done")
    expect(history.nth(1)).to_contain_text("claimed by tests (printer-1)")
    expect(history.nth(2)).to_contain_text("created by tests")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert "task=" not in page.url


def test_what_tasks_hold_is_only_text(client: httpx.Client, open_board: Open) -> None:
    task = new_task(
        client, title=HOSTILE, description=HOSTILE, labels=[HOSTILE[:50]], assignee=HOSTILE, payload={HOSTILE: HOSTILE}
    )
    claim(client, task, worker=HOSTILE)
    page = open_board()
    expect(page.locator(".lease .title")).to_have_text(HOSTILE)
    page.goto(page.url + "?view=tasks")
    expect(page.locator("tbody button")).to_have_text(HOSTILE)
    page.locator("tbody button").click()
    expect(page.get_by_role("dialog").locator("h1")).to_have_text(HOSTILE)
    page.get_by_text("Payload").click()
    expect(page.locator("pre")).to_contain_text("onerror")
    assert page.locator("main img, dialog img, main script").count() == 0


def test_a_task_is_created_and_edited(client: httpx.Client, open_board: Open) -> None:
    page = open_board("?view=tasks")
    page.get_by_role("button", name="New task").click()
    form = page.get_by_role("dialog", name="New task")
    form.get_by_label("Title").fill("Made by hand")
    form.get_by_label("Labels").fill("one, two\nthree")
    form.get_by_label("Payload").fill("{nonsense")
    form.get_by_role("button", name="Save").click()
    expect(form).to_contain_text("The payload is not JSON")
    form.get_by_label("Payload").fill('{"n": 1}')
    form.get_by_label("Due").fill("2031-05-06T07:08:09")
    form.get_by_role("button", name="Save").click()
    dialog = page.get_by_role("dialog", name="Made by hand")
    dialog.get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog", name="Edit the task")
    form.get_by_label("Assignee").fill("ana")
    form.get_by_role("button", name="Save").click()
    expect(dialog).to_contain_text("ana")
    [task] = client.get("/v1/tasks").json()["items"]
    assert task["labels"] == ["one, two", "three"]
    assert task["payload"] == {"n": 1}
    assert task["due_at"] == "2031-05-06T07:08:09.000000Z"
    assert task["version"] == 2


def edited(page: Page, title: str) -> None:
    page.get_by_role("dialog", name="Before").get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog", name="Edit the task")
    form.get_by_label("Title").fill(title)


def test_a_conflict_shows_both_versions(client: httpx.Client, open_board: Open) -> None:
    task = new_task(client, title="Before")
    page = open_board(f"?task={task}")
    edited(page, "Mine")
    client.patch(f"/v1/tasks/{task}", json={"title": "Theirs", "priority": "urgent"}).raise_for_status()
    form = page.get_by_role("dialog", name="Edit the task")
    form.get_by_role("button", name="Save").click()
    conflict = form.locator("tbody tr")
    expect(conflict.filter(has_text="title")).to_contain_text("TheirsMine")
    expect(conflict.filter(has_text="priority")).to_contain_text("urgentnormal")
    assert read(client, task)["title"] == "Theirs"
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    assert read(client, task)["title"] == "Mine"


def test_a_deleted_task_is_gone_and_its_history_stays(client: httpx.Client, open_board: Open) -> None:
    task = new_task(client, title="Short lived")
    page = open_board(f"?task={task}")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete this task?").get_by_role("button", name="Back").click()
    assert client.get(f"/v1/tasks/{task}").status_code == 200
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog", name="Delete this task?").get_by_role("button", name="Delete").click()
    eventually(lambda: client.get(f"/v1/tasks/{task}").status_code == 404)
    page.goto(f"{page.url.partition('?')[0]}?task={task}")
    expect(page.get_by_role("dialog")).to_contain_text("There is no such task")
    expect(page.get_by_role("dialog")).to_contain_text("deleted by tests")


def test_a_thousand_are_requeued_together(client: httpx.Client, database: psycopg.Connection, open_board: Open) -> None:
    batch = {"tasks": [{"title": f"task {n}", "status": "failed"} for n in range(1000)]}
    client.post("/v1/tasks/batch", json=batch).raise_for_status()
    new_task(client, title="another", status="done")
    page = open_board("?view=tasks&status=failed")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_label("Select all on this page").check()
    expect(page.locator("main")).to_contain_text("50 tasks selected.")
    page.get_by_role("button", name="Select all that match").click()
    page.get_by_role("button", name="Requeue").click()
    question = page.get_by_role("dialog", name="Requeue 1,000 tasks?")
    question.get_by_role("button", name="Requeue").click()
    expect(page.locator("#said")).to_have_text("1,000 tasks requeued.")
    expect(page.locator("tbody tr")).to_have_count(0)
    assert database.execute("select count(*) from tasks where status = 'open'").fetchone() == (1000,)


def test_a_queue_is_paused_and_limited(client: httpx.Client, open_board: Open) -> None:
    new_task(client, labels=["a/b"])
    page = open_board("?view=queues")

    def rules() -> dict[str, Any]:
        found: dict[str, Any] = client.get("/v1/queues").json()["items"][0]
        return found

    page.get_by_role("button", name="Pause a/b").click()
    expect(page.locator("tbody")).to_contain_text("paused")
    assert rules()["paused"] is True
    page.get_by_label("Max leases of a/b").fill("3")
    page.keyboard.press("Enter")
    eventually(lambda: rules()["max_leases"] == 3)
    assert rules()["paused"] is True
    page.get_by_role("button", name="Resume a/b").click()
    eventually(lambda: rules()["paused"] is False)
    page.get_by_role("link", name="a/b").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    assert page.url.endswith("/board?view=tasks&label=a%2Fb")


def test_the_keyboard_is_enough(client: httpx.Client, open_board: Open) -> None:
    for title in ("older", "newer"):
        new_task(client, title=title)
    page = open_board("?view=tasks")
    expect(page.locator("tbody tr")).to_have_count(2)
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name="older")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="older")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").locator("h1")).to_have_text("newer")
