"""Who can reach what: Services, Gateways, routes, network policies."""

from collections.abc import Iterator

from delivery.manifests import Object, dig
from delivery.review.around import Around, Side, namespace_of
from delivery.review.dangers import edge, gateways, network_policies, trust
from delivery.review.dangers.traffic import inside
from delivery.review.model import Danger
from delivery.review.pod_templates import containers

OUTSIDE = ("LoadBalancer", "NodePort")
IN_CLUSTER = (".svc", ".svc.cluster.local")


def dangers(before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    known = after or before
    if known and known["kind"] in edge.POLICIES | edge.FRONT:
        yield from (Danger("exposure", sentence) for sentence in edge.policy(before, after))
    if known and known["kind"] in edge.CERTIFICATES:
        yield from (Danger("availability", sentence) for sentence in edge.certificate(before, after))
    if after and after["kind"] in trust.RULES:
        yield from (Danger("exposure", sentence) for sentence in trust.RULES[after["kind"]](before, after))
    rules = known and {
        "Service": service,
        "Ingress": route,
        "HTTPRoute": route,
        "GRPCRoute": route,
        "TLSRoute": route,
        "TCPRoute": route,
        "Gateway": gateways.dangers,
        "NetworkPolicy": network_policies.dangers,
    }.get(known["kind"])
    if rules:
        yield from (Danger("exposure", sentence) for sentence in rules(before, after, around))


def service(before: Object | None, after: Object | None, around: Around) -> Iterator[str]:
    if after is None:
        return
    if before is None:
        yield from new_service(after)
        return
    was, now = (dig(each, "spec", "type") or "ClusterIP" for each in (before, after))
    target, other = (str(dig(each, "spec", "externalName") or "") for each in (after, before))
    if was == now == "ExternalName" and target != other:
        yield f"Who asks for it is sent to {target} instead of {other}."
    if was != now:
        yield f"Its type changes from {was} to {now}: {of_type(was, now, after)}."
    elif now in OUTSIDE:
        yield from opened(before, after)
    yield from edge.annotations(before, after, addressed=False)
    old, new = ports(before, around.before), ports(after, around.after)
    yield from moved_ports(old, new)
    if was == now and now in OUTSIDE and (added := sorted(new.keys() - old.keys())):
        yield f"It can be reached from outside the cluster on port {', '.join(added)} too."
    if dig(after, "spec", "publishNotReadyAddresses") is True and not dig(before, "spec", "publishNotReadyAddresses"):
        yield "Requests reach pods that are not ready (publishNotReadyAddresses)."
    if dig(before, "spec", "externalIPs") != dig(after, "spec", "externalIPs"):
        yield "Its external addresses change."


def new_service(after: Object) -> Iterator[str]:
    kind, target = dig(after, "spec", "type"), str(dig(after, "spec", "externalName") or "")
    if kind in OUTSIDE:
        yield f"A new Service of type {kind} can be reached from outside the cluster{allowed(after)}."
    if kind == "ExternalName" and not target.rstrip(".").endswith(IN_CLUSTER):
        yield f"A new Service of type ExternalName: who asks for it is sent to {target}, outside of the cluster."
    if outside := dig(after, "spec", "externalIPs"):
        yield f"A new Service answers on the external addresses {', '.join(map(str, outside))}."


def of_type(was: str, now: str, after: Object) -> str:
    """What another type of a Service means."""
    if now in OUTSIDE:
        return f"it can be reached from outside the cluster{allowed(after)}"
    if now == "ExternalName":
        return f"who asks for it is sent to {dig(after, 'spec', 'externalName')}"
    return "its outside address goes" if was in OUTSIDE else "it leads to its own pods again"


def opened(before: Object, after: Object) -> Iterator[str]:
    if internal(before) and not internal(after):
        yield "Its load balancer is no longer internal: it gets a public address."
    old, new = (dig(each, "spec", "loadBalancerSourceRanges") or [] for each in (before, after))
    if old and not new:
        yield "Its source ranges are removed: everybody may connect."
    elif old and (added := [str(each) for each in new if not inside(each, old)]):
        yield f"More addresses may connect: {', '.join(added)}."


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
        if name not in new and (other := spoken(name, new)):
            yield f"Its port {name.partition(' ')[0]} speaks {other}: who speaks {spoken_by(name)} gets no answer."
        elif name not in new:
            yield f"Its port {name} goes: clients and network policies must follow."
        elif new[name][1] != number:
            yield f"Its port {name} leads to {new[name][0]} instead of {target}: pods and network policies must follow."


def spoken_by(name: str) -> str:
    """The protocol of a port, by its name among `ports`."""
    return name.partition("(")[2].rstrip(")") or "TCP"


def spoken(name: str, new: dict[str, tuple[str, object]]) -> str:
    """The protocols that a port of the same number speaks now; "" where there is none."""
    number = name.partition(" ")[0]
    return " and ".join(spoken_by(each) for each in new if each.partition(" ")[0] == number)


def internal(each: Object) -> bool:
    found = dig(each, "metadata", "annotations") or {}
    return any(
        str(found[key]).lower() in map(str.lower, known["safe"])
        for key, known in edge.table()["switches"].items()
        if key in found and key.rpartition("/")[2].startswith(("load-balancer", "aws-load", "azure-load"))
    )


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
    yield from edge.annotations(before, after)
    if after["kind"] == "Ingress":
        yield from edge.served_in_the_clear(before, after)
    if dig(before, "spec") != dig(after, "spec") and with_class(before) != with_class(after):
        yield "What requests from outside reach changes: look at its hosts, paths and Services."


def with_class(each: Object) -> Object:
    """The spec of an Ingress, with the class that may stand in an annotation; that of another route as it is."""
    named = dig(each, "metadata", "annotations", "kubernetes.io/ingress.class")
    return {**({"ingressClassName": named} if named else {}), **(dig(each, "spec") or {})}
