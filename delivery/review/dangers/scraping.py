"""Metrics that are no longer collected: monitors that find nothing, or drop what they find."""

from collections.abc import Iterator
from typing import Any

from delivery.manifests import Object, dig
from delivery.review.around import Around, Side, namespace_of
from delivery.review.model import Danger
from delivery.review.pod_templates import containers
from delivery.review.selectors import selects

MONITORS = {"ServiceMonitor": ("endpoints", "Service"), "PodMonitor": ("podMetricsEndpoints", "pod")}
RELEASE = ("release", "prometheus", "role")  # labels by which a Prometheus chooses its rules and monitors
# by which field a Prometheus or an Alertmanager chooses what it loads, by kind
CHOOSING = {
    "ServiceMonitor": "serviceMonitorSelector",
    "PodMonitor": "podMonitorSelector",
    "PrometheusRule": "ruleSelector",
    "Probe": "probeSelector",
    "AlertmanagerConfig": "alertmanagerConfigSelector",
}
CONSEQUENCE = "alerts on its metrics fall silent"


def dangers(before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    if after is None:
        return
    found: list[str] = []
    if after["kind"] in MONITORS:
        found += [*nothing_found(before, after, around), *(dropped(before, after) if before else ())]
    if after["kind"] == "Service" and before:
        found += lost(before, after, around)
    if after["kind"] in CHOOSING and before:
        found += released(before, after, around.after)
    yield from (Danger("alert", sentence) for sentence in found)


def endpoints(monitor: Object | None) -> list[Object]:
    field = MONITORS[monitor["kind"]][0] if monitor else ""
    return [each for each in dig(monitor, "spec", field) or [] if isinstance(each, dict)]


def namespaces(monitor: Object) -> set[str] | None:
    """Where a monitor looks; None for everywhere."""
    selector = dig(monitor, "spec", "namespaceSelector") or {}
    return None if selector.get("any") is True else set(selector.get("matchNames") or [namespace_of(monitor)])


def found_by(monitor: Object, side: Side) -> list[Object]:
    """The Services, or what makes the pods, that a monitor selects in its overlay."""
    selector, where = dig(monitor, "spec", "selector"), namespaces(monitor)
    known = side.pods if monitor["kind"] == "PodMonitor" else side.services
    numbers = {n for namespace in ([None] if where is None else where) for n in known.find(namespace, selector)}
    return [side.by_number[number] for number in sorted(numbers)]


def labels_of(each: Object) -> Object:
    return dig(each, "metadata", "labels") or {}


def port_names(each: Object) -> set[Any]:
    if each["kind"] == "Service":
        return {port.get("name") for port in dig(each, "spec", "ports") or []}
    return {port.get("name") for one in containers(each).values() for port in one.get("ports") or []}


def scraped(monitor: Object, side: Side) -> list[Any]:
    """The ports that a monitor scrapes on something in its overlay; those by number count."""
    selected = found_by(monitor, side)
    return [
        port for each in endpoints(monitor) for port in [each.get("port")]
        if selected and (port is None or any(port in port_names(one) for one in selected))
    ]  # fmt: skip


def nothing_found(before: Object | None, after: Object, around: Around) -> Iterator[str]:
    what = MONITORS[after["kind"]][1]
    if not endpoints(after):
        if before is None or endpoints(before):
            yield f"It names no port to scrape any more: {CONSEQUENCE}." if before else "It names no port to scrape."
        return
    where = namespaces(after)
    if where is not None and not where & around.after.namespaces and (before is None or namespaces(before) == where):
        return  # what it selects is not in this overlay
    if scraped(after, around.after):
        for port in {str(each.get("port")) for each in endpoints(after)} - {*map(str, scraped(after, around.after))}:
            if before is None or port in map(str, scraped(before, around.before)):
                yield f"It scrapes no port {port}: no {what} that it selects has a port of that name."
        return
    had = scraped(before, around.before) if before else []
    if had or before is None or dig(before, "spec") != dig(after, "spec"):
        names = ", ".join(sorted({str(each.get("port")) for each in endpoints(after)}))
        lacks = f"that it selects has a port named {names}" if found_by(after, around.after) else "is selected by it"
        yield f"It scrapes nothing: no {what} of this overlay {lacks}; {CONSEQUENCE}."


def dropped(before: Object, after: Object) -> Iterator[str]:
    """Rules by which targets or samples are thrown away."""
    for field, what in (("relabelings", "targets"), ("metricRelabelings", "samples")):
        old = [rule for each in endpoints(before) for rule in each.get(field) or []]
        for rule in (rule for each in endpoints(after) for rule in each.get(field) or []):
            action = str(dig(rule, "action") or "replace").lower()
            if action in {"drop", "keep", "dropequal", "keepequal"} and rule not in old:
                yield f"It throws {what} away by a new rule ({action} {dig(rule, 'regex') or ''}".rstrip() + ")."


def lost(before: Object, after: Object, around: Around) -> Iterator[str]:
    """Monitors that no longer find a Service, by its labels or the names of its ports."""
    if labels_of(before) == labels_of(after) and port_names(before) == port_names(after):
        return
    for number, monitor in around.after.of("ServiceMonitor"):
        if dig(around.before.by_number.get(number), "spec") != dig(monitor, "spec"):
            continue  # its own change says so
        selector, where = dig(monitor, "spec", "selector"), namespaces(monitor)
        if where is not None and namespace_of(after) not in where:
            continue
        name = f"ServiceMonitor/{monitor['metadata']['name']}"
        old, new = (selects(selector, labels_of(each)) for each in (before, after))
        if old and not new:
            yield f"{name} no longer selects it, by its labels: {CONSEQUENCE}."
        elif old:
            for port in sorted({str(each.get("port")) for each in endpoints(monitor) if each.get("port")}):
                if port in port_names(before) and port not in port_names(after):
                    yield f"{name} scrapes its port {port}, which is gone: {CONSEQUENCE}."


def released(before: Object, after: Object, side: Side) -> Iterator[str]:
    """That what chooses objects by their labels no longer loads one: what is in the overlay, else by usual labels."""
    old, new = (labels_of(each) for each in (before, after))
    kind = "Alertmanager" if after["kind"] == "AlertmanagerConfig" else "Prometheus"
    if loading := side.of(kind):
        for _, each in loading:
            selector = dig(each, "spec", CHOOSING[after["kind"]])
            if selects(selector, old) and not selects(selector, new):
                yield f"{kind}/{each['metadata']['name']} no longer loads it, by its labels."
        return
    for key in RELEASE:
        if key in old and old[key] != new.get(key):
            now = f"{new[key]} instead of {old[key]}" if key in new else f"gone, and was {old[key]}"
            yield f"Its label {key} is {now}: a Prometheus that chooses by it no longer loads it."
