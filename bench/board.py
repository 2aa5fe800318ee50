"""How fast the board is in a real browser, and what it costs while it stands open beside many changes.

`make bench-board` runs it: TASKS=100000 are there before, and SECONDS=60 is how long RATE=200 events a second come.
"""

import itertools
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
from playwright.sync_api import Page, sync_playwright

from app.dev.postgres import EmbeddedPostgres
from bench.queues import fill
from tests.support.browser import CHROMIUM, FLAGS
from tests.support.service import Service, conninfo, fresh_database

TASKS = int(os.environ.get("TASKS", "100000"))
SECONDS = int(os.environ.get("SECONDS", "60"))
RATE = int(os.environ.get("RATE", "200"))
ROUNDS = int(os.environ.get("ROUNDS", "11"))
LOOK_MS = 20
"""How often the page looks for what it waits for."""

Call = Callable[..., Any]


def look_for(page: Page, condition: str) -> None:
    """Let the page look for something; `seen_at` returns when it was there."""
    page.evaluate(
        f"() => {{ window.seen = new Promise(done => {{"
        f" const look = () => {condition} ? done(Date.now()) : setTimeout(look, {LOOK_MS}); look() }}) }}"
    )


def seen_at(page: Page) -> float:
    """Return the time, in milliseconds, at which the page showed what it looks for."""
    return float(page.evaluate("() => window.seen"))


def row(name: str, values: list[float]) -> None:
    """Print the median and the range of some milliseconds."""
    print(f"| {name} | {statistics.median(values):.0f} | {min(values):.0f} to {max(values):.0f} |", flush=True)


def first_figures(page: Page, url: str) -> float:
    """Return how long after the start of the navigation the figures stand there."""
    page.goto(f"{url}/board")
    page.wait_for_function("() => document.querySelector('[data-figure=open] strong')?.textContent.length > 1")
    return float(page.evaluate("performance.now()"))


def new_task(page: Page, call: Call, title: str) -> float:
    """Return how long after the answer to its creation a task stands in the list."""
    look_for(page, f"document.querySelector('tbody tr')?.textContent.includes('{title}')")
    call("/v1/tasks", title=title)
    answered = time.time() * 1000
    return seen_at(page) - answered


def pulse_and_silence(page: Page, call: Call, worker: str) -> tuple[float, float]:
    """Return how long after its answer a pulse is seen, and how long after its lease has ended a quiet worker."""
    [item] = call("/v1/tasks/claim", worker=worker, ttl_s=2)["items"]
    task, token = item["task"]["id"], item["lease"]["token"]
    lease = f"[...document.querySelectorAll('.lease')].find(row => row.textContent.includes('{worker}'))"
    look_for(page, lease)
    seen_at(page)
    look_for(page, f"{lease}.textContent.includes('{worker} goes on')")
    ends = call(f"/v1/tasks/{task}/pulse", token=token, note=f"{worker} goes on")["expires_at"]
    answered = time.time() * 1000
    pulse = seen_at(page) - answered
    look_for(page, f"{lease}.dataset.state === 'quiet'")
    silence = seen_at(page) - datetime.fromisoformat(ends).timestamp() * 1000
    call(f"/v1/tasks/{task}/complete", token=token)
    return pulse, silence


def latency(page: Page, url: str, call: Call) -> None:
    """Print how soon changes are seen."""
    print("\n| ms | median | range |\n| --- | --- | --- |")
    row("the first figures, from the start of the navigation", [first_figures(page, url) for _ in range(ROUNDS)])
    page.goto(f"{url}/board?view=tasks")
    page.wait_for_selector("tbody tr")
    row("a new task, from the answer to the call", [new_task(page, call, f"new {each}") for each in range(ROUNDS)])
    page.goto(f"{url}/board")
    both = [pulse_and_silence(page, call, f"worker-{each}.") for each in range(ROUNDS)]
    row("a pulse, from the answer to the call", [pulse for pulse, _ in both])
    row("a quiet worker, from the end of its lease", [silence for _, silence in both])


def load(page: Page, url: str, view: str, call: Call) -> None:
    """Let many events come, and print what that costs the page."""
    calls: list[str] = []
    page.on("request", lambda request: calls.append(request.url))
    page.goto(f"{url}/board{view}")
    page.wait_for_timeout(3000)
    page.evaluate(
        "() => { window.long = []; new PerformanceObserver("
        "list => window.long.push(...list.getEntries().map(e => e.duration))).observe({ entryTypes: ['longtask'] }) }"
    )
    ended, made = threading.Event(), itertools.count()

    def make() -> None:
        while not ended.wait(0.5):
            call("/v1/tasks/batch", tasks=[{"title": f"event {next(made)}"} for _ in range(RATE // 2)])

    session = page.context.new_cdp_session(page)

    def heap() -> float:
        session.send("HeapProfiler.collectGarbage")
        return float(session.send("Runtime.getHeapUsage")["usedSize"] / 1e6)

    thread = threading.Thread(target=make)
    thread.start()
    calls.clear()
    heaps, began = [], time.monotonic()
    for part in range(6):
        page.wait_for_timeout(max(0, began + SECONDS * (part + 1) / 6 - time.monotonic()) * 1000)
        heaps.append(heap())
    spent = time.monotonic() - began
    ended.set()
    thread.join()
    long = page.evaluate("() => window.long")
    print(
        f"{view or 'work'}: {next(made) / spent:.0f} events a second for {spent:.0f} s;"
        f" {len(calls) / spent:.2f} calls a second;"
        f" {len(long)} tasks of more than 50 ms, the longest {max(long, default=0):.0f} ms;"
        f" heap in MB after each sixth: {', '.join(f'{each:.1f}' for each in heaps)}",
        flush=True,
    )


def measure(service: Service) -> None:
    """Measure in a new browser."""
    headers = {"Authorization": f"Bearer {service.key}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=60) as client, sync_playwright() as playwright:

        def call(path: str, **body: Any) -> Any:
            return client.post(path, json=body).raise_for_status().json()

        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.add_init_script(f"sessionStorage.setItem('taskpulse-key', '{service.key}')")
        latency(page, service.url, call)
        for view in ("", "?view=tasks"):
            load(page, service.url, view, call)
        browser.close()


def main() -> None:
    """Measure beside TASKS open tasks."""
    with tempfile.TemporaryDirectory() as name, EmbeddedPostgres(Path(name) / "data") as postgres:
        settings = fresh_database(postgres)
        with psycopg.connect(conninfo(settings), autocommit=True) as connection:
            fill(connection, TASKS)
            connection.execute("vacuum analyze")
        with Service(settings, Path(name) / "log") as service:
            measure(service)


main()
