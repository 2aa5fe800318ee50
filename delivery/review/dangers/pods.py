"""What keeps pods alive and found: probes, limits, budgets, selectors."""

from collections.abc import Iterator

from delivery.manifests import Object, dig
from delivery.review.model import Danger
from delivery.review.pod_templates import containers

PROBES = {
    "livenessProbe": "a hung process is no longer restarted",
    "readinessProbe": "requests reach pods that cannot answer yet",
    "startupProbe": "a slow start is taken for a hang, or not noticed",
}
RESOURCES = {
    "limits": "one pod may take all of its node",
    "requests": "it is placed on nodes without room for it",
}
SELECTORS = {
    "Service": ("spec.selector", "requests reach other pods, or none"),
    "NetworkPolicy": ("spec.podSelector", "it applies to other pods"),
    "PodDisruptionBudget": ("spec.selector", "it protects other pods, or none"),
    "ServiceMonitor": ("spec.selector", "other Services are scraped, or none"),
    "PodMonitor": ("spec.selector", "other pods are scraped, or none"),
    "HorizontalPodAutoscaler": ("spec.scaleTargetRef", "it scales something else"),
    "Deployment": ("spec.selector", "it owns other pods, and leaves those it had behind"),
    "StatefulSet": ("spec.selector", "it owns other pods, and leaves those it had behind"),
    "DaemonSet": ("spec.selector", "it owns other pods, and leaves those it had behind"),
}

# numbers of pods by kind; without a minimum it is 1, and without `replicas` an autoscaler has it
FEWER = {
    "HorizontalPodAutoscaler": ("minReplicas", "maxReplicas"),
    "Deployment": ("replicas",),
    "StatefulSet": ("replicas",),
}


def dangers(before: Object | None, after: Object | None) -> Iterator[Danger]:
    if before is None or after is None:
        return
    if after["kind"] in SELECTORS:
        field, consequence = SELECTORS[after["kind"]]
        if dig(before, *field.split(".")) != dig(after, *field.split(".")):
            yield Danger("selector", f"{field} changes: {consequence}.")
    now = containers(after)
    for name, old in containers(before).items():
        sentences = removed(name, old, now[name]) if name in now else [f"Container {name} is gone, or has a new name."]
        yield from (Danger("safety net", sentence) for sentence in sentences)
    yield from (Danger("safety net", sentence) for sentence in weakened(before, after))


def removed(name: str, old: Object, new: Object) -> Iterator[str]:
    for probe, consequence in PROBES.items():
        if old.get(probe) and not new.get(probe):
            yield f"Container {name} loses its {probe}: {consequence}."
    for part, consequence in RESOURCES.items():
        had, has = (dig(each, "resources", part) or {} for each in (old, new))
        for resource in sorted(had.keys() - has.keys()):
            yield f"Container {name} loses its {part[:-1]} of {resource}: {consequence}."
    if dig(old, "lifecycle", "preStop") and not dig(new, "lifecycle", "preStop"):
        yield f"Container {name} loses its preStop hook: it stops while requests still come."


def weakened(before: Object, after: Object) -> Iterator[str]:
    if after["kind"] == "PodDisruptionBudget":
        for field, riskier in (("minAvailable", -1), ("maxUnavailable", 1)):
            old, new = dig(before, "spec", field), dig(after, "spec", field)
            if old != new and old is not None and riskier * direction(old, new) >= 0:
                shown = "nothing" if new is None else new
                yield f"{field} changes from {old} to {shown}: more pods may be away at once."
    for field in FEWER.get(after["kind"], ()):
        old, new = (
            1 if field == "minReplicas" and n is None else n for n in (dig(e, "spec", field) for e in (before, after))
        )
        if isinstance(old, int) and isinstance(new, int) and new < old:
            yield f"{field} falls from {old} to {new}: less room for load and for failures."
    old, new = (dig(each, "spec", "strategy") for each in (before, after))
    if after["kind"] == "Deployment" and dig(old, "type") != "Recreate" and dig(new, "type") == "Recreate":
        yield "All pods stop before new ones start (strategy Recreate)."


def direction(old: object, new: object) -> int:
    """1 where a number of pods or a percentage grows, -1 where it falls, 0 where that is not known."""
    if isinstance(old, str) and isinstance(new, str) and old.endswith("%") and new.endswith("%"):
        old, new = (int(each[:-1]) for each in (old, new))
    if isinstance(old, int) and isinstance(new, int):
        return (new > old) - (new < old)
    return 0
