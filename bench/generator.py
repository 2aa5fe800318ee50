"""The load generator: for so many seconds, or as a process that sends one slice of requests after the other."""

import json
import subprocess
from pathlib import Path
from typing import Self

from bench.operations import Operation
from bench.servers import OTHER_CORES, TOOLS

CONNECTIONS = 16

Report = dict[str, float]
"""`requests`, `rate` (requests a second), `p50_ms` and `p99_ms`."""


class LoadError(Exception):
    """A request was not answered as it should be; the message says how."""


def _command(targets: Path, operation: Operation) -> list[str]:
    command = ["taskset", "-c", OTHER_CORES, str(TOOLS / "bin" / "load"), f"-targets={targets}"]
    return [*command, f"-connections={CONNECTIONS}", *["-complete"] * operation.takes_tasks]


def send(targets: Path, operation: Operation, seconds: float, rate: int) -> Report:
    """Send for so many seconds: in a closed loop, or so many requests a second where `rate` is not 0.

    Raises LoadError.
    """
    command = [*_command(targets, operation), f"-rate={rate}", f"-duration={seconds}s"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(done.stderr.strip())
    report: Report = json.loads(done.stdout)
    return report


class Slices:
    """A load generator that keeps its connections open from one slice to the next; a context manager that ends it."""

    def __init__(self, targets: Path, operation: Operation) -> None:
        pipe = subprocess.PIPE
        command = [*_command(targets, operation), "-slices"]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # nothing is under way
        self._process.communicate()

    def send(self, requests: int) -> Report:
        """Send so many requests in a closed loop.

        Raises LoadError.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{requests}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise LoadError(self._process.communicate()[1].strip())
        report: Report = json.loads(line)
        return report
