"""Runs a client command against the real service, in this process or on a terminal."""

import os
import pty
import subprocess
import threading
from typing import NamedTuple

from click.testing import CliRunner

from app.cli.main import main
from tests.support.service import TASKPULSE, Service


class Ended(NamedTuple):
    """A command that has ended."""

    status: int
    output: str
    errors: str


def run(service: Service, *arguments: str, **variables: str | None) -> Ended:
    """Run `taskpulse` in this process, with a key for everything; standard output is no terminal."""
    environment = {"TASKPULSE_URL": service.url, "TASKPULSE_KEY": service.key, "COLUMNS": None, **variables}
    ended = CliRunner().invoke(main, arguments, prog_name="taskpulse", env=environment, catch_exceptions=False)
    return Ended(ended.exit_code, ended.stdout, ended.stderr)


def on_a_terminal(service: Service, *arguments: str, types: str = "", piped: bool = False) -> Ended:
    """Run `taskpulse` in a process with a terminal, where somebody types; with `piped`, its output goes elsewhere."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TASKPULSE_URL": service.url, "TASKPULSE_KEY": service.key}
    process = subprocess.Popen(
        [TASKPULSE, *arguments],
        env=environment,
        stdin=theirs,
        stdout=subprocess.PIPE if piped else theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, types.encode())
    shown = bytearray()
    reading = threading.Thread(target=_read, args=(ours, shown))
    reading.start()
    output = process.communicate(timeout=60)[0] if piped else b""
    status = process.wait(60)
    reading.join()
    os.close(ours)
    terminal = shown.decode().replace("\r\n", "\n")
    return Ended(status, output.decode() if piped else terminal, terminal)


def _read(descriptor: int, into: bytearray) -> None:
    try:
        while piece := os.read(descriptor, 4096):
            into += piece
    except OSError:  # what a terminal says once its last process has ended
        return
