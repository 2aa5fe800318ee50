"""The objects whose metrics alerting and recording rules ask for, by the labels in their queries."""

from collections import defaultdict
from collections.abc import Iterator

from delivery.manifests import Object, dig
from delivery.review.around import Side, namespace_of
from delivery.review.dangers.recording import parsed, selectors
from delivery.review.links.harmless import harmless
from delivery.review.links.labels import MOST

KINDS = {
    "cronjob": "CronJob",
    "daemonset": "DaemonSet",
    "deployment": "Deployment",
    "horizontalpodautoscaler": "HorizontalPodAutoscaler",
    "persistentvolumeclaim": "PersistentVolumeClaim",
    "poddisruptionbudget": "PodDisruptionBudget",
    "statefulset": "StatefulSet",
}
"""Labels of kube-state-metrics that hold the name of an object of that kind."""


def asked(side: Side, chosen: list[tuple[int, str, int]]) -> Iterator[tuple[int, int]]:
    """Number of a PrometheusRule, and of an object whose metrics it asks for.

    These are monitors of a job, objects that kube-state-metrics tells of, and other rules that record a series.
    `chosen`: what monitors scrape.
    """
    rules = {number: harmless(all_rules, each) for number, each in side.of("PrometheusRule")}
    if not rules:
        return
    objects = dict(side.objects)
    sources: dict[tuple[str, str], list[int]] = defaultdict(list)
    for label, value, number in [*named(side), *jobs(objects, chosen), *recorded(rules)]:
        sources[label, value].append(number)
    room = MOST * len(side.objects)
    for number, found in rules.items():
        for label, value, namespace in {each for rule in found for each in wanted(rule.get("expr"))}:
            others = sources.get((label, value), [])
            if len(others) <= room:
                room -= len(others)
                yield from ((number, each) for each in others if namespace in {None, namespace_of(objects[each])})


def named(side: Side) -> Iterator[tuple[str, str, int]]:
    """Label and value of the metrics about an object, and its number."""
    for label, kind in KINDS.items():
        yield from ((label, each["metadata"]["name"], number) for number, each in side.of(kind))


def jobs(objects: dict[int, Object], chosen: list[tuple[int, str, int]]) -> Iterator[tuple[str, str, int]]:
    """The label job of the metrics that a monitor collects, and its number."""
    for number, _, scraped in chosen:
        monitor, other = objects[number], objects[scraped]
        if monitor["kind"] == "PodMonitor":
            yield "job", f"{namespace_of(monitor)}/{monitor['metadata']['name']}", number
        elif monitor["kind"] == "ServiceMonitor":
            label = dig(monitor, "spec", "jobLabel")
            job = dig(other, "metadata", "labels", str(label)) if label else None
            yield "job", str(job or other["metadata"]["name"]), number


def recorded(rules: dict[int, list[Object]]) -> Iterator[tuple[str, str, int]]:
    """Names of the series that rules record, and the number of their object."""
    for number, found in rules.items():
        yield from (("__name__", str(rule["record"]), number) for rule in found if "record" in rule)


def all_rules(each: Object) -> Iterator[Object]:
    for group in dig(each, "spec", "groups") or []:
        yield from (rule for rule in dig(group, "rules") or [] if isinstance(rule, dict))


def wanted(expression: object) -> Iterator[tuple[str, str, str | None]]:
    """Labels and values that a query asks for, and in which namespace; None for any."""
    tree = parsed(expression)
    for selector in selectors(tree) if tree is not None else ():
        equal = {each.name: each.value for each in selector.matchers.matchers if str(each.op) == "MatchOp.Equal"}
        if selector.name:
            yield "__name__", str(selector.name), None
        for label, value in equal.items():
            yield label, value, equal.get("namespace")
