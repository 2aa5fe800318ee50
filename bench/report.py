"""Make the table and the plot of bench/results.json: bench/results.md and bench/results.png."""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
OURS = "TaskPulse"
FASTAPI, LITESTAR, GO = "FastAPI + SQLAlchemy + asyncpg", "Litestar + advanced-alchemy", "Go net/http + pgx"
PGBENCH = "pgbench, the same SQL"
EMPTY = "empty route"
REACH = {"read one": (7, 0.5), "list 50": (6, 0.5), "create": (5, 0.4), "patch": (5, 0.4)}
"""What was aimed at: times FastAPI, times Go."""


class Results:
    """The figures of one run."""

    def __init__(self, text: str) -> None:
        self.all: dict[str, Any] = json.loads(text)
        self.figures = self.all["figures"]

    def values(self, operation: str, server: str, figure: str, loop: str = "closed") -> list[float]:
        """Return the figure of each round."""
        return list(self.figures.get(operation, {}).get(loop, {}).get(server, {}).get(figure, ()))

    def median(self, operation: str, server: str, figure: str = "rate", loop: str = "closed") -> float | None:
        """Return the median of the rounds, or None where it was not measured."""
        values = self.values(operation, server, figure, loop)
        return statistics.median(values) if values else None


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Return how many times theirs ours is."""
    return ours / theirs if ours and theirs else None


def times(value: float | None, reach: float | None = None) -> str:
    """Write a ratio, and what it should be."""
    if value is None:
        return "-"
    return f"{value:.2g}x" + (f" (aim: {reach:g}x)" if reach else "")


def number(value: float | None, digits: int = 0) -> str:
    """Write a figure."""
    return "-" if value is None else f"{value:,.{digits}f}"


def spread(values: list[float]) -> str:
    """Write the median and, in brackets, the lowest and the highest."""
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})" if values else "-"


def lines(results: Results) -> Iterator[str]:
    """Yield the lines of the tables."""
    run = results.all
    yield "<!-- made by `make bench` from results.json -->"
    yield ""
    yield f"{run['machine']}; {run['at']}, {run['rounds']} rounds of {run['seconds']:g} s, medians."
    yield f"{run['connections']} connections to one process on one core, {run['pool']} connections to PostgreSQL."
    yield ""
    yield "TaskPulse, requests a second, compared:"
    yield ""
    yield f"| | to {FASTAPI} | to {LITESTAR} | to {GO} | of its own empty route | of pgbench |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for operation in results.figures:
        ours = results.median(operation, OURS)
        fastapi, go = REACH.get(operation, (None, None))
        cells = [
            times(ratio(ours, results.median(operation, FASTAPI)), fastapi),
            times(ratio(ours, results.median(operation, LITESTAR))),
            times(ratio(ours, results.median(operation, GO)), go),
            percent(ratio(ours, results.median(EMPTY, OURS)), "55 %" if operation == "read one" else ""),
            percent(ratio(ours, results.median(operation, PGBENCH))),
        ]
        yield f"| {operation} | {' | '.join(cells)} |"
    servers = list(dict.fromkeys(server for loops in results.figures.values() for server in loops["closed"]))
    yield ""
    yield "Requests a second (lowest and highest round):"
    yield ""
    yield from table(servers, results, lambda operation, server: spread(results.values(operation, server, "rate")))
    yield ""
    yield "Processor time of a request in µs, server + database:"
    yield ""
    yield from table(
        servers[:4],
        results,
        lambda operation, server: " + ".join(
            number(results.median(operation, server, figure)) for figure in ("server_us", "database_us")
        ),
    )
    yield ""
    yield "Latency in ms at a fixed rate (open loop), p50 / p99:"
    yield ""
    yield from table(
        servers[:4],
        results,
        lambda operation, server: " / ".join(
            number(results.median(operation, server, figure, "open"), 1) for figure in ("p50_ms", "p99_ms")
        ),
        {operation: f"{operation}, {rate}/s" for operation, rate in run["rates"].items()},
    )
    yield ""
    yield "| | start to ready, s | idle, MiB | at the end, MiB |"
    yield "| --- | --- | --- | --- |"
    last = list(results.figures)[-1]
    for server, start in run["starts"].items():
        end = number(results.median(last, server, "mib"))
        yield f"| {server} | {start['ready_s']:.2f} | {start['idle_mib']:.0f} | {end} |"


def percent(value: float | None, aim: str = "") -> str:
    """Write a share, and what it should be."""
    return "-" if value is None else f"{value:.0%}".replace("%", " %") + (f" (aim: {aim})" if aim else "")


def table(servers: list[str], results: Results, cell: Any, names: dict[str, str] | None = None) -> Iterator[str]:
    """Yield a table of operations by servers."""
    yield f"| | {' | '.join(servers)} |"
    yield "| --- |" + " --- |" * len(servers)
    for operation in names or results.figures:
        cells = " | ".join(cell(operation, server) for server in servers)
        yield f"| {(names or {}).get(operation, operation)} | {cells} |"


def plot(results: Results, target: Path) -> None:
    """Draw how many times FastAPI's rate each server has."""
    operations = [name for name in results.figures if name != EMPTY]
    servers = [FASTAPI, LITESTAR, OURS, GO]
    colours = {FASTAPI: "#b0b0b0", LITESTAR: "#808080", OURS: "#1f6feb", GO: "#7cc7e8"}
    figure, axes = plt.subplots(figsize=(10, 4.2), layout="constrained")
    width = 0.8 / len(servers)
    for index, server in enumerate(servers):
        heights = [ratio(results.median(name, server), results.median(name, FASTAPI)) or 0 for name in operations]
        places = [position + (index - 1.5) * width for position in range(len(operations))]
        bars = axes.bar(places, heights, width, label=server, color=colours[server])
        axes.bar_label(bars, fmt="%.1f", fontsize=7, padding=1)
    axes.set_xticks(range(len(operations)), operations)
    axes.set_ylabel("requests a second, FastAPI = 1")
    axes.set_title(f"One process on one core, 100,000 tasks. {results.all['machine']}", fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, dpi=110)


def main() -> None:
    """Write both."""
    results = Results((HERE / "results.json").read_text("utf-8"))
    (HERE / "results.md").write_text("\n".join(lines(results)) + "\n", "utf-8")
    plot(results, HERE / "results.png")


if __name__ == "__main__":
    main()
