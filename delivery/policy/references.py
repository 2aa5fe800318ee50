"""Where objects live, and whether what they name is there."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

from delivery.manifests import Object, Render, all_containers, dig, identity, projections, selects
from delivery.policy.probes import PROBES
from delivery.policy.rule import Rule, register

RULES: list[Rule] = []
rule = partial(register, RULES)


# what the rules are written for
KINDS = {
    *("Namespace", "ServiceAccount", "ConfigMap", "Secret", "Service", "Deployment"),
    *("HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"),
    *("Gateway", "HTTPRoute", "HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy"),
    *("ServiceMonitor", "Probe", "PrometheusRule", "AlertmanagerConfig"),
}


@rule("kind")
def every_kind_has_its_rules(render: Render) -> Iterator[str]:
    for each in render.objects:
        if each["kind"] not in KINDS:
            yield f"{identity(each)} is of a kind that no rule judges: write its rules, then add it to KINDS."


@rule("namespace")
def one_namespace(render: Render) -> Iterator[str]:
    for each in render.objects:
        is_namespace = each["kind"] == "Namespace"
        found = each["metadata"]["name"] if is_namespace else each["metadata"].get("namespace")
        if found != render.namespace:
            yield f"{identity(each)} is in {found or 'no namespace'}, not in {render.namespace}."
    if not render.of("Namespace"):
        yield f"The Namespace {render.namespace} itself is missing."


@rule("twice")
def no_two_objects_have_one_name(render: Render) -> Iterator[str]:
    seen = Counter(
        (each["apiVersion"].rpartition("/")[0], identity(each), each["metadata"].get("namespace"))
        for each in render.objects
    )
    for (_, name, _), count in seen.items():
        if count > 1:
            yield f"{name} stands there {count} times, and the last one wins: give each a name of its own."


@rule("placeholder")
def every_setting_reaches_its_place(render: Render) -> Iterator[str]:
    for each in render.objects:
        if "set-by-settings" in str(each):
            yield f"{identity(each)} still holds set-by-settings: no replacement in the overlay fills it."


@rule("selector")
def selectors_select_pods(render: Render) -> Iterator[str]:
    pods = [template for _, template in render.pods()]
    for each in render.of("Service", "PodDisruptionBudget", "NetworkPolicy"):
        spec = each["spec"]
        match each["kind"]:
            case "Service":
                selector = {"matchLabels": spec["selector"]} if spec.get("selector") else None
            case "NetworkPolicy":
                selector = spec["podSelector"]
            case _:
                selector = spec.get("selector")
        if not any(selects(selector, dig(pod, "metadata", "labels") or {}) for pod in pods):
            yield f"{identity(each)} selects no pod of this render."


@rule("port")
def ports_lead_to_containers(render: Render) -> Iterator[str]:
    ports = [port for _, _, container in render.containers() for port in container.get("ports", [])]
    known = {port.get("name") for port in ports} | {port["containerPort"] for port in ports}
    for service in render.of("Service"):
        for port in service["spec"].get("ports", []):
            target = port.get("targetPort", port["port"])
            if target not in known:
                yield f"{identity(service)} sends port {port['port']} to {target}, which no container has."
    yield from lost_backends(render)
    for where, _, container in render.containers():
        own = {port.get(field) for port in container.get("ports", []) for field in ("name", "containerPort")}
        for probe in PROBES:
            if probe in container and dig(container, probe, "httpGet", "port") not in own:
                yield f"{where} has a {probe} for a port that it does not have."


def lost_backends(render: Render) -> Iterator[str]:
    for route in render.of("HTTPRoute"):
        for step in route["spec"].get("rules", []):
            for backend in step.get("backendRefs", []):
                service = render.named("Service", backend["name"])
                if service and backend["port"] not in {port["port"] for port in service["spec"]["ports"]}:
                    yield f"{identity(route)} sends to port {backend['port']}, which {identity(service)} does not have."


@rule("reference")
def references_lead_somewhere(render: Render) -> Iterator[str]:
    for each in render.objects:
        for kind, name in references(each):
            if render.named(kind, name) is None:
                yield f"{identity(each)} names {kind}/{name}, which is not in this render."


def references(each: Object) -> Iterator[tuple[str, str]]:
    """Kind and name of each object that `each` needs beside it; Secrets have a rule of their own."""
    match each["kind"]:
        case "HorizontalPodAutoscaler":
            yield each["spec"]["scaleTargetRef"]["kind"], each["spec"]["scaleTargetRef"]["name"]
        case "GCPBackendPolicy" | "GCPGatewayPolicy" | "HealthCheckPolicy":
            yield each["spec"]["targetRef"]["kind"], each["spec"]["targetRef"]["name"]
        case "HTTPRoute":
            yield from (("Gateway", parent["name"]) for parent in each["spec"].get("parentRefs", []))
            for step in each["spec"].get("rules", []):
                yield from (("Service", backend["name"]) for backend in step.get("backendRefs", []))
        case "Deployment":
            spec = each["spec"]["template"]["spec"]
            yield "ServiceAccount", spec.get("serviceAccountName", "default")
            yield from (("ConfigMap", name) for name in config_maps(spec))


def config_maps(spec: Object) -> Iterator[str]:
    """Names of the ConfigMaps that a pod reads, as variables or as files."""
    for container in all_containers(spec):
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                yield source["configMapRef"]["name"]
        for variable in container.get("env", []):
            if reference := dig(variable, "valueFrom", "configMapKeyRef"):
                yield reference["name"]
    for source in [*spec.get("volumes", []), *projections(spec)]:
        if "configMap" in source:
            yield source["configMap"]["name"]
