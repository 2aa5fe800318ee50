"""Run every operation on every server in turn, and write bench/results.json after each; `make bench` calls it.

ROUNDS and SECONDS, from the environment, make it shorter or longer; ONLY and SERVERS are parts of names, separated by
commas, to measure some of it.
"""

import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from app.dev.postgres import EmbeddedPostgres, _binaries
from bench import generator
from bench.dataset import OPTIONS, Dataset
from bench.operations import CLAIM, NEW, Operation, operations, wanted
from bench.servers import (
    CONTESTANTS,
    CORES,
    POOL,
    ROOT,
    SERVER_CORE,
    Server,
    end_on_sigterm,
    family_cpu_s,
)
from tests.support.service import fresh_database

ROUNDS = int(os.environ.get("ROUNDS") or 3)
SECONDS = float(os.environ.get("SECONDS") or 3)
ONLY = os.environ.get("ONLY", "").split(",")
SERVERS = os.environ.get("SERVERS", "").split(",")
PGBENCH = "pgbench, the same SQL"
RESULTS = ROOT / "bench" / "results.json"


class Bench:
    """The tasks, the servers on them, and what is measured."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres) -> None:
        self.folder = folder
        self.postgres = postgres
        self.dataset = Dataset(postgres, fresh_database(postgres))
        self.operations = [each for each in operations(self.dataset.conninfo) if wanted(each.name, ONLY)]
        self.servers: list[Server] = []

    def start(self, server: Server) -> dict[str, float]:
        """Wait for a server that starts and return what that took."""
        headers = {"Authorization": f"Bearer {self.dataset.key}"}
        task = self.dataset.sample.tasks[0]
        ready = "/health/ready" if server.name == CONTESTANTS[0].name else f"/v1/tasks/{task}"
        ready_s = server.wait(ready, headers)
        time.sleep(1)
        self.servers.append(server)
        return {"ready_s": ready_s, "idle_mib": server.memory_mib()}

    def measure(self, operation: Operation, server: Server, rate: int = 0) -> dict[str, float]:
        """Warm up, then send for so many seconds."""
        self.dataset.restore(operation)
        targets = self.folder / "targets"
        targets.write_bytes(operation.targets(self.dataset.sample, server.url, self.dataset.key))
        generator.send(targets, operation, max(0.5, SECONDS / 4), rate)
        before = server.cpu_s(), family_cpu_s(self.postgres.pid)
        report = generator.send(targets, operation, SECONDS, rate)
        requests = report.pop("requests")
        report["server_us"] = (server.cpu_s() - before[0]) / requests * 1e6
        report["database_us"] = (family_cpu_s(self.postgres.pid) - before[1]) / requests * 1e6
        report["mib"] = server.memory_mib()
        return report

    def pgbench(self, operation: Operation) -> dict[str, float]:
        """Let pgbench take the place of a server: its core, its connections, its statements."""
        self.dataset.restore(operation)
        settings = self.dataset.settings
        script = self.folder / "script.sql"
        script.write_text(operation.script)
        command = ["taskset", "-c", SERVER_CORE, str(_binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared"]
        command += [f"--client={POOL}", "--jobs=1", f"--time={max(1, round(SECONDS))}", f"--file={script}"]
        command += [f"--host={self.postgres.host}", f"--username={settings.db_user}", settings.db_name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.MULTILINE)
        if done.returncode or found is None or "number of failed transactions: 0 " not in done.stdout:
            raise RuntimeError(done.stdout + done.stderr)
        return {"rate": float(found[1]) * (2 if operation.takes_tasks else 1)}


def shapes(value: Any) -> Any:
    """Return the names of the members, and no values."""
    if isinstance(value, dict):
        return {name: shapes(member) for name, member in sorted(value.items()) if name != "payload"}
    return [shapes(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None


def same_answers(bench: Bench) -> None:
    """Check that all servers answer each operation alike.

    Raises RuntimeError.
    """
    task, (held, token) = bench.dataset.sample.tasks[0], bench.dataset.sample.leases[0]
    headers = {"Authorization": f"Bearer {bench.dataset.key}"}
    calls = [
        ("GET", f"/v1/tasks/{task}", None),
        ("GET", "/v1/tasks?limit=2", None),
        ("GET", "/v1/tasks?status=done&assignee=user5&limit=2", None),
        ("GET", "/v1/tasks?label=label5&limit=2", None),
        ("GET", "/v1/tasks?q=word200&limit=2", None),
        ("POST", "/v1/tasks", NEW),
        ("PATCH", f"/v1/tasks/{task}", {"title": "Changed"}),
        ("POST", f"/v1/tasks/{held}/pulse", {"token": token}),
        ("POST", "/v1/tasks/claim", CLAIM),
    ]
    for method, path, body in calls:
        answers = {}
        for server in bench.servers:
            response = httpx.request(method, server.url + path, headers=headers, json=body)
            if not response.is_success:
                raise RuntimeError(f"{server.name}: {method} {path}: {response.text}\n{server.log.read_text()}")
            answers[server.name] = response.status_code, shapes(response.json())
        if any(answer != answers[bench.servers[0].name] for answer in answers.values()):
            raise RuntimeError(f"{method} {path} is not answered alike: {answers}")
    for server in bench.servers:
        if httpx.get(f"{server.url}/v1/tasks", headers={"Authorization": "Bearer tp_x_y"}).status_code != 401:
            raise RuntimeError(f"{server.name} serves whoever comes")
    bench.dataset.connection.execute("delete from leases where worker = 'bench'")


def machine() -> str:
    """Name the processor, the system and the versions that count."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)", text, re.MULTILINE)
    return (
        f"{model[1] if model else platform.machine()}, {len(CORES)} cores, Linux {platform.release().split('-')[0]},"
        f" Python {platform.python_version()}, PostgreSQL 18"
    )


