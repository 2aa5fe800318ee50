"""Who may reach the pods, whom they may reach, and that no bearer token crosses the Internet in the clear."""

from collections.abc import Iterator
from functools import partial
from ipaddress import ip_network

from delivery.objects import Object, Render, dig, identity
from delivery.policy.rule import Rule, register

RULES: list[Rule] = []
rule = partial(register, RULES)


@rule("default-deny")
def nothing_is_open_by_default(render: Render) -> Iterator[str]:
    for policy in render.of("NetworkPolicy"):
        spec = policy["spec"]
        if spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}:
            return
    yield "No NetworkPolicy denies all ingress and egress of every pod."


@rule("ingress")
def only_the_service_port_is_open(render: Render) -> Iterator[str]:
    for policy in render.of("NetworkPolicy"):
        for step in policy["spec"].get("ingress", []):
            if [port.get("port") for port in step.get("ports", [])] != [8000]:
                yield f"{identity(policy)} lets in to other ports than 8000."


@rule("egress")
def pods_reach_only_dns_and_the_database(render: Render) -> Iterator[str]:
    for policy in render.of("NetworkPolicy"):
        for step in policy["spec"].get("egress", []):
            ports = {port.get("port") for port in step.get("ports", [])}
            peers = step.get("to", [])
            to_database = ports == {5432} and all(map(is_range, peers))
            if not peers or not (ports == {53} or to_database):
                yield f"{identity(policy)} lets out to more than DNS and the database's range on port 5432."


def is_range(peer: Object) -> bool:
    """Whether a peer is a private range, and not a whole network of them."""
    if not (cidr := dig(peer, "ipBlock", "cidr")):
        return False
    network = ip_network(cidr)
    return network.is_private and network.prefixlen >= 16


@rule("source-ranges")
def a_public_load_balancer_is_closed_to_most(render: Render) -> Iterator[str]:
    for service in load_balancers(render):
        ranges = service["spec"].get("loadBalancerSourceRanges") or []
        is_open = not ranges or any(ip_network(each).prefixlen < 8 for each in ranges)
        if is_open and not is_internal(service):
            yield (
                f"{identity(service)} is open to the whole Internet: "
                "set sourceRanges in the overlay's settings to the addresses that may use it."
            )


@rule("clear-text")
def main_speaks_https_only(render: Render) -> Iterator[str]:
    if render.overlay != "main":
        return
    for service in load_balancers(render):
        if not is_internal(service):
            yield f"{identity(service)} speaks plain HTTP to the Internet: it must be internal."
    listeners = {
        (gateway["metadata"]["name"], listener["name"]): listener["protocol"]
        for gateway in render.of("Gateway")
        for listener in gateway["spec"]["listeners"]
    }
    if "HTTPS" not in listeners.values():
        yield "No Gateway has an HTTPS listener."
    for route in render.of("HTTPRoute"):
        if all(map(is_redirect, route["spec"].get("rules", [{}]))):
            continue
        for parent in route["spec"].get("parentRefs", []):
            if listeners.get((parent["name"], parent.get("sectionName", ""))) != "HTTPS":
                yield f"{identity(route)} answers on a listener without HTTPS: there it may only redirect."


@rule("certificate")
def https_has_a_certificate(render: Render) -> Iterator[str]:
    for gateway in render.of("Gateway"):
        if not dig(gateway, "metadata", "annotations", "networking.gke.io/certmap"):
            yield f"{identity(gateway)} lacks the annotation networking.gke.io/certmap."


@rule("health-check")
def the_gateway_asks_for_readiness(render: Render) -> Iterator[str]:
    """GKE's Gateway asks / unless told otherwise, and would go on sending to a pod that drains."""
    checked = {
        policy["spec"]["targetRef"]["name"]
        for policy in render.of("HealthCheckPolicy")
        if dig(policy, "spec", "default", "config", "httpHealthCheck", "requestPath") == "/health/ready"
    }
    for route in render.of("HTTPRoute"):
        for step in route["spec"].get("rules", []):
            for backend in step.get("backendRefs", []):
                if backend["name"] not in checked:
                    yield f"Service/{backend['name']} needs a HealthCheckPolicy that asks /health/ready."


def load_balancers(render: Render) -> list[Object]:
    return [service for service in render.of("Service") if service["spec"].get("type") == "LoadBalancer"]


def is_internal(service: Object) -> bool:
    kind: object = dig(service, "metadata", "annotations", "networking.gke.io/load-balancer-type")
    return kind == "Internal"


def is_redirect(step: Object) -> bool:
    return not step.get("backendRefs") and any(
        dig(each, "requestRedirect", "scheme") == "https" for each in step.get("filters", [])
    )
