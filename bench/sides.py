"""One of two services that are compared on one database, and what a request costs it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from bench.dataset import Dataset
from bench.generator import LoadError, Slices
from bench.operations import Operation
from bench.servers import Contestant, Server, cpu_s


class Cost(NamedTuple):
    """What a request takes on average, in microseconds; or what it takes one side, where it takes the other one 1."""

    cpu: float
    """Processor time of the server and of its sessions in PostgreSQL."""
    time: float
    """Time until the next answer, while all connections are busy: the inverse of the throughput."""


class Side:
    """A server with a database role of its own, by which its sessions are known; a context manager that stops it."""

    def __init__(self, name: str, command: Path, dataset: Dataset, folder: Path) -> None:
        self.name = name
        self._dataset = dataset
        self._targets = folder / f"{name}.json"
        settings = msgspec.structs.replace(dataset.settings, db_user=name)
        self._server = Server(Contestant(name, (str(command), "serve"), folder), settings, folder / f"{name}.log")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.kill()  # nothing is under way, and it would drain for two seconds

    def wait(self) -> None:
        """Return when it is ready.

        Raises RuntimeError, with the server's log, when that takes longer than a minute.
        """
        self._server.wait("/health/ready", {})

    @contextlib.contextmanager
    def load(self, operation: Operation) -> Iterator["Loaded"]:
        """Have requests of this operation ready to be sent."""
        self._targets.write_bytes(operation.targets(self._dataset.sample, self._server.url, self._dataset.key))
        with Slices(self._targets, operation) as slices:
            yield Loaded(self, operation, slices)

    def cpu_s(self) -> dict[int, float]:
        """Return the processor time of each of its processes until now."""
        rows = self._dataset.connection.execute("select pid from pg_stat_activity where usename = %s", [self.name])
        found = {}
        for pid in [self._server.process.pid, *(pid for (pid,) in rows)]:
            with contextlib.suppress(OSError):  # a session has ended meanwhile
                found[pid] = cpu_s(pid)
        return found


class Loaded:
    """A side with requests of one operation."""

    def __init__(self, side: Side, operation: Operation, slices: Slices) -> None:
        self._side = side
        self._operation = operation
        self._slices = slices

    def send(self, requests: int) -> Cost:
        """Send a slice of so many requests and return what each took.

        Raises LoadError, which names the side and the operation.
        """
        before = self._side.cpu_s()
        try:
            report = self._slices.send(requests)
        except LoadError as error:
            raise LoadError(f"{self._operation.name} of {self._side.name}: {error}") from None
        cpu_s = sum(used - before.get(pid, 0) for pid, used in self._side.cpu_s().items())
        return Cost(cpu_s / requests * 1e6, 1e6 / report["rate"])