def rounds(bench: Bench) -> Iterator[tuple[str, str, str, dict[str, float]]]:
    """Yield operation, kind of loop, server and figures: one server after the other, round after round."""
    for number in range(ROUNDS):
        for operation in bench.operations:
            print(f"round {number + 1} of {ROUNDS}: {operation.name}", file=sys.stderr)
            for server in bench.servers:
                yield operation.name, "closed", server.name, bench.measure(operation, server)
                if operation.rate:
                    yield operation.name, "open", server.name, bench.measure(operation, server, operation.rate)
            if operation.script and wanted(PGBENCH, SERVERS):
                yield operation.name, "closed", PGBENCH, bench.pgbench(operation)


class Results:
    """What a run has found so far, in a file that holds all of it after each measurement."""

    def __init__(self, target: Path, measured: list[Operation]) -> None:
        self.starts: dict[str, dict[str, float]] = {}
        self.figures: dict[str, dict[str, dict[str, dict[str, list[float]]]]] = {}
        self._target = target
        self._about = {
            "machine": machine(),
            "at": datetime.now(UTC).strftime("%Y-%m-%d"),
            "rounds": ROUNDS,
            "seconds": SECONDS,
            "connections": generator.CONNECTIONS,
            "pool": POOL,
            "rates": {operation.name: operation.rate for operation in measured if operation.rate},
        }

    def add(self, operation: str, loop: str, server: str, measured: dict[str, float]) -> None:
        """Keep the figures of one measurement, and write the file."""
        row = self.figures.setdefault(operation, {}).setdefault(loop, {}).setdefault(server, {})
        for figure, value in measured.items():
            row.setdefault(figure, []).append(round(value, 3))
        unfinished = self._target.with_name(f"{self._target.name}.unfinished")
        results = {**self._about, "starts": self.starts, "figures": self.figures}
        unfinished.write_text(json.dumps(results, indent=1) + "\n")
        unfinished.replace(self._target)


def main() -> None:
    """Run it all."""
    if len(CORES) < 2:
        sys.exit("make bench: this needs two cores: one for the server, the others for the rest.")
    end_on_sigterm()
    os.sched_setaffinity(0, CORES[1:])
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedPostgres(Path(name) / "data", OPTIONS) as postgres,
        contextlib.ExitStack() as running,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        bench = Bench(folder, postgres)
        results = Results(Path(os.environ.get("RESULTS") or RESULTS), bench.operations)
        for number, contestant in enumerate(CONTESTANTS):
            if wanted(contestant.name, SERVERS):
                server = running.enter_context(Server(contestant, bench.dataset.settings, folder / f"{number}.log"))
                results.starts[contestant.name] = bench.start(server)
        same_answers(bench)
        for operation, loop, server_name, measured in rounds(bench):
            results.add(operation, loop, server_name, measured)
            print(f"  {loop:6} {server_name:32} {describe(measured)}", file=sys.stderr)
    for operation, loops in results.figures.items():
        for server_name, row in loops["closed"].items():
            print(f"{operation:18} {server_name:32} {describe({k: statistics.median(v) for k, v in row.items()})}")


def describe(measured: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.5g}" for name, value in measured.items())


if __name__ == "__main__":
    main()
