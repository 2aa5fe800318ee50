"""What keeps pods alive and found: probes, limits, budgets, selectors."""

from collections.abc import Iterator

from delivery.manifests import Object, dig
from delivery.review.around import Around, Side, namespace_of, scaled
from delivery.review.dangers import budgets, probes
from delivery.review.model import Danger
from delivery.review.pod_templates import containers, pod_spec

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
    "PodDisruptionBudget": ("spec.selector", "it protects other pods, or none"),
    "ServiceMonitor": ("spec.selector", "other Services are scraped, or none"),
    "PodMonitor": ("spec.selector", "other pods are scraped, or none"),
    "HorizontalPodAutoscaler": ("spec.scaleTargetRef", "it scales something else"),
}


def dangers(before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    if before is None or after is None:
        return
    if after["kind"] in SELECTORS:
        field, consequence = SELECTORS[after["kind"]]
        was, now = (dig(each, *field.split(".")) for each in (before, after))
        if was != now and not same_found(before, after, around):
            yield Danger("selector", f"{field} changes: {consequence}.")
    kept = containers(after)
    for name, old in containers(before).items():
        sentences = (
            removed(name, old, kept[name]) if name in kept else [f"Container {name} is gone, or has a new name."]
        )
        yield from (Danger("safety net", sentence) for sentence in sentences)
    old_spec, new_spec = pod_spec(before) or {}, pod_spec(after) or {}
    if (lost := old_spec.get("priorityClassName")) and new_spec and not new_spec.get("priorityClassName"):
        yield Danger("safety net", f"Its pods lose priority class {lost}: others may take their place on a full node.")
    helpers = {str(dig(each, "name")): each for each in new_spec.get("initContainers") or []}
    for each in old_spec.get("initContainers") or []:
        name = str(dig(each, "name"))
        if name in helpers and dig(each, "restartPolicy") == "Always" != dig(helpers[name], "restartPolicy"):
            sentence = "no longer runs beside the others (restartPolicy): they start only when it ends"
            yield Danger("availability", f"Container {name} {sentence}.")
    yield from (Danger("safety net", sentence) for sentence in probes.dangers(before, after))
    if after["kind"] == "PodDisruptionBudget":
        yield from (Danger("safety net", sentence) for sentence in budgets.dangers(before, after, around))


def same_found(before: Object, after: Object, around: Around) -> bool:
    """Whether an object finds the same others as before, as far as they are in its overlay."""
    old, new = (found(each, side) for each, side in zip((before, after), around.sides(), strict=True))
    return bool(old) and old == new


def found(each: Object, side: Side) -> set[int]:
    """The numbers of the workloads, or Services, that an object selects or scales."""
    namespace = namespace_of(each)
    if each["kind"] == "HorizontalPodAutoscaler":
        kind, _, name = scaled(each).partition("/")
        number = side.number(kind, namespace, name)
        return set() if number is None else {number}
    selector = dig(each, "spec", "selector")
    if each["kind"] == "Service":
        selector = {"matchLabels": selector} if selector else None
    if each["kind"] == "ServiceMonitor":
        return set(side.services.find(namespace, selector))
    return {one.number for one in side.selected(namespace, selector)}


def removed(name: str, old: Object, new: Object) -> Iterator[str]:
    for probe, consequence in PROBES.items():
        if old.get(probe) and not new.get(probe):
            yield f"Container {name} loses its {probe}: {consequence}."
    for part, consequence in RESOURCES.items():
        had, has = (dig(each, "resources", part) or {} for each in (old, new))
        if part == "requests":  # the API server takes the limit for a request that is not there
            has = {**(dig(new, "resources", "limits") or {}), **has}
        for resource in sorted(had.keys() - has.keys()):
            yield f"Container {name} loses its {part[:-1]} of {resource}: {consequence}."
    if dig(old, "lifecycle", "preStop") and not dig(new, "lifecycle", "preStop"):
        yield f"Container {name} loses its preStop hook: it stops while requests still come."
