"""What 1,000,000 tasks cost beside 100,000: each statement on both, its plan, and an export of all of them.

`make bench-scale` runs it; it takes about 5 minutes. The statements are the service's own, run by EXPLAIN ANALYZE and
rolled back.
"""

import os
import re
import statistics
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg

from app.dev.postgres import EmbeddedPostgres
from app.keys import admin as keys
from app.leases import store as leases
from app.settings import Settings
from app.tasks import store as tasks
from app.tasks.query import TaskQuery
from bench.servers import CONTESTANTS, CORES, ROOT, Server
from tests.support.service import conninfo, fresh_database

SIZES = (100_000, 1_000_000)
ROUNDS = 5
RUNS = 8
LISTS: dict[str, dict[str, Any]] = {
    "default list": {},
    "status, few": {"status": ["open"]},
    "status, most": {"status": ["done"]},
    "assignee, many tasks": {"assignee": ["user5"]},
    "assignee, few tasks": {"assignee": ["user150"]},
    "label, many tasks": {"label": ["label61"]},
    "label, few tasks": {"label": ["label5"]},
    "full text, a frequent word": {"q": "word5"},
    "full text, a medium word": {"q": "word200"},
    "full text, a rare word": {"q": "word2900"},
}


def fill(connection: psycopg.Connection, size: int) -> None:
    """Make so many tasks, spread over the same year."""
    text = (ROOT / "tests/data/many_tasks.sql").read_text("utf-8")
    text = text.replace("generate_series(1, 100000)", f"generate_series(1, {size})")
    connection.execute(text.replace("interval '5 minutes'", f"interval '{300 * SIZES[0] // size} seconds'").encode())
    connection.execute("vacuum analyze")


def statements(task_id: UUID) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return each statement with its values."""
    claim = {"actor": "0" * 12, "worker": "bench", "ttl_s": 60}
    found: dict[str, Any] = {
        "read": (tasks.GET, {"ids": tasks.array([task_id])}),
        "claim": (leases._claim_statement(1, labelled=False), claim),
    }
    for name, filters in LISTS.items():
        statement, values = TaskQuery(filters, "-created_at").statement(51, None)
        found[name] = statement, values
    return found


def explain(connection: psycopg.Connection, statement: Any, values: dict[str, Any]) -> tuple[float, str]:
    """Return the milliseconds of a statement and the indexes it used."""
    with connection.transaction(force_rollback=True):
        [(lines,)] = connection.execute("explain (analyze, format json) " + statement, values).fetchall()
    indexes = re.findall(r"'Index Name': '(\w+)'", str(lines))
    return lines[0]["Execution Time"], ", ".join(dict.fromkeys(indexes))


def compare(connections: dict[int, psycopg.Connection]) -> None:
    """Print a table of the statements at both sizes."""
    took: dict[tuple[str, int], list[float]] = {}
    plans: dict[tuple[str, int], str] = {}
    for _ in range(ROUNDS):
        for size, connection in connections.items():
            ids = connection.execute("select id from tasks tablesample system (1) limit %s", [RUNS]).fetchall()
            for (task_id,) in ids:
                for name, (statement, values) in statements(task_id).items():
                    ms, plans[name, size] = explain(connection, statement, values)
                    took.setdefault((name, size), []).append(ms)
    few, many = connections
    print("| | 100,000 tasks, ms | 1,000,000 tasks, ms | ratio | indexes |\n| --- | --- | --- | --- | --- |")
    for name in statements(UUID(int=0)):
        before, after = statistics.median(took[name, few]), statistics.median(took[name, many])
        plan = plans[name, many] + (
            f" (at 100,000: {other})" if (other := plans[name, few]) != plans[name, many] else ""
        )
        print(f"| {name} | {before:.2f} | {after:.2f} | {after / before:.2f} | {plan} |")


def export(settings: Settings, folder: Path) -> None:
    """Export all tasks from the service and print how its memory grew."""
    key = keys.create(settings, "bench", ("read",), None)
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/x-ndjson"}
    with Server(CONTESTANTS[0], settings, folder / "log") as server:
        server.wait("/health/ready", {})
        idle = server.memory_mib()
        lines, memory = 0, []
        with httpx.stream("GET", f"{server.url}/v1/tasks", headers=headers, timeout=60) as response:
            response.raise_for_status()
            for part in response.iter_raw(1024 * 1024):
                lines += part.count(b"\n")
                memory.append(server.memory_mib())
    tenth = memory[len(memory) // 10]
    print(
        f"\nNDJSON export of {lines:,} tasks: resident memory {idle:.0f} MiB idle, {tenth:.1f} MiB after a tenth,"
        f" {max(memory):.1f} MiB at the most."
    )


def main() -> None:
    """Run both."""
    os.sched_setaffinity(0, CORES[1:])
    options = {"shared_buffers": "1GB", "max_wal_size": "8GB", "fsync": "off"}
    with tempfile.TemporaryDirectory() as name, EmbeddedPostgres(Path(name) / "data", options) as postgres:
        connections: dict[int, psycopg.Connection] = {}
        for size in SIZES:
            settings = fresh_database(postgres)
            connections[size] = psycopg.connect(f"{conninfo(settings)} options='-c timezone=UTC'", autocommit=True)
            fill(connections[size], size)
        compare(connections)
        export(settings, Path(name))


if __name__ == "__main__":
    main()
