"""Compare the working tree with a commit: what each operation costs; `make compare BASE=REF` calls it.

Both services run on one database and one core and are asked in turn: A B B A, then B A A B, in slices of some
hundredths of a second, so that whatever else the machine does meets both alike. Each round starts both again, because
two processes of the same code differ by what chance laid out in their memory. A round gives one ratio for each
operation, and the interval is that of the rounds' ratios (bench/ratios.py).

The verdict is about processor time, of the server and of its sessions in PostgreSQL. Time itself varies several times
as much on a machine that is busy, so it can tell a service that waits longer, but not one that is 5 % slower.

From the environment: ROUNDS make it more certain, and longer; ONLY holds parts of operations' names, separated by
commas; BOUND is how many times the base's cost is allowed. The exit status is 1 if an operation is slower than that.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import psycopg

from app.dev.postgres import EmbeddedPostgres
from app.settings import Settings
from bench.checkouts import CheckoutError, describe, extract, install, run
from bench.dataset import OPTIONS, Dataset
from bench.generator import CONNECTIONS, LoadError
from bench.operations import Operation, operations, wanted
from bench.ratios import FEWEST, Ratio, estimate, middle
from bench.servers import CORES, ROOT, end_on_sigterm
from bench.sides import Cost, Loaded, Side
from tests.support.service import conninfo, environment, fresh_database, owner

BASE, HEAD = "base", "head"
ORDERS = ((BASE, HEAD, HEAD, BASE), (HEAD, BASE, BASE, HEAD))
SLICE_S = 0.03
"""Seconds that a slice takes, about: what disturbs one hardly depends on its length, so many short ones are better."""
MEASURE_S = 2.0
"""Seconds for which an operation is measured in each round."""
WARM_UP = 10
"""Slices of each side that do not count: PostgreSQL's sessions begin, and plan their statements."""


class Comparison:
    """Two services on one database, started again in each round."""

    def __init__(self, dataset: Dataset, commands: Mapping[str, Path], users: Mapping[str, str], folder: Path) -> None:
        self._dataset = dataset
        self._commands = commands
        self._folder = folder
        self._orders = cycle(ORDERS)
        self._requests: dict[str, int] = {}
        """In a slice of each operation: as many for both sides, in all rounds."""
        for name, user in users.items():
            dataset.connection.execute(f"create role {name} login in role {user}".encode())

    def round(self, measured: Iterable[Operation]) -> Iterator[tuple[str, Cost]]:
        """Start both services, and yield the name of each operation with what head costs, where base costs 1."""
        with contextlib.ExitStack() as running:
            sides = [
                running.enter_context(Side(name, command, self._dataset, self._folder))
                for name, command in self._commands.items()
            ]
            for side in sides:
                side.wait()
            for operation in measured:
                yield operation.name, self._measure(sides, operation)

    def _measure(self, sides: Iterable[Side], operation: Operation) -> Cost:
        self._dataset.restore(operation)
        with contextlib.ExitStack() as loading:
            loaded = {side.name: loading.enter_context(side.load(operation)) for side in sides}
            requests = self._warm_up(operation, loaded)
            turns = []
            until = time.monotonic() + MEASURE_S
            while time.monotonic() < until:
                turns.append(_turn(loaded, next(self._orders), requests))
        return Cost(middle([turn.cpu for turn in turns]), middle([turn.time for turn in turns]))

    def _warm_up(self, operation: Operation, loaded: Mapping[str, Loaded]) -> int:
        """Return how many requests a slice has."""
        if operation.name not in self._requests:
            for _ in range(2):  # the first ones are slow
                cost = loaded[BASE].send(100)
            self._requests[operation.name] = max(2 * CONNECTIONS, round(SLICE_S / cost.time * 1e6))
        requests = self._requests[operation.name]
        for side in loaded.values():
            side.send(WARM_UP * requests)
        return requests


