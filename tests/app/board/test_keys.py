"""Keys: what one may not do is not offered, and one that is revoked is asked for again."""

import signal
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import BrowserContext, expect

from app.dev.postgres import EmbeddedPostgres
from app.keys import admin
from tests.app.board.conftest import Open, sign_in
from tests.support.leases import claim, new_task
from tests.support.service import Service, fresh_database

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("board")]


def test_a_wrong_key_is_refused_and_no_key_is_in_an_address(
    context: BrowserContext, service: Service, client: httpx.Client
) -> None:
    addresses: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(f"{service.url}/board")
    sign_in(page, f"tp_{'0' * 12}_{'0' * 64}")
    expect(page.get_by_role("alert")).to_contain_text("does not accept this key")
    sign_in(page, service.key)
    expect(page.locator("#live")).to_have_text("Live")
    assert page.evaluate("Object.keys(localStorage)") == []
    assert not [address for address in addresses if service.key in address or not address.startswith(service.url)]
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_visible()
    assert page.evaluate("Object.keys(sessionStorage)") == []


def test_a_key_that_reads_is_offered_no_change(client: httpx.Client, service: Service, open_board: Open) -> None:
    task = new_task(client, title="Look at me", labels=["a"])
    claim(client, task)
    page = open_board("?view=tasks", admin.create(service.settings, "reader", ("read",), None))
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("button", name="New task")).to_be_hidden()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    page.get_by_role("button", name="Look at me").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("created by tests")
    assert dialog.get_by_role("button").all_inner_texts() == ["Close"]
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Queues").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    expect(page.get_by_label("Max leases of a")).to_be_disabled()


def test_a_revoked_key_is_asked_for_again(client: httpx.Client, service: Service, open_board: Open) -> None:
    key = admin.create(service.settings, "short", ("read",), None)
    page = open_board("", key)
    admin.revoke(service.settings, key.split("_")[1])
    expect(page.get_by_role("alert")).to_contain_text("no longer accepts your key")
    assert page.evaluate("Object.keys(sessionStorage)") == []
    page.reload()
    expect(page.get_by_label("API key")).to_be_visible()


def test_the_service_goes_away_and_comes_back(
    postgres: EmbeddedPostgres, tmp_path: Path, client: httpx.Client, open_board: Open
) -> None:
    """It restarts with what the page missed; then with events that it no longer has."""
    settings = fresh_database(postgres)
    with Service(settings, tmp_path / "log") as own:
        headers = {"Authorization": f"Bearer {own.key}"}

        def make(title: str) -> None:
            httpx.post(f"{own.url}/v1/tasks", json={"title": title}, headers=headers).raise_for_status()

        make("before")
        page = open_board("?view=tasks", own.key, own.url)
        expect(page.locator("tbody")).to_contain_text("before")
        own.stop(signal.SIGINT)
        expect(page.locator("#live")).to_contain_text("Reconnecting")
        expect(page.locator("tbody")).to_contain_text("before")
        own.start()
        make("after")
        expect(page.locator("tbody")).to_contain_text("after")
        expect(page.locator("#live")).to_have_text("Live")
        own.stop(signal.SIGINT)
        expect(page.locator("#live")).to_contain_text("Reconnecting")
        with psycopg.connect(own.conninfo, autocommit=True) as connection:
            connection.execute("insert into tasks (title) values ('made in the night')")
            connection.execute("delete from history")
        own.start()
        expect(page.locator("tbody")).to_contain_text("made in the night")
