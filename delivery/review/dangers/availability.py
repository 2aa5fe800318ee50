"""What takes pods away, or keeps them from being replaced: their number, their room, where and how they run."""

from collections.abc import Iterator
from typing import Any

from delivery.manifests import Object, dig
from delivery.quantity import amount
from delivery.review.around import MAKERS, Around
from delivery.review.dangers import budgets, network_policies, schedules
from delivery.review.model import Danger
from delivery.review.pod_templates import containers, pod_spec

GRACE = 30  # seconds that a pod has to end where nothing says otherwise
CUT = {
    "memory": "a process that uses more is killed",
    "cpu": "it is throttled sooner",
    "ephemeral-storage": "a pod that writes more is evicted",
}
REPLICATED = {"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "Rollout"}
# labels of nodes that have a newer name, and what every node for pods like ours has
# Source: https://kubernetes.io/docs/reference/labels-annotations-taints/
NEWER = {
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
}
HELD_BY_ALL = {("kubernetes.io/os", "linux")}
KEDA = "autoscaling.keda.sh/"


def dangers(before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    if after is None:
        return
    found = [*stopped(before, after), *held_up(before, after)]
    if before:
        found += fewer(before, after)
    if pod_spec(after):
        found += room(before, after)
        if before:
            found += placed(before, after)
    if after["kind"] == "CronJob":
        found += schedules.dangers(before, after)
    if after["kind"] == "NetworkPolicy":
        found += network_policies.closing(before, after, around)
    if after["kind"] in MAKERS | {"HorizontalPodAutoscaler", "PodDisruptionBudget"}:
        found += budgets.undrainable(after, around)
    yield from (Danger("availability", sentence) for sentence in found)


def fewer(before: Object, after: Object) -> Iterator[str]:
    """Numbers of pods that fall; an autoscaler that has no minimum has 1."""
    if after["kind"] in REPLICATED:
        was, now = (dig(each, "spec", "replicas") for each in (before, after))
        if now == 0 and was != 0:
            yield "replicas is 0 now: none of its pods runs any more, and no autoscaler starts one."
        elif whole(was) and whole(now) and now < was:
            yield f"replicas falls from {was} to {now}: less room for load and for failures."
    bounds: dict[str, tuple[tuple[str, int | None], ...]] = {
        "HorizontalPodAutoscaler": (("minReplicas", 1), ("maxReplicas", None)),
        "ScaledObject": (("minReplicaCount", 0), ("maxReplicaCount", 100)),
    }
    for field, default in bounds.get(after["kind"], ()):
        was, now = (default if (n := dig(each, "spec", field)) is None else n for each in (before, after))
        if was is not None and now is not None and whole(was) and whole(now) and now < was:
            none = "none of its pods runs" if field.startswith("max") else "all of its pods may be taken away"
            yield f"{field} falls from {was} to {now}: {none if now == 0 else 'less room for load and for failures'}."
    if after["kind"] == "ResourceQuota":
        old, new = (dig(each, "spec", "hard") or {} for each in (before, after))
        for key in sorted(new):
            held, given = amount(old.get(key)), amount(new[key])
            if given is not None and (held is None or given < held):
                change = f"falls from {old[key]} to {new[key]}" if key in old else f"is new, {new[key]}"
                yield f"Its quota of {key} {change}: what is over it is not started any more."


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def stopped(before: Object | None, after: Object) -> Iterator[str]:
    """Work that is switched off."""
    kind = after["kind"]
    if kind in {"Deployment", "Rollout"} and dig(after, "spec", "paused") is True:
        if before is None:
            yield "It is new and paused: none of its pods is started."
        elif dig(before, "spec", "paused") is not True:
            yield "It is paused: no change of its pods, this one included, is rolled out."
    if kind in {"Job", "CronJob"} and dig(after, "spec", "suspend") is True and not dig(before, "spec", "suspend"):
        yield "It is suspended: it does not run until somebody takes that back."
    if kind == "Job" and dig(after, "spec", "parallelism") == 0 and dig(before, "spec", "parallelism") != 0:
        yield "parallelism is 0: none of its pods runs."
    if kind == "ScaledObject":
        old, new = (dig(each, "metadata", "annotations") or {} for each in (before, after))
        for key in (f"{KEDA}paused-replicas", f"{KEDA}paused"):
            if new.get(key) not in (None, "false") and new.get(key) != old.get(key):
                yield f"Its annotation {key} is {new[key]}: the number of pods no longer follows the load."
    if dig(pod_spec(after), "schedulingGates") and not dig(pod_spec(before), "schedulingGates"):
        yield "Its pods are not started until somebody takes their schedulingGates away."


def held_up(before: Object | None, after: Object) -> Iterator[str]:
    """Roll-outs that take all pods at once, or replace none."""
    kind = after["kind"]
    old, new = (dig(each, "spec", "strategy") or {} for each in (before, after))
    if kind == "Deployment" and before and dig(old, "type") != "Recreate":
        if dig(new, "type") == "Recreate":
            yield "All pods stop before new ones start (strategy Recreate)."
        elif dig(new, "rollingUpdate", "maxUnavailable") == "100%" != dig(old, "rollingUpdate", "maxUnavailable"):
            yield "A roll-out may take all pods at once (maxUnavailable 100%)."
    if kind in {"StatefulSet", "DaemonSet"} and before:
        old, new = (dig(each, "spec", "updateStrategy") or {} for each in (before, after))
        if dig(new, "type") == "OnDelete" != dig(old, "type"):
            yield "Its pods are replaced only when somebody deletes them (updateStrategy OnDelete)."
        was, now = (dig(each, "rollingUpdate", "partition") or 0 for each in (old, new))
        if whole(now) and whole(was) and now > was:
            yield f"Its pods with a number below {now} keep their old template (partition)."


def room(before: Object | None, after: Object) -> Iterator[str]:
    """Limits that fall, or that are below what is asked for."""
    old = containers(before)
    for name, container in containers(after).items():
        limits, requests = (dig(container, "resources", part) or {} for part in ("limits", "requests"))
        had, asked = (dig(old.get(name), "resources", part) or {} for part in ("limits", "requests"))
        for resource, given in limits.items():
            limit, was = amount(given), amount(had.get(resource))
            if limit is None:
                continue
            request, reserved = amount(requests.get(resource)), amount(asked.get(resource))
            if request is not None and limit < request:
                yield (
                    f"Container {name}: its limit of {resource}, {given}, is below its request of "
                    f"{requests[resource]}: the API server refuses it."
                )
            elif was is not None and limit < was:
                below = reserved is not None and limit < reserved
                than = f", below the {asked[resource]} that it had reserved" if below else ""
                fall = f"its limit of {resource} falls from {had[resource]} to {given}{than}"
                yield f"Container {name}: {fall}: {CUT.get(resource, 'it gets no more')}."
            elif was is None and reserved is not None and limit < reserved:
                consequence = CUT.get(resource, "it gets no more")
                yield (
                    f"Container {name} gets a limit of {resource} of {given}, below the {asked[resource]} that it had "
                    f"reserved: {consequence}."
                )


def placed(before: Object, after: Object) -> Iterator[str]:
    """Where pods run, and how long they have to end."""
    old, new = pod_spec(before) or {}, pod_spec(after) or {}
    had, has = spread(old), spread(new)
    for key, (strict, skew) in had.items():
        if key not in has:
            yield f"Its pods are no longer spread over {key}: the loss of one may take all of them."
        elif strict and not has[key][0]:
            yield f"Its pods may be placed without being spread over {key} (ScheduleAnyway): one may get all of them."
        elif has[key][1] > skew:
            yield f"Its pods may be spread less evenly over {key}: by {has[key][1]} pods instead of {skew} (maxSkew)."
    apart, still = keys_apart(old), keys_apart(new)
    for key in sorted(apart - still - has.keys()):
        yield f"Its pods are no longer kept apart by {key} (podAntiAffinity): the loss of one may take all of them."
    was, now = (GRACE if n is None else n for n in (each.get("terminationGracePeriodSeconds") for each in (old, new)))
    if whole(was) and whole(now) and now < was:
        change = f"{now} s instead of {was} s to end (terminationGracePeriodSeconds)"
        yield f"Its pods have {change}: work in progress is cut off."
    asked = {(NEWER.get(key, key), str(value)) for key, value in (old.get("nodeSelector") or {}).items()} | HELD_BY_ALL
    given = {(key, str(value)) for key, value in (new.get("nodeSelector") or {}).items()}
    more = sorted(given - asked - {(key, str(value)) for key, value in (old.get("nodeSelector") or {}).items()})
    if more:
        labels = ", ".join(f"{key}={value}" for key, value in more)
        yield f"Its pods run only on nodes with label {labels}: where no node has it, none of them runs."
    elif required(new) and required(new) != required(old):
        yield "Its pods run only on nodes that other rules allow (nodeAffinity): where no node fits, none of them runs."
    yield from untolerated(old, new)


def untolerated(old: Object, new: Object) -> Iterator[str]:
    """Taints of nodes that pods no longer tolerate."""
    kept = [each for each in new.get("tolerations") or [] if isinstance(each, dict)]
    for each in old.get("tolerations") or []:
        if isinstance(each, dict) and not any(covers(other, each) for other in kept):
            key, value = each.get("key", "of every key"), each.get("value")
            effect = f" ({each['effect']})" if each.get("effect") else ""
            taint = f"{key}={value}{effect}" if value else f"{key}{effect}"
            yield f"Its pods no longer tolerate the taint {taint}: they do not run on nodes that have it."


def covers(one: Object, other: Object) -> bool:
    """Whether one toleration holds for every taint of another."""
    if one.get("effect") and one.get("effect") != other.get("effect"):
        return False
    if one.get("operator") == "Exists":
        return not one.get("key") or one.get("key") == other.get("key")
    return other.get("operator") != "Exists" and all(one.get(key) == other.get(key) for key in ("key", "value"))


def spread(spec: Object) -> dict[str, tuple[bool, int]]:
    """By what pods are spread: whether that is kept at any price, and how uneven it may be."""
    found: dict[str, tuple[bool, int]] = {}
    for each in spec.get("topologySpreadConstraints") or []:
        key = str(each.get("topologyKey"))
        strict = each.get("whenUnsatisfiable") != "ScheduleAnyway"
        skew = each.get("maxSkew") or 1
        known = found.get(key, (False, skew))
        found[key] = (known[0] or strict, min(known[1], skew))
    return found


def keys_apart(spec: Object) -> set[str]:
    rules = dig(spec, "affinity", "podAntiAffinity") or {}
    terms = [*(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or [])]
    preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or []
    terms += [dig(each, "podAffinityTerm") or {} for each in preferred]
    return {str(each.get("topologyKey")) for each in terms}


def required(spec: Object) -> Any:
    return dig(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
