"""Which traffic reaches the pods, and which leaves them: the NetworkPolicies."""

from collections.abc import Iterator
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network

from delivery.manifests import Object, Render, dig, identity, selects
from delivery.policy.rule import Rule, register

RULES: list[Rule] = []
rule = partial(register, RULES)

NEEDED = {("ingress", 8000), ("egress", 53), ("egress", 5432)}
DNS = {(53, "UDP"), (53, "TCP")}


@rule("default-deny")
def nothing_is_open_by_default(render: Render) -> Iterator[str]:
    for policy in render.of("NetworkPolicy"):
        spec = policy["spec"]
        if spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}:
            return
    yield "No NetworkPolicy denies all ingress and egress of every pod."


@rule("needed-traffic")
def pods_have_the_traffic_they_need(render: Render) -> Iterator[str]:
    for owner, template in render.pods():
        labels = dig(template, "metadata", "labels") or {}
        allowed = {
            (direction, port.get("port"))
            for policy in render.of("NetworkPolicy")
            if selects(policy["spec"]["podSelector"], labels)
            for direction in ("ingress", "egress")
            for step in policy["spec"].get(direction, [])
            if "from" not in step  # clients come from anywhere
            for port in step.get("ports", [{"port": port} for _, port in NEEDED])  # no ports: all of them
        }
        for direction, port in sorted(NEEDED - allowed):
            yield f"No NetworkPolicy gives {identity(owner)} the {direction} on port {port} that it needs."


@rule("ingress")
def only_the_service_port_is_open(render: Render) -> Iterator[str]:
    for policy in render.of("NetworkPolicy"):
        for step in policy["spec"].get("ingress", []):
            if ports(step) != {(8000, "TCP")}:
                yield f"{identity(policy)} lets in to other ports than 8000."


@rule("egress")
def pods_reach_only_dns_and_the_database(render: Render) -> Iterator[str]:
    for policy in render.of("NetworkPolicy"):
        for step in policy["spec"].get("egress", []):
            peers = step.get("to", [])
            to_dns = ports(step) <= DNS and all(map(is_resolver, peers))
            to_database = ports(step) == {(5432, "TCP")} and all(map(is_private, peers))
            if not peers or not ports(step) or not (to_dns or to_database):
                yield (
                    f"{identity(policy)} lets out to more than the cluster's DNS and the database's range "
                    "(private, /16 or smaller) on port 5432."
                )


@rule("range")
def ranges_are_ranges(render: Render) -> Iterator[str]:
    for each in render.of("NetworkPolicy", "Service"):
        for cidr in ranges(each):
            try:
                ip_network(cidr)
            except ValueError as error:
                yield (
                    f"{identity(each)} has a range that is none: {error}. "
                    "In the overlay's settings write it like 203.0.113.0/24."
                )


def ranges(each: Object) -> Iterator[str]:
    spec = each["spec"]
    yield from spec.get("loadBalancerSourceRanges", [])
    for step in [*spec.get("ingress", []), *spec.get("egress", [])]:
        for peer in [*step.get("from", []), *step.get("to", [])]:
            if block := peer.get("ipBlock"):
                yield from [block["cidr"], *block.get("except", [])]


def parse(cidr: str) -> IPv4Network | IPv6Network | None:
    """A range, or None for what the check `range` refuses."""
    try:
        return ip_network(cidr)
    except ValueError:
        return None


def ports(step: Object) -> set[tuple[int | str, str]]:
    """Port and protocol of each port that a step of a policy opens."""
    return {
        (f"{port.get('port')}-{port['endPort']}" if "endPort" in port else port.get("port", "all"), protocol)
        for port in step.get("ports", [])
        for protocol in [port.get("protocol", "TCP")]
    }


def is_resolver(peer: Object) -> bool:
    """Whether a peer is in kube-system, or one of the addresses of a node's own resolver."""
    if cidr := dig(peer, "ipBlock", "cidr"):
        network = parse(cidr)
        return network is None or (network.is_link_local and network.num_addresses == 1)
    return bool(peer.get("namespaceSelector") == {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}})


def is_private(peer: Object) -> bool:
    """Whether a peer is a private range, and not a whole network of them."""
    cidr = dig(peer, "ipBlock", "cidr")
    network = parse(cidr) if cidr else None
    return bool(cidr) and (network is None or (network.is_private and network.prefixlen >= 16))
