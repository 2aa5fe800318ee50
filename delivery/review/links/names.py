"""The objects that an object names."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from delivery.manifests import Object, dig
from delivery.review.around import MAKERS, ingress_backends, namespace_of
from delivery.review.pod_templates import pod_spec, read_by

ROUTES = {"HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute"}
BINDINGS = {"RoleBinding", "ClusterRoleBinding"}
SELECTOR_OF_KEY = ({"name", "key"}, {"name", "key", "optional"})
"""Keys of a mapping that names a key of a Secret or ConfigMap, in the kinds of monitoring.coreos.com."""


class Name(NamedTuple):
    how: str  # "it" is the named object
    kind: str
    namespace: str
    name: str
    optional: bool = False  # not worth a word where the overlay does not hold it


def references(each: Object) -> Iterator[Name]:
    """The objects that `each` names, once for each way."""
    kind, home = each["kind"], namespace_of(each)
    found: Iterator[tuple[str, Any, Any, Any]] = iter(())  # how, kind, namespace and name
    if kind in MAKERS:
        found = of_workload(each)
    elif kind == "Ingress":
        found = of_ingress(each)
    elif kind in ROUTES or kind == "Gateway":
        found = of_gateway_api(each)
    elif kind in BINDINGS:
        found = of_binding(each)
    elif kind in {"ServiceMonitor", "PodMonitor", "AlertmanagerConfig", "Probe"}:
        found = (("reads it", "Secret", None, name) for name in keys_of_secrets(each.get("spec")))
    elif kind == "HorizontalPodAutoscaler":
        target = dig(each, "spec", "scaleTargetRef")
        found = iter([("scales it", dig(target, "kind"), None, dig(target, "name"))])
    elif (policy := dig(each, "spec", "targetRef")) or dig(each, "spec", "targetRefs"):
        targets = [policy] if policy else dig(each, "spec", "targetRefs")
        found = (("is attached to it", dig(one, "kind"), None, dig(one, "name")) for one in targets)
    for how, what, where, name in dict.fromkeys(found):
        if what and name:
            optional = (what, name) == ("ServiceAccount", "default")
            yield Name(how, str(what), str(home if where is None else where), str(name), optional)


def of_workload(each: Object) -> Iterator[tuple[str, Any, Any, Any]]:
    for kind, name in read_by(each):
        yield ("runs as it" if kind == "ServiceAccount" else "reads it"), kind, None, name
    for volume in dig(pod_spec(each), "volumes") or []:
        yield "mounts it", "PersistentVolumeClaim", None, dig(volume, "persistentVolumeClaim", "claimName")
    for secret in dig(pod_spec(each), "imagePullSecrets") or []:
        yield "pulls its images with it", "Secret", None, dig(secret, "name")
    if each["kind"] == "StatefulSet":
        yield "names its pods by it", "Service", None, dig(each, "spec", "serviceName")


def of_ingress(each: Object) -> Iterator[tuple[str, Any, Any, Any]]:
    for name, _ in ingress_backends(each):
        yield "routes to it", "Service", None, name
    for entry in dig(each, "spec", "tls") or []:
        yield "has its certificate from it", "Secret", None, dig(entry, "secretName")


def of_gateway_api(each: Object) -> Iterator[tuple[str, Any, Any, Any]]:
    for parent in dig(each, "spec", "parentRefs") or []:
        yield "is attached to it", dig(parent, "kind") or "Gateway", dig(parent, "namespace"), dig(parent, "name")
    for rule in dig(each, "spec", "rules") or []:
        mirrors = [dig(one, "requestMirror", "backendRef") for one in dig(rule, "filters") or []]
        for backend in [*(dig(rule, "backendRefs") or []), *mirrors]:
            kind = dig(backend, "kind") or "Service"
            yield "routes to it", kind, dig(backend, "namespace"), dig(backend, "name")
    for listener in dig(each, "spec", "listeners") or []:
        for one in dig(listener, "tls", "certificateRefs") or []:
            kind = dig(one, "kind") or "Secret"
            yield "has its certificate from it", kind, dig(one, "namespace"), dig(one, "name")


def of_binding(each: Object) -> Iterator[tuple[str, Any, Any, Any]]:
    yield "grants it", dig(each, "roleRef", "kind"), None, dig(each, "roleRef", "name")
    for subject in each.get("subjects") or []:
        if dig(subject, "kind") == "ServiceAccount":
            yield "grants rights to it", "ServiceAccount", dig(subject, "namespace"), dig(subject, "name")


def keys_of_secrets(value: Any) -> Iterator[Any]:
    """Names of the Secrets of which a spec names a key, at any depth."""
    if isinstance(value, dict):
        if value.keys() in SELECTOR_OF_KEY:
            yield value["name"]
        for key, inner in value.items():
            if key != "configMap":
                yield from keys_of_secrets(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of_secrets(inner)
