"""Panels of the dashboards as pictures, from what Prometheus answers; Grafana cannot be had here."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure

from delivery.manifests import Object

Samples = list[tuple[float, float]]
"""Seconds since 1970, and a value."""
UNITS = {"short": "{:.3g}", "s": "{:.3g} s", "reqps": "{:.3g} req/s", "ops": "{:.3g} op/s"}
GREY = "#777777"


def draw(panel: Object, series: Mapping[str, Samples], file: Path) -> None:
    """Write a panel with its series, by their legends, and the lines of its thresholds, as PNG."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(panel["title"], loc="left", fontsize=11)
    if panel["type"] == "stat":
        figures(axes, panel, series)
    else:
        lines(axes, panel, series)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=80)


def lines(axes: Axes, panel: Object, series: Mapping[str, Samples]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    for legend, samples in series.items():
        times = [datetime.fromtimestamp(at, UTC) for at, _ in samples]
        axes.plot(times, [value for _, value in samples], label=legend, linewidth=1.5)  # type: ignore[arg-type]
    for step in steps(panel) if "custom" in defaults else []:
        if step["value"] is not None:
            axes.axhline(step["value"], color=step["color"], linestyle="--", linewidth=1)
    # the lines of thresholds do not widen the axis, axisSoftMax does
    highest = max(
        [defaults.get("custom", {}).get("axisSoftMax", 0), *(value for each in series.values() for _, value in each)]
    )
    axes.set_ylim(bottom=defaults.get("min"), top=defaults.get("max", highest * 1.05 or 1))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M:%S"))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_formatter(lambda value, _: unit(panel)(value))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4, fontsize=8, frameon=False)


def figures(axes: Axes, panel: Object, series: Mapping[str, Samples]) -> None:
    """A stat's last values, in the colours of its thresholds."""
    axes.axis("off")
    for number, (legend, samples) in enumerate(series.items()):
        across, last = (number + 0.5) / len(series), samples[-1][1]
        axes.text(across, 0.6, unit(panel)(last), fontsize=40, ha="center", color=colour(panel, last))
        axes.text(across, 0.3, legend, fontsize=14, ha="center", color=GREY)


def unit(panel: Object) -> Callable[[float], str]:
    name = panel["fieldConfig"]["defaults"]["unit"]
    if name == "percentunit":
        return lambda value: f"{value * 100:.3g} %"
    return UNITS[name].format


def steps(panel: Object) -> list[Object]:
    found: list[Object] = panel["fieldConfig"]["defaults"].get("thresholds", {"steps": []})["steps"]
    return found


def colour(panel: Object, value: float) -> str:
    """Grafana takes the last step that the value reaches."""
    reached = [step["color"] for step in steps(panel) if step["value"] is None or value >= step["value"]]
    return reached[-1] if reached else GREY