def _turn(loaded: Mapping[str, Loaded], order: Iterable[str], requests: int) -> Cost:
    """Send a slice to each side twice, and return the ratio of what they cost."""
    costs: dict[str, list[Cost]] = {name: [] for name in loaded}
    for name in order:
        costs[name].append(loaded[name].send(requests))
    (base_cpu, base_time), (head_cpu, head_time) = (map(sum, zip(*costs[name], strict=True)) for name in (BASE, HEAD))
    return Cost(head_cpu / base_cpu, head_time / base_time)


@dataclass(frozen=True)
class Row:
    """What all rounds say about one operation."""

    operation: str
    cpu: Ratio
    time: Ratio

    def verdict(self, bound: float) -> str:
        """Judge by processor time; by time, where that is beyond the bound: a service that waits uses none."""
        return self.time.verdict(bound) if self.time.low > bound else self.cpu.verdict(bound)


def table(rows: Iterable[Row], bound: float) -> str:
    """Return the table that is printed."""
    lines = [f"{'operation':18}{'processor time':26}{'time':26}verdict"]
    lines += [f"{row.operation:18}{row.cpu!s:26}{row.time!s:26}{row.verdict(bound)}" for row in rows]
    return "\n".join(lines)


def measure(commands: Mapping[str, Path], folder: Path, rounds: int, only: Sequence[str]) -> list[Row]:
    """Return a row for each operation whose name holds one of these parts.

    Raises CheckoutError where a service cannot migrate the database, LoadError where it answers by an error, and
    ValueError where no operation has such a name.
    """
    ratios: dict[str, list[Cost]] = {}
    with EmbeddedPostgres(folder / "data", OPTIONS) as postgres:
        settings = fresh_database(postgres, migrated=False)
        users = {}
        for name, command in commands.items():  # each accepts a schema that is newer than its own
            run(str(command), "migrate", variables=environment(owner(settings)))
            users[name] = _serving_user(settings)
        dataset = Dataset(postgres, settings)
        comparison = Comparison(dataset, commands, users, folder)
        known = operations(dataset.conninfo)
        measured = [each for each in known if wanted(each.name, only)]
        if not measured:
            raise ValueError(f"no operation's name holds {' or '.join(only)}: {', '.join(each.name for each in known)}")
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
            for operation, cost in comparison.round(measured):
                ratios.setdefault(operation, []).append(cost)
                print(f"  {operation:18}{cost.cpu:.3f}  {cost.time:.3f}", file=sys.stderr)
    return [
        Row(name, estimate([cost.cpu for cost in costs]), estimate([cost.time for cost in costs]))
        for name, costs in ratios.items()
    ]


def _serving_user(settings: Settings) -> str:
    """Return the user whose rights a service has: its owner's, where its migrations make no other user to serve."""
    with psycopg.connect(conninfo(settings)) as connection:
        made = connection.execute("select from pg_roles where rolname = %s", (settings.db_user,)).fetchall()
    return settings.db_user if made else owner(settings).db_user


def main() -> None:
    """Compare, print the table, and exit with 1 if an operation is slower."""
    base = os.environ.get("BASE") or "origin/main"
    rounds = int(os.environ.get("ROUNDS") or 10)
    bound = float(os.environ.get("BOUND") or 1.03)
    if len(CORES) < 2:
        sys.exit("make compare: this needs two cores: one for the services, the others for the rest.")
    if rounds < FEWEST:
        sys.exit(f"make compare: ROUNDS={rounds} is too few; an interval takes {FEWEST}.")
    end_on_sigterm()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o755)
            print(f"base: {describe(base)}\nhead: the working tree, on {describe('HEAD')}", file=sys.stderr)
            extract(base, folder / "tree")
            commands = {BASE: install(folder / "tree", folder / BASE), HEAD: install(ROOT, folder / HEAD)}
            os.sched_setaffinity(0, CORES[1:])
            rows = measure(commands, folder, rounds, os.environ.get("ONLY", "").split(","))
    except (CheckoutError, LoadError, ValueError) as error:
        sys.exit(f"make compare: {error}")
    print(table(rows, bound))
    sys.exit(int(any(row.verdict(bound) == "slower" for row in rows)))


if __name__ == "__main__":
    main()
