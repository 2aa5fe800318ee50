"""Who can reach what: Services, Gateways, routes, network policies."""

import ipaddress
from collections.abc import Iterator
from typing import Any

from delivery.manifests import Object, dig
from delivery.review.model import Danger

OUTSIDE = ("LoadBalancer", "NodePort")
INTERNAL = ("networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type")


def dangers(before: Object | None, after: Object | None) -> Iterator[Danger]:
    known = after or before
    rules = known and {
        "Service": service,
        "Ingress": route,
        "HTTPRoute": route,
        "GRPCRoute": route,
        "TLSRoute": route,
        "TCPRoute": route,
        "Gateway": gateway,
        "NetworkPolicy": network_policy,
    }.get(known["kind"])
    if rules:
        yield from (Danger("exposure", sentence) for sentence in rules(before, after))


def service(before: Object | None, after: Object | None) -> Iterator[str]:
    if after is None:
        return
    was, now = (dig(each, "spec", "type") or "ClusterIP" for each in (before, after))
    if before is None and now in OUTSIDE:
        yield f"A new Service of type {now} can be reached from outside the cluster{allowed(after)}."
    if before is None:
        return
    if was != now:
        if now in OUTSIDE:
            consequence = f"it can be reached from outside the cluster{allowed(after)}"
        elif now == "ExternalName":
            consequence = f"who asks for it is sent to {dig(after, 'spec', 'externalName')}"
        else:
            consequence = "its outside address goes" if was in OUTSIDE else "it leads to its own pods again"
        yield f"Its type changes from {was} to {now}: {consequence}."
    elif now in OUTSIDE:
        yield from opened(before, after)
    old, new = (words(ports(each)) for each in (before, after))
    if old != new:
        yield f"Its ports change from {old} to {new}: clients and network policies must follow."
    if dig(before, "spec", "externalIPs") != dig(after, "spec", "externalIPs"):
        yield "Its external addresses change."


def opened(before: Object, after: Object) -> Iterator[str]:
    if internal(before) and not internal(after):
        yield "Its load balancer is no longer internal: it gets a public address."
    old, new = (dig(each, "spec", "loadBalancerSourceRanges") or [] for each in (before, after))
    if old and not new:
        yield "Its source ranges are removed: everybody may connect."
    elif old and (added := [str(each) for each in new if not any(inside(each, other) for other in old)]):
        yield f"More addresses may connect: {', '.join(added)}."


def ports(each: Object) -> list[str]:
    found = dig(each, "spec", "ports") or []
    return [f"{p.get('port')} -> {p.get('targetPort', p.get('port'))}" for p in found if isinstance(p, dict)]


def words(found: list[str]) -> str:
    return ", ".join(found) or "none"


def internal(each: Object) -> bool:
    annotations = dig(each, "metadata", "annotations") or {}
    return any(annotations.get(key) == "Internal" for key in INTERNAL)


def allowed(each: Object) -> str:
    ranges = dig(each, "spec", "loadBalancerSourceRanges") or []
    if internal(each):
        return ", by an internal address"
    return f", by {', '.join(map(str, ranges))}" if ranges else ", by everybody"


def route(before: Object | None, after: Object | None) -> Iterator[str]:
    if after is None:
        return
    if before is None:
        yield f"A new {after['kind']} brings requests from outside to Services of the cluster."
        return
    if dig(before, "spec") != dig(after, "spec"):
        yield "What requests from outside reach changes: look at its hosts, paths and Services."


def gateway(before: Object | None, after: Object | None) -> Iterator[str]:
    if after is None:
        return
    old, new = (dig(each, "spec", "listeners") or [] for each in (before, after))
    for listener in new:
        if listener not in old:
            name, port, protocol = (listener.get(key) for key in ("name", "port", "protocol"))
            yield f"It has a new or other listener {name} ({protocol} on port {port}): it answers the outside."
    kept = {listener.get("name") for listener in new}
    for name in (listener.get("name") for listener in old):
        if name not in kept:
            yield f"Its listener {name} goes: what came by it is no longer answered."
    was, now = (dig(each, "spec", "gatewayClassName") for each in (before, after))
    if before and was != now:
        yield f"Its class changes from {was} to {now}: others may reach it."
    if before and dig(before, "spec", "addresses") != dig(after, "spec", "addresses"):
        yield "Its address changes: DNS must follow."


def network_policy(before: Object | None, after: Object | None) -> Iterator[str]:
    if after is None:
        return
    old_spec, new_spec = dig(before, "spec") or {}, dig(after, "spec") or {}
    if before and old_spec.get("podSelector") != new_spec.get("podSelector"):
        yield "It applies to other pods: those that it leaves may be open now."
    if before:
        lost = [each for each in types(old_spec) if each not in types(new_spec)]
        if lost:
            yield f"It no longer isolates {' and '.join(lost).lower()} traffic."
    for way, peers, direction in (("ingress", "from", "in from"), ("egress", "to", "out to")):
        for rule in new_spec.get(way) or []:
            if isinstance(rule, dict) and not any(covers(old, rule, peers) for old in old_spec.get(way) or []):
                on = ", ".join(dict.fromkeys(map(port_range, rule.get("ports") or [])))
                yield f"It lets traffic {direction} {reach(rule.get(peers))} on {f'port {on}' if on else 'every port'}."


def covers(old: Object, new: Object, peers: str) -> bool:
    """Whether an old rule already let in all that a new one does, by address ranges and listed ports."""
    if old == new:
        return True
    if old.get("ports") and not (new.get("ports") and all(port in old["ports"] for port in new["ports"])):
        return False
    if not old.get(peers):
        return True
    return bool(new.get(peers)) and all(any(within(one, other) for other in old[peers]) for one in new[peers])


def within(new: Any, old: Any) -> bool:
    if new == old:
        return True
    if set(new) != {"ipBlock"} or set(old) != {"ipBlock"} or dig(old, "ipBlock", "except"):
        return False
    return inside(new["ipBlock"].get("cidr"), old["ipBlock"].get("cidr"))


def inside(new: Any, old: Any) -> bool:
    """Whether one address range lies within another."""
    if new == old:
        return True
    try:
        inner, outer = (ipaddress.ip_network(str(each), strict=False) for each in (new, old))
    except ValueError:
        return False
    return inner.version == outer.version and inner.network_address in outer and inner.prefixlen >= outer.prefixlen


def port_range(port: Object) -> str:
    first = str(port.get("port", "any"))
    return f"{first} to {port['endPort']}" if "endPort" in port else first


def types(spec: Object) -> list[str]:
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def reach(peers: Any) -> str:
    """A rule's peers in words; no peer at all means everybody."""
    if not peers:
        return "anywhere"
    result = []
    for peer in peers:
        cidr = dig(peer, "ipBlock", "cidr")
        if cidr is not None:
            result.append("anywhere" if everywhere(cidr) else str(cidr))
        elif dig(peer, "namespaceSelector") == {}:
            result.append("every namespace" if not peer.get("podSelector") else "some pods of every namespace")
        else:
            result.append("some pods")
    return ", ".join(dict.fromkeys(result))


def everywhere(cidr: Any) -> bool:
    try:
        return ipaddress.ip_network(str(cidr), strict=False).prefixlen == 0
    except ValueError:
        return False
