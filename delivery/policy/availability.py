"""What keeps the service up while pods come and go."""

from collections.abc import Iterator
from functools import partial

from delivery.manifests import Render, dig, identity, selects
from delivery.policy.rule import Rule, register

RULES: list[Rule] = []
rule = partial(register, RULES)

ZONE = "topology.kubernetes.io/zone"


@rule("drain")
def pods_drain_before_they_end(render: Render) -> Iterator[str]:
    for each in render.of("Deployment"):
        spec = each["spec"]["template"]["spec"]
        grace = spec.get("terminationGracePeriodSeconds", 30)
        for container in spec["containers"]:
            sleep = dig(container, "lifecycle", "preStop", "sleep", "seconds") or 0
            if not 5 <= sleep <= grace - 30:
                yield (
                    f"{identity(each)} container {container['name']} has a preStop sleep of {sleep} s "
                    f"in {grace} s of grace: it needs at least 5 s, and 30 s after it for what is in flight."
                )


@rule("replicas")
def the_autoscaler_owns_the_replicas(render: Render) -> Iterator[str]:
    scaled = {
        (target["kind"], target["name"]): each["spec"].get("minReplicas", 1)
        for each in render.of("HorizontalPodAutoscaler")
        for target in [each["spec"]["scaleTargetRef"]]
    }
    for each in render.of("Deployment"):
        if "replicas" in each["spec"]:
            yield f"{identity(each)} sets replicas, which its HorizontalPodAutoscaler owns."
        if scaled.get(("Deployment", each["metadata"]["name"]), 0) < 2:
            yield f"{identity(each)} needs a HorizontalPodAutoscaler with minReplicas of at least 2."


@rule("rolling-update")
def a_rollout_takes_nothing_away(render: Render) -> Iterator[str]:
    for each in render.of("Deployment"):
        kind = dig(each, "spec", "strategy", "type") or "RollingUpdate"
        if kind != "RollingUpdate" or dig(each, "spec", "strategy", "rollingUpdate", "maxUnavailable") != 0:
            yield f"{identity(each)} loses pods in a rollout: it needs RollingUpdate with maxUnavailable: 0."


@rule("paused")
def rollouts_run(render: Render) -> Iterator[str]:
    for each in render.of("Deployment"):
        if each["spec"].get("paused"):
            yield f"{identity(each)} is paused, so that its pods stay as they are: remove spec.paused."


@rule("autoscaler-range")
def the_autoscaler_has_a_range(render: Render) -> Iterator[str]:
    for each in render.of("HorizontalPodAutoscaler"):
        least, most = each["spec"].get("minReplicas", 1), each["spec"]["maxReplicas"]
        if most < least:
            yield f"{identity(each)} has maxReplicas {most}, less than its minReplicas {least}: raise maxReplicas."


@rule("zone-spread")
def pods_are_spread_over_zones(render: Render) -> Iterator[str]:
    for each in render.of("Deployment"):
        template = each["spec"]["template"]
        labels = dig(template, "metadata", "labels") or {}
        if not any(
            spread["topologyKey"] == ZONE and selects(spread.get("labelSelector"), labels)
            for spread in template["spec"].get("topologySpreadConstraints", [])
        ):
            yield f"{identity(each)} needs a topologySpreadConstraint over {ZONE} that selects its pods."


@rule("disruption-budget")
def a_node_can_be_drained_but_not_all_at_once(render: Render) -> Iterator[str]:
    for each in render.of("Deployment"):
        labels = dig(each, "spec", "template", "metadata", "labels") or {}
        allowed = [
            budget["spec"].get("maxUnavailable")
            for budget in render.of("PodDisruptionBudget")
            if selects(budget["spec"].get("selector"), labels)
        ]
        if allowed != [1]:
            yield f"{identity(each)} needs one PodDisruptionBudget, with maxUnavailable: 1."
