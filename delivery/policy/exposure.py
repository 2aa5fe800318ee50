"""The ways in from outside the cluster, and that no bearer token crosses the Internet in the clear."""

from collections.abc import Iterator
from functools import partial

from delivery.manifests import Object, Render, dig, identity
from delivery.policy.network import parse
from delivery.policy.rule import Rule, register

RULES: list[Rule] = []
rule = partial(register, RULES)

STREAM_S = 600


@rule("service")
def the_service_is_the_only_way_in(render: Render) -> Iterator[str]:
    agreed = render.named("Service", "taskpulse-api")
    if agreed is None or agreed not in load_balancers(render) or 80 not in service_ports(agreed):
        yield "Service/taskpulse-api must be a LoadBalancer with port 80: clients and the gateway ask there."
    for service in render.of("Service"):
        kind = service["spec"].get("type", "ClusterIP")
        if service["spec"].get("externalIPs") or kind not in {"ClusterIP", "LoadBalancer"}:
            yield f"{identity(service)} opens another way in: no externalIPs, and ClusterIP or LoadBalancer only."


@rule("source-ranges")
def a_public_load_balancer_is_closed_to_most(render: Render) -> Iterator[str]:
    for service in load_balancers(render):
        ranges = service["spec"].get("loadBalancerSourceRanges") or []
        is_open = not ranges or any(is_wide(each) for each in ranges)
        if is_open and not is_internal(service):
            yield (
                f"{identity(service)} is open to the whole Internet: "
                "set sourceRanges in the overlay's settings to the addresses that may use it."
            )


@rule("clear-text")
def tokens_are_encrypted(render: Render) -> Iterator[str]:
    listeners = protocols(render)
    if render.overlay == "main":
        for service in load_balancers(render):
            if not is_internal(service):
                yield f"{identity(service)} speaks plain HTTP to the Internet: it must be internal."
        if "HTTPS" not in listeners.values():
            yield "No Gateway has an HTTPS listener."
    for route in render.of("HTTPRoute"):
        if all(map(is_redirect, route["spec"].get("rules", [{}]))):
            continue
        for parent in route["spec"].get("parentRefs", []):
            if listeners.get((parent["name"], parent.get("sectionName", ""))) != "HTTPS":
                yield f"{identity(route)} answers on a listener without HTTPS: there it may only redirect."


@rule("redirect")
def http_leads_to_https(render: Render) -> Iterator[str]:
    redirected = {
        (parent["name"], parent.get("sectionName"))
        for route in render.of("HTTPRoute")
        if any(map(is_redirect, route["spec"].get("rules", [])))
        for parent in route["spec"].get("parentRefs", [])
    }
    for (gateway, listener), protocol in protocols(render).items():
        if protocol == "HTTP" and (gateway, listener) not in redirected:
            yield f"No HTTPRoute redirects listener {listener} of Gateway/{gateway} to HTTPS."


@rule("address")
def the_gateway_has_a_fixed_address(render: Render) -> Iterator[str]:
    for gateway in render.of("Gateway"):
        kinds = [address.get("type") for address in gateway["spec"].get("addresses", [])]
        if kinds != ["NamedAddress"]:
            yield f"{identity(gateway)} needs one address of type NamedAddress: DNS points to the one Terraform made."


@rule("certificate")
def https_has_a_certificate(render: Render) -> Iterator[str]:
    for gateway in render.of("Gateway"):
        if not dig(gateway, "metadata", "annotations", "networking.gke.io/certmap"):
            yield f"{identity(gateway)} lacks the annotation networking.gke.io/certmap."


@rule("health-check")
def the_gateway_asks_for_readiness(render: Render) -> Iterator[str]:
    """GKE's Gateway asks / unless told otherwise, and would go on sending to a pod that drains."""
    checked = {
        name
        for name, default in policies(render, "HealthCheckPolicy")
        if dig(default, "config", "httpHealthCheck", "requestPath") == "/health/ready"
    }
    for name in sorted(backends(render) - checked):
        yield f"Service/{name} needs a HealthCheckPolicy that asks /health/ready."


@rule("backend-timeout")
def streams_outlive_the_gateways_default(render: Render) -> Iterator[str]:
    patient = {
        name
        for name, default in policies(render, "GCPBackendPolicy")
        if (dig(default, "timeoutSec") or 0) >= STREAM_S and dig(default, "connectionDraining", "drainingTimeoutSec")
    }
    for name in sorted(backends(render) - patient):
        yield (
            f"Service/{name} needs a GCPBackendPolicy with timeoutSec of at least {STREAM_S} and connectionDraining: "
            "GKE's default of 30 s cuts event streams and long polls."
        )


@rule("tls-version")
def old_versions_of_tls_are_refused(render: Render) -> Iterator[str]:
    strict = {name for name, default in policies(render, "GCPGatewayPolicy") if dig(default, "sslPolicy")}
    for gateway in render.of("Gateway"):
        if gateway["metadata"]["name"] not in strict:
            yield f"{identity(gateway)} needs a GCPGatewayPolicy with sslPolicy: Google's default takes TLS 1.0."


@rule("cloud-armor")
def one_address_cannot_flood(render: Render) -> Iterator[str]:
    guarded = {name for name, default in policies(render, "GCPBackendPolicy") if dig(default, "securityPolicy")}
    for name in sorted(backends(render) - guarded):
        yield f"Service/{name} needs a GCPBackendPolicy with securityPolicy: nothing bounds the requests of an address."


@rule("access-log")
def requests_from_outside_leave_a_trace(render: Render) -> Iterator[str]:
    logged = {
        name
        for name, default in policies(render, "GCPBackendPolicy")
        if dig(default, "logging", "enabled") is True and dig(default, "logging", "sampleRate") != 0
    }
    for name in sorted(backends(render) - logged):
        yield f"Service/{name} needs a GCPBackendPolicy whose logging is enabled, with a sampleRate above 0."


def policies(render: Render, kind: str) -> Iterator[tuple[str, Object | None]]:
    """What each policy of a kind of GKE's sets, `spec.default`, with the name of the object that it is for."""
    for policy in render.of(kind):
        yield policy["spec"]["targetRef"]["name"], dig(policy, "spec", "default")


def backends(render: Render) -> set[str]:
    """Names of the Services that a gateway sends to."""
    return {
        backend["name"]
        for route in render.of("HTTPRoute")
        for step in route["spec"].get("rules", [])
        for backend in step.get("backendRefs", [])
    }


def protocols(render: Render) -> dict[tuple[str, str], str]:
    """Protocol of each listener, by the names of its Gateway and its own."""
    return {
        (gateway["metadata"]["name"], listener["name"]): listener["protocol"]
        for gateway in render.of("Gateway")
        for listener in gateway["spec"]["listeners"]
    }


def service_ports(service: Object) -> set[int]:
    return {port["port"] for port in service["spec"].get("ports", [])}


def is_wide(cidr: str) -> bool:
    """Whether a range is a large part of the Internet."""
    network = parse(cidr)
    return network is not None and network.prefixlen < 8


def load_balancers(render: Render) -> list[Object]:
    return [service for service in render.of("Service") if service["spec"].get("type") == "LoadBalancer"]


def is_internal(service: Object) -> bool:
    kind: object = dig(service, "metadata", "annotations", "networking.gke.io/load-balancer-type")
    return kind == "Internal"


def is_redirect(step: Object) -> bool:
    return not step.get("backendRefs") and any(
        dig(each, "requestRedirect", "scheme") == "https" for each in step.get("filters", [])
    )
