"""Defaults that depend on other fields, by the type that they are in. The plain ones are filled in before.

Source: the functions SetDefaults_* in kubernetes/kubernetes pkg/apis/*/*/defaults.go
"""

import base64
from collections.abc import Callable
from typing import Any

from delivery.manifests import Object, dig

RBAC = "rbac.authorization.k8s.io"
OUTSIDE = {"LoadBalancer", "NodePort"}
LONGEST = 2**31 - 1

FILL: dict[str, Callable[[Object], None]] = {}
"""Functions that fill in a value of a type, by the type's name."""


def fills(*names: str) -> Callable[[Callable[[Object], None]], Callable[[Object], None]]:
    def register(function: Callable[[Object], None]) -> Callable[[Object], None]:
        FILL.update(dict.fromkeys(names, function))
        return function

    return register


@fills("Container", "EphemeralContainer")
def container(value: Object) -> None:
    if not value.get("imagePullPolicy"):
        value["imagePullPolicy"] = pull_policy(str(value.get("image") or ""))


def pull_policy(image: str) -> str:
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    latest = tag == "latest" or (not tag and "@" not in image)
    return "Always" if latest else "IfNotPresent"


@fills("Volume")
def volume(value: Object) -> None:
    if value.keys() <= {"name"}:
        value["emptyDir"] = {}


@fills("PodSpec")
def pod_spec(value: Object) -> None:
    account = value.pop("serviceAccount", None)  # the old name of the field; both are stored
    if account and not value.get("serviceAccountName"):
        value["serviceAccountName"] = account


@fills("Pod")
def pod(value: Object) -> None:
    """Only of a Pod itself, not of a template."""
    spec = {"enableServiceLinks": True, **value["spec"]}
    for part in ("containers", "initContainers"):
        if part in spec:
            spec[part] = [with_requests(each, host=bool(spec.get("hostNetwork"))) for each in spec[part] or []]
    value["spec"] = spec


def with_requests(container: Object, *, host: bool) -> Object:
    resources = container.get("resources") or {}
    if limits := resources.get("limits"):
        resources = {**resources, "requests": {**limits, **(resources.get("requests") or {})}}
    result = {**container, "resources": resources}
    if host and container.get("ports"):
        result["ports"] = [{**p, "hostPort": p.get("hostPort") or p.get("containerPort")} for p in container["ports"]]
    return result


@fills("DeploymentStrategy", "DaemonSetUpdateStrategy", "StatefulSetUpdateStrategy")
def strategy(value: Object) -> None:
    if value.setdefault("type", "RollingUpdate") == "RollingUpdate":
        value.setdefault("rollingUpdate", {})


@fills("DeploymentSpec")
def deployment_spec(value: Object) -> None:
    value.setdefault("strategy", {})


@fills("DaemonSetSpec")
def daemon_set_spec(value: Object) -> None:
    value.setdefault("updateStrategy", {})


@fills("StatefulSetSpec")
def stateful_set_spec(value: Object) -> None:
    value.setdefault("updateStrategy", {})
    value["volumeClaimTemplates"] = [
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **known(each)}
        for each in value.get("volumeClaimTemplates") or []
    ]


@fills("Job")
def job(value: Object) -> None:
    """Only of a Job itself, not of one that a CronJob makes."""
    spec = {"completionMode": "NonIndexed", "suspend": False, "manualSelector": False, **known(value["spec"])}
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", LONGEST if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("podReplacementPolicy", "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed")
    if not spec["manualSelector"]:
        labels = dict.fromkeys(("job-name", "batch.kubernetes.io/job-name"), value["metadata"]["name"])
        labels |= dig(spec, "template", "metadata", "labels") or {}
        metadata = {**(dig(spec, "template", "metadata") or {}), "labels": labels}
        spec["template"] = {**spec["template"], "metadata": metadata}
        if not any((spec.get("selector") or {"": None}).values()):
            spec.pop("selector", None)  # the API server writes it
    value["spec"] = spec


@fills("ServicePort")
def service_port(value: Object) -> None:
    if value.get("targetPort") in {None, 0, ""}:
        value["targetPort"] = value.get("port")


@fills("ServiceSpec")
def service_spec(value: Object) -> None:
    kind = value["type"]
    if value["sessionAffinity"] == "None":
        value.pop("sessionAffinityConfig", None)
    elif value["sessionAffinity"] == "ClientIP" and not dig(
        value, "sessionAffinityConfig", "clientIP", "timeoutSeconds"
    ):
        value["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
    if kind in OUTSIDE:
        value["externalTrafficPolicy"] = value.get("externalTrafficPolicy") or "Cluster"
    if kind == "LoadBalancer":
        value.setdefault("allocateLoadBalancerNodePorts", True)
    if kind == "ExternalName":
        return
    value.setdefault("internalTrafficPolicy", "Cluster")
    if value.get("clusterIP") and not value.get("clusterIPs"):
        value["clusterIPs"] = [value["clusterIP"]]
    if value.get("clusterIP") != "None" or value.get("selector"):
        value.setdefault("ipFamilyPolicy", "SingleStack")
        if value["ipFamilyPolicy"] == "SingleStack" and ":" not in str(value.get("clusterIP")):
            value["ipFamilies"] = value.get("ipFamilies") or ["IPv4"]


@fills("NetworkPolicySpec")
def network_policy_spec(value: Object) -> None:
    if not value.get("policyTypes"):
        value["policyTypes"] = ["Ingress", *(["Egress"] if value.get("egress") else [])]
    value.setdefault("podSelector", {})


@fills("IngressClassParametersReference")
def ingress_class_parameters(value: Object) -> None:
    value.setdefault("scope", "Cluster")


@fills("Subject")
def subject(value: Object) -> None:
    if not value.get("apiGroup") and value.get("kind") in {"User", "Group"}:
        value["apiGroup"] = RBAC


@fills("HorizontalPodAutoscalerSpec")
def autoscaler_spec(value: Object) -> None:
    if not value.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        value["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if value.get("behavior") is not None:
        up = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15},
        ]}  # fmt: skip
        down = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
        behavior = value["behavior"]
        value["behavior"] = {
            "scaleUp": up | known(behavior.get("scaleUp")), "scaleDown": down | known(behavior.get("scaleDown"))
        }  # fmt: skip


def known(given: Any) -> Object:
    return {key: each for key, each in (given or {}).items() if each is not None}


@fills("LimitRangeItem")
def limit_range_item(value: Object) -> None:
    if value.get("type") == "Container":
        value["default"] = {**(value.get("max") or {}), **(value.get("default") or {})}
        requests = {**(value.get("min") or {}), **value["default"], **(value.get("defaultRequest") or {})}
        value["defaultRequest"] = requests


@fills("CustomResourceDefinitionNames")
def definition_names(value: Object) -> None:
    value["singular"] = value.get("singular") or str(value["kind"]).lower()
    value["listKind"] = value.get("listKind") or f"{value['kind']}List"


@fills("Namespace")
def namespace(value: Object) -> None:
    spec = value.get("spec") or {}
    value["spec"] = {**spec, "finalizers": spec.get("finalizers") or ["kubernetes"]}


@fills("Secret")
def secret(value: Object) -> None:
    if texts := value.pop("stringData", None):
        added = {key: base64.b64encode(str(text or "").encode()).decode() for key, text in texts.items()}
        value["data"] = {**(value.get("data") or {}), **added}
