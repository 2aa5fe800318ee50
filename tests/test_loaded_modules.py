"""What an import loads: the domain comes without the web framework, and a client command without the server."""

import json
import subprocess
import sys

import pytest

SERVER = {"litestar", "uvicorn", "httptools", "uvloop", "psycopg", "psycopg_pool", "prometheus_client"}
PRINT_LOADED = "; import json, sys; print(json.dumps(sorted(sys.modules)))"


def loaded_by(code: str) -> set[str]:
    """Return the modules that a new interpreter has loaded after this code."""
    done = subprocess.run([sys.executable, "-c", code + PRINT_LOADED], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def packages(modules: set[str]) -> set[str]:
    """Return the top-level packages of these modules."""
    return {name.partition(".")[0] for name in modules}


def of_the_service(modules: set[str]) -> set[str]:
    """Return the packages of the service that modules belong to, as in `http`."""
    return {name.split(".")[1] for name in modules if name.startswith("app.")}


@pytest.mark.parametrize("module", ["app.tasks.model", "app.leases.model", "app.problems"])
def test_a_model_loads_neither_framework_nor_database(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert module in loaded
    assert not packages(loaded) & SERVER
    assert "http" not in of_the_service(loaded)


@pytest.mark.parametrize(
    "module", ["app.tasks.update", "app.leases.store", "app.events.hub", "app.keys.authentication"]
)
def test_the_domain_loads_no_web_framework(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert not packages(loaded) & {"litestar", "uvicorn", "httptools", "httpx"}
    assert "http" not in of_the_service(loaded)


@pytest.mark.parametrize(
    "module",
    [
        *("ages", "answers", "api", "ask", "backoff", "child", "clock", "conditional", "export", "heartbeat"),
        *("http_date", "key", "output", "paging", "progress", "queue_text", "queues", "run", "schedule", "signals"),
        *("table", "task_text", "tasks", "watch", "work"),
    ],
)
def test_a_client_module_loads_nothing_of_the_server(module: str) -> None:
    loaded = loaded_by(f"import app.client.{module}")
    assert not packages(loaded) & SERVER
    assert of_the_service(loaded) == {"client"}


@pytest.mark.parametrize("command", ["work", "run", "watch", "tasks", "queues"])
def test_a_client_command_loads_nothing_of_the_server(command: str) -> None:
    loaded = loaded_by(f"from app.cli.main import main; main(['{command}', '--help'], standalone_mode=False)")
    assert not packages(loaded) & SERVER
    assert of_the_service(loaded) <= {"cli", "client", "settings"}


def test_a_client_command_that_runs_loads_nothing_of_the_server() -> None:
    refused = "http://127.0.0.1:1"
    arguments = ["run", "--url", refused, "--title", "t", "--every", "1h", "--grace", "1s", "--", "true"]
    code = f"""
import contextlib, os
os.environ["TASKPULSE_KEY"] = "tp_x"
import app.client.run
app.client.run.PATIENCE_S = 0
from app.cli.main import main
with contextlib.suppress(SystemExit):
    main({arguments!r})
pass"""
    loaded = loaded_by(code)
    assert "app.client.child" in loaded
    assert not packages(loaded) & SERVER
    assert of_the_service(loaded) <= {"cli", "client", "settings"}
