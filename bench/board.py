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
from pathlib import Path
from typing import Any

import httpx
import psycopg
from playwright.sync_api import Page, sync_playwright

from app.dev.postgres import EmbeddedPostgres
from bench.queues import fill
from tests.support.browser import CHROMIUM, FLAGS
from tests.support.service import Service, fresh_database

TASKS = int(os.environ.get("TASKS", "100000"))
SECONDS = int(os.environ.get("SECONDS", "60"))
RATE = int(os.environ.get("RATE", "200"))
ROUNDS = int(os.environ.get("ROUNDS", "11"))
LOOK_MS = 20
"""How often the page looks for what it waits for."""

Call = Callable[..., Any]


def milliseconds(page: Page, change: Callable[[], object], condition: str) -> float:
    """Return how long after a call was answered the page showed what it changed."""
    seen = f"() => new Promise(done => {{ const look = () => {condition} ? done(Date.now()) : setTimeout(look, {LOOK_MS}); look() }})"
    page.evaluate(f"() => {{ window.seen = ({seen})() }}")
    change()
    answered = time.time() * 1000
    return max(0.0, page.evaluate("() => window.seen") - answered)


def row(name: str, values: list[float]) -> None:
    """Print the median and the range of some milliseconds."""
    print(f"| {name} | {statistics.median(values):.0f} | {min(values):.0f} to {max(values):.0f} |", flush=True)


def latency(page: Page, url: str, call: Call) -> None:
    """Measure how soon changes are seen."""
    print("\n| ms after the answer to the call | median | range |\n| --- | --- | --- |")
    firsts = []
    for _ in range(ROUNDS):
        page.goto(f"{url}/board")
        page.wait_for_function("() => document.querySelector('[data-figure=open] strong')?.textContent.length > 1")
        firsts.append(page.evaluate("performance.now()"))
    row("first figures, from the start of the navigation", firsts)
    page.goto(f"{url}/board?view=tasks")
    page.wait_for_selector("tbody tr")
    titles = [f"new {number}" for number in range(ROUNDS)]
    shown = "document.querySelector('tbody tr')?.textContent.includes('{}')"
    row(
        "a new task in the list",
        [milliseconds(page, lambda t=title: call("/v1/tasks", title=t), shown.format(title)) for title in titles],
    )
    page.goto(f"{url}/board")
    pulses, quiet = [], []
    for number in range(ROUNDS):
        [item] = call("/v1/tasks/claim", worker=f"worker {number}", ttl_s=2)["items"]
        task, token = item["task"]["id"], item["lease"]["token"]
        page.wait_for_function(f"() => document.body.textContent.includes('worker {number}')")
        lease = f"[...document.querySelectorAll('.lease')].find(row => row.textContent.includes('worker {number}a'))".replace(
            f"{number}a", str(number)
        )
        pulse = {"token": token, "note": f"note {number}"}
        pulses.append(
            milliseconds(
                page,
                lambda t=task, p=pulse: call(f"/v1/tasks/{t}/pulse", **p),
                f"{lease}?.textContent.includes('note {number}')",
            )
        )
        quiet.append(milliseconds(page, lambda: time.sleep(2), f"{lease}?.dataset.state === 'quiet'"))
        call(f"/v1/tasks/{task}/complete", token=token)
    row("a pulse", pulses)
    row("a quiet worker, after the end of its lease", quiet)


def load(page: Page, url: str, view: str, call: Call) -> None:
    """Let many events come, and print what that costs the page."""
    calls: list[str] = []
    page.on("request", lambda request: calls.append(request.url))
    page.goto(f"{url}/board{view}")
    page.wait_for_timeout(3000)
    page.evaluate(
        "() => { window.long = []; new PerformanceObserver(list => window.long.push(...list.getEntries().map(e => e.duration)))"
        ".observe({ entryTypes: ['longtask'] }) }"
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
        f"{view or 'work'}: {next(made) / spent:.0f} events a second for {spent:.0f} s; {len(calls) / spent:.2f} calls a second;"
        f" {len(long)} tasks of more than 50 ms, the longest {max(long, default=0):.0f} ms;"
        f" heap in MB after each sixth: {', '.join(f'{each:.1f}' for each in heaps)}",
        flush=True,
    )


def main() -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder) / "data") as postgres:
        with Service(fresh_database(postgres), Path(folder) / "log") as service:
            with psycopg.connect(service.conninfo, autocommit=True) as connection:
                fill(connection, TASKS)
                connection.execute("vacuum analyze")
            headers = {"Authorization": f"Bearer {service.key}"}
            with (
                httpx.Client(base_url=service.url, headers=headers, timeout=60) as client,
                sync_playwright() as playwright,
            ):

                def call(path: str, **body: Any) -> Any:
                    response = client.post(path, json=body).raise_for_status()
                    return response.json()

                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                page = browser.new_page()
                page.add_init_script(f"sessionStorage.setItem('taskpulse-key', '{service.key}')")
                latency(page, service.url, call)
                for view in ("", "?view=tasks"):
                    load(page, service.url, view, call)
                browser.close()


main()
