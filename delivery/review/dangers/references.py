"""What one object's change takes from others: ports and labels that they name, keys that they read."""

from collections.abc import Iterator
from typing import Any

from delivery.manifests import Object, dig
from delivery.review.around import Around, Side, backends, namespace_of, selector_of
from delivery.review.dangers import keys, trust
from delivery.review.model import Danger
from delivery.review.pod_templates import containers, pod_labels, pod_spec
from delivery.review.selectors import selects

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
SELECTING = {
    "Service": "requests for it no longer reach them",
    "PodDisruptionBudget": "a drain of nodes may take them all at once",
    "PodMonitor": "their metrics are no longer collected",
}
Port = tuple[str, Any]  # protocol, and name or number


def dangers(before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    known = after or before
    if known is None:
        return
    found: list[str] = []
    if after is None or before is None:
        if after is not None and pod_spec(after):
            found += keys.missing(None, after, around)
    elif pod_spec(after):
        found += [
            *unselected(before, after, around), *lost_ports(before, after, around), *probed(before, after),
            *keys.missing(before, after, around),
        ]  # fmt: skip
    elif after["kind"] in {"ConfigMap", "Secret"}:
        found += keys.lost(before, after, around)
    elif after["kind"] == "Service":
        found += lost_service_ports(before, after, around)
    elif after["kind"] == "CustomResourceDefinition":
        found += trust.served(before, after)
    elif after["kind"] == "Namespace":
        found += shut_out(before, after, around)
    if known["kind"] == "Service" and after is None:
        found += [
            f"{each} still sends requests to it: they are answered with an error."
            for each in routes_to(around.after, namespace_of(known), known["metadata"]["name"], None)
        ]
    yield from (Danger("reference", sentence) for sentence in found)


def left(kind: str, around: Around, namespace: str, old: Object, new: Object) -> Iterator[Object]:
    """Objects that select pods by their old labels and not by the new ones; those that change themselves say so."""
    for number, each in around.before.selecting(kind, namespace, old):
        after = around.after.by_number.get(number)
        if after and selector_of(after) == selector_of(each) and not selects(selector_of(after), new):
            yield after


def unselected(before: Object, after: Object, around: Around) -> Iterator[str]:
    """What selected the pods of a workload and no longer does, as their labels changed."""
    old, new = pod_labels(before), pod_labels(after)
    namespace = namespace_of(after)
    if old == new:
        return
    own = dig(after, "spec", "selector")
    if isinstance(own, dict) and after["kind"] != "Job" and not selects(own, new):
        yield "Its selector does not select its own pods any more: the API server refuses it."
    for kind, consequence in SELECTING.items():
        for each in left(kind, around, namespace, old, new):
            yield f"{kind}/{each['metadata']['name']} no longer selects its pods: {consequence}."
    for each in left("NetworkPolicy", around, namespace, old, new):
        name = f"NetworkPolicy/{each['metadata']['name']}"
        yield f"{name} no longer selects its pods: what it lets in or keeps away from them changes."
    yield from no_peer(old, new, namespace, around)


def no_peer(old: Object, new: Object, namespace: str, around: Around) -> Iterator[str]:
    """Policies that let traffic from or to pods by labels that these no longer have."""
    for _, each in around.after.of("NetworkPolicy"):
        if namespace_of(each) != namespace:
            continue
        for way, peers, words in (("ingress", "from", "in from"), ("egress", "to", "out to")):
            selectors = [
                peer.get("podSelector")
                for rule in dig(each, "spec", way) or []
                for peer in dig(rule, peers) or []
                if isinstance(peer, dict) and peer.get("podSelector")
            ]
            if any(selects(one, old) and not selects(one, new) for one in selectors) and not any(
                selects(one, new) for one in selectors
            ):
                name = f"NetworkPolicy/{each['metadata']['name']}"
                yield f"{name} no longer lets traffic {words} its pods, by their labels."


def shut_out(before: Object, after: Object, around: Around) -> Iterator[str]:
    """Policies that let traffic from or to a namespace by labels that it no longer has."""
    old, new = (dig(each, "metadata", "labels") or {} for each in (before, after))
    for _, each in around.after.of("NetworkPolicy"):
        for way, peers, words in (("ingress", "from", "in from"), ("egress", "to", "out to")):
            selectors = [
                peer["namespaceSelector"]
                for rule in dig(each, "spec", way) or []
                for peer in dig(rule, peers) or []
                if isinstance(peer, dict) and peer.get("namespaceSelector")
            ]
            if any(selects(one, old) for one in selectors) and not any(selects(one, new) for one in selectors):
                name = f"NetworkPolicy/{each['metadata']['name']}"
                yield f"{name} no longer lets traffic {words} its pods, by the labels of this namespace."


def pod_ports(each: Object) -> dict[Port, Any]:
    """Ports of containers, by protocol with name and with number; the number of each."""
    found: dict[Port, Any] = {}
    for container in containers(each).values():
        for port in container.get("ports") or []:
            protocol, number = str(port.get("protocol") or "TCP"), port.get("containerPort")
            found[protocol, number] = number
            if port.get("name"):
                found[protocol, port["name"]] = number
    return found


def lost_ports(before: Object, after: Object, around: Around) -> Iterator[str]:
    """Ports that Services, PodMonitors and policies name, and that the containers of a workload no longer have."""
    old, new = pod_ports(before), pod_ports(after)
    namespace, labels = namespace_of(after), pod_labels(after)
    if old == new:
        return
    for _, service in around.after.selecting("Service", namespace, labels):
        for port in dig(service, "spec", "ports") or []:
            protocol = str(port.get("protocol") or "TCP")
            target = port.get("targetPort") or port.get("port")
            if (
                (protocol, target) in old
                and (protocol, target) not in new
                and not served_by_others(around.after, service, (protocol, target), after)
            ):
                kind = "" if protocol == "TCP" else f" ({protocol})"
                name = f"Service/{service['metadata']['name']}"
                leads = f"{name} sends its port {port.get('port')}{kind} to {target}"
                yield f"{leads}, which no container has any more: requests fail."
    for _, monitor in around.after.selecting("PodMonitor", namespace, labels):
        for endpoint in dig(monitor, "spec", "podMetricsEndpoints") or []:
            name = endpoint.get("port")
            if any(key[1] == name for key in old) and not any(key[1] == name for key in new):
                scrapes = f"PodMonitor/{monitor['metadata']['name']} scrapes port {name}"
                yield f"{scrapes}, which no container has any more: its metrics are missing."
    yield from blocked_ports(old, new, around, namespace, labels)


def served_by_others(side: Side, service: Object, port: Port, apart: Object) -> bool:
    others = side.selected(namespace_of(service), selector_of(service))
    return any(port in pod_ports(one.value) for one in others if one.value["metadata"] != apart["metadata"])


def blocked_ports(
    old: dict[Port, Any], new: dict[Port, Any], around: Around, namespace: str, labels: Object
) -> Iterator[str]:
    """Numbers that a policy lets in and no container has any more, while a port has got another number."""
    moved = [(key, number) for key, number in new.items() if isinstance(key[1], str) and old.get(key, number) != number]
    if not moved:
        return
    for _, policy in around.after.selecting("NetworkPolicy", namespace, labels):
        entries_of = [
            port for rule in dig(policy, "spec", "ingress") or [] for port in dig(rule, "ports") or []
            if isinstance(port, dict)
        ]  # fmt: skip
        known = {(str(port.get("protocol") or "TCP"), port.get("port")) for port in entries_of}
        ranged = [port for port in entries_of if port.get("endPort")]
        for (protocol, name), number in moved:
            was = old[protocol, name]
            if (protocol, was) in known and not known & {(protocol, number), (protocol, name)} and not ranged:
                yield (
                    f"NetworkPolicy/{policy['metadata']['name']} lets traffic in on port {was}, but {name} is {number} "
                    "now: unless another policy does, nothing reaches it."
                )


def probed(before: Object, after: Object) -> Iterator[str]:
    """Probes that ask for the name of a port that their container no longer has."""
    old = containers(before)
    for name, container in containers(after).items():
        if name not in old:
            continue
        had, has = ({port.get("name") for port in each.get("ports") or []} for each in (old[name], container))
        for probe in PROBES:
            for how in ("httpGet", "tcpSocket"):
                port = dig(container, probe, how, "port")
                if isinstance(port, str) and not port.isdigit() and port not in has and port in had:
                    yield f"Container {name}: its {probe} asks port {port}, which it no longer has: the probe fails."


def lost_service_ports(before: Object, after: Object, around: Around) -> Iterator[str]:
    """Ports of a Service that routes still send to."""
    old, new = (
        {key for port in dig(each, "spec", "ports") or [] for key in (port.get("port"), port.get("name")) if key}
        for each in (before, after)
    )
    for port in sorted(old - new, key=str):
        for each in routes_to(around.after, namespace_of(after), after["metadata"]["name"], port):
            yield f"{each} still sends requests to its port {port}: they are answered with an error."


def routes_to(side: Side, namespace: str, name: str, port: Any) -> Iterator[str]:
    """What sends requests to a Service, or to one port of it."""
    for each in side.routes.get((namespace, name), []):
        if any(service == name and (port is None or port in ports) for service, ports in backends(each)):
            yield f"{each['kind']}/{each['metadata']['name']}"
