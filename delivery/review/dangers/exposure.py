"""Who can reach what: Services, Gateways, routes, network policies."""

from collections.abc import Iterator

from delivery.manifests import Object, dig
from delivery.review.around import Around, Side, namespace_of
from delivery.review.dangers import network_policies
from delivery.review.dangers.traffic import addresses, cut
from delivery.review.model import Danger
from delivery.review.pod_templates import containers

OUTSIDE = ("LoadBalancer", "NodePort")
INTERNAL = ("networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type")


def dangers(before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    known = after or before
    rules = known and {
        "Service": service,
        "Ingress": route,
        "HTTPRoute": route,
        "GRPCRoute": route,
        "TLSRoute": route,
        "TCPRoute": route,
        "Gateway": gateway,
        "NetworkPolicy": network_policies.dangers,
    }.get(known["kind"])
    if rules:
        yield from (Danger("exposure", sentence) for sentence in rules(before, after, around))


def service(before: Object | None, after: Object | None, around: Around) -> Iterator[str]:
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
    yield from moved_ports(ports(before, around.before), ports(after, around.after))
    if dig(before, "spec", "externalIPs") != dig(after, "spec", "externalIPs"):
        yield "Its external addresses change."


def opened(before: Object, after: Object) -> Iterator[str]:
    if internal(before) and not internal(after):
        yield "Its load balancer is no longer internal: it gets a public address."
    old, new = (dig(each, "spec", "loadBalancerSourceRanges") or [] for each in (before, after))
    if old and not new:
        yield "Its source ranges are removed: everybody may connect."
    elif old and (added := [str(each) for each in new if not inside(each, old)]):
        yield f"More addresses may connect: {', '.join(added)}."


def inside(cidr: object, ranges: list[object]) -> bool:
    """Whether all addresses of a range are in some of the others."""
    held = addresses(ranges)
    return all(not cut(each, held.get(version, [])) for version, each in addresses([cidr]).items())


def ports(each: Object, side: Side) -> dict[str, tuple[str, object]]:
    """What each port leads to, as it is written and as its pods number it."""
    known: dict[object, object] = {}
    for pod in side.selected(namespace_of(each), {"matchLabels": dig(each, "spec", "selector") or {"": ""}}):
        for container in containers(pod.value).values():
            known |= {port.get("name"): port.get("containerPort") for port in container.get("ports") or []}
    found = {}
    for port in dig(each, "spec", "ports") or []:
        protocol, target = port.get("protocol") or "TCP", port.get("targetPort", port.get("port"))
        name = f"{port.get('port')}" + ("" if protocol == "TCP" else f" ({protocol})")
        found[name] = (str(target), known.get(target, target))
    return found


def moved_ports(old: dict[str, tuple[str, object]], new: dict[str, tuple[str, object]]) -> Iterator[str]:
    for name, (target, number) in old.items():
        if name not in new:
            yield f"Its port {name} goes: clients and network policies must follow."
        elif new[name][1] != number:
            yield f"Its port {name} leads to {new[name][0]} instead of {target}: pods and network policies must follow."


def internal(each: Object) -> bool:
    annotations = dig(each, "metadata", "annotations") or {}
    return any(annotations.get(key) == "Internal" for key in INTERNAL)


def allowed(each: Object) -> str:
    ranges = dig(each, "spec", "loadBalancerSourceRanges") or []
    if internal(each):
        return ", by an internal address"
    return f", by {', '.join(map(str, ranges))}" if ranges else ", by everybody"


def route(before: Object | None, after: Object | None, _: Around) -> Iterator[str]:
    if after is None:
        return
    if before is None:
        yield f"A new {after['kind']} brings requests from outside to Services of the cluster."
        return
    if dig(before, "spec") != dig(after, "spec"):
        yield "What requests from outside reach changes: look at its hosts, paths and Services."


def gateway(before: Object | None, after: Object | None, _: Around) -> Iterator[str]:
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
