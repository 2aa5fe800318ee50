"""What NetworkPolicies let in and out that was held back before, whatever they are written like.

Judged for each workload of the overlay that a policy selects, together with the other policies that select it: a pod
that no policy isolates may be reached by everybody, and one that several do by all that any of them allows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from delivery.manifests import Object, dig
from delivery.review.around import Around, Side, Workload, namespace_of, selector_of
from delivery.review.dangers.traffic import (
    SOME_PODS,
    Port,
    allows,
    entries,
    gained,
    peer_reach,
    port_words,
    rule_reach,
    words,
)
from delivery.review.selectors import requirements, selects, within

WAYS = (("Ingress", "ingress", "from", "in from"), ("Egress", "egress", "to", "out to"))


@dataclass(frozen=True)
class Target:
    """Pods that a policy selects, with the policies for them on both sides."""

    name: str  # "" for pods that are not in this overlay
    old: list[Object]
    new: list[Object]
    is_new: bool


def dangers(before: Object | None, after: Object | None, around: Around) -> Iterator[str]:
    """Sentences about one policy, both sides as they are stored."""
    if after is None:
        return
    found: dict[str, None] = {}
    for target in targets(before, after, around):
        for kind, way, peers, direction in WAYS:
            old, new = ([each for each in side if kind in policy_types(each)] for side in (target.old, target.new))
            if not old and not target.is_new:
                continue  # everything was allowed
            if not new:
                if before and kind in policy_types(before) and before in old:
                    found[opened(target.name, way)] = None
            elif after in new:
                found |= dict.fromkeys(more(old, after, way, peers, direction, to_pods=not target.is_new))
    if left_behind(before, after, around):
        found["It applies to other pods: those that it leaves may be open now."] = None
    yield from found


def targets(before: Object | None, after: Object, around: Around) -> Iterator[Target]:
    namespace = namespace_of(after)
    known: dict[int, Workload] = {}
    for side, policy in zip(around.sides(), (before, after), strict=True):
        if policy:
            known |= {each.number: each for each in side.selected(namespace, dig(policy, "spec", "podSelector") or {})}
    for number, each in known.items():
        old, new = (side.workload.get(number) for side in around.sides())
        if new:
            yield Target(
                each.name, of_pod(around.before, before, old), of_pod(around.after, after, new), is_new=old is None
            )
    if not known:
        yield Target("", [*every_pod(around.before, before, namespace)], [*every_pod(around.after, after, namespace)],
                     is_new=False)  # fmt: skip


def of_pod(side: Side, policy: Object | None, pod: Workload | None) -> list[Object]:
    """The policies that select a pod; `policy` itself first."""
    if pod is None:
        return []
    namespace = namespace_of(pod.value)
    found = [each for _, each in side.selecting("NetworkPolicy", namespace, pod.labels)]
    if policy is None:
        return found
    others = [each for each in found if each["metadata"]["name"] != policy["metadata"]["name"]]
    return [policy, *others] if selects(selector_of(policy), pod.labels) else others


def every_pod(side: Side, policy: Object | None, namespace: str) -> Iterator[Object]:
    """A policy, and those that select all pods of its namespace."""
    if policy:
        yield policy
    for _, each in side.selecting("NetworkPolicy", namespace, {}):
        same = policy and each["metadata"]["name"] == policy["metadata"]["name"]
        if not same and not requirements(dig(each, "spec", "podSelector")):
            yield each


def left_behind(before: Object | None, after: Object, around: Around) -> bool:
    """Whether a policy may leave pods that are not in this overlay, or of which nothing is known."""
    if before is None:
        return False
    old, new = (dig(each, "spec", "podSelector") or {} for each in (before, after))
    namespace = namespace_of(after)
    known = around.before.selected(namespace, old) or around.after.selected(namespace, new)
    return not known and not within(requirements(old), requirements(new))


def policy_types(policy: Object) -> list[str]:
    spec = dig(policy, "spec") or {}
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def opened(name: str, way: str) -> str:
    if not name:
        return f"It no longer isolates {way} traffic."
    everybody = "everybody may reach it" if way == "ingress" else "it may reach everything"
    return f"No policy isolates the {way} traffic of {name} any more: {everybody}."


def closing(before: Object | None, after: Object, around: Around) -> Iterator[str]:
    """What a policy keeps pods from that they need, both sides as they are stored."""
    found: dict[str, None] = {}
    for target in targets(before, after, around):
        for kind, way, _, _ in WAYS:
            old, new = ([each for each in side if kind in policy_types(each)] for side in (target.old, target.new))
            known = target.name or not others_allow(after, way, around.after)
            if after in new and known and not target.is_new:
                found |= dict.fromkeys(shut(target.name, old, new, way))
    yield from found


def others_allow(policy: Object, way: str, side: Side) -> bool:
    """Whether other policies of the namespace allow something, for pods of which nothing is known."""
    return bool(side.allowing.get((namespace_of(policy), way), set()) - {policy["metadata"]["name"]})


def shut(name: str, old: list[Object], new: list[Object], way: str) -> Iterator[str]:
    """That nothing is let in or out any more, or no question to DNS."""
    pods = f"the pods of {name}" if name else "the pods that it selects"
    was, now = ([rule for each in side for rule in dig(each, "spec", way) or []] for side in (old, new))
    if old and not was:
        return
    if not now:
        consequence = "nothing reaches them" if way == "ingress" else "they reach nothing, not even DNS"
        yield f"No policy lets traffic {'in to' if way == 'ingress' else 'out of'} {pods}: {consequence}."
    elif way == "egress" and (not old or asks_dns(was)) and not asks_dns(now):
        yield f"No policy lets {pods} ask DNS (port 53): names are no longer resolved."


def asks_dns(rules: list[Object]) -> bool:
    return any(allows(rule, Port(protocol, 53, 53)) for rule in rules for protocol in ("UDP", "TCP"))


def more(old: list[Object], after: Object, way: str, peers: str, direction: str, *, to_pods: bool) -> Iterator[str]:
    """What a policy allows and the old ones did not, in words; traffic with some pods alone only where asked for."""
    held = [
        (rule, rule_reach(rule, peers, namespace_of(policy)))
        for policy in old
        for rule in dig(policy, "spec", way) or []
        if isinstance(rule, dict)
    ]
    for rule in dig(after, "spec", way) or []:
        found: dict[str, list[str]] = {}  # open ports, by the words for the peers that may reach them
        for peer in rule.get(peers) or [None]:
            whole = rule_reach({}, peers, "") if peer is None else peer_reach(peer, namespace_of(after))
            for entry in entries(rule):
                part = gained(whole, entry, held)
                if part and (to_pods or words(peer, part, whole) != SOME_PODS):
                    found.setdefault(words(peer, part, whole), []).append(port_words(entry))
        for on in dict.fromkeys(map(tuple, found.values())):
            who = ", ".join(each for each, opened_ports in found.items() if tuple(opened_ports) == on)
            yield f"It lets traffic {direction} {who} on {', '.join(dict.fromkeys(on))}."
