"""Variables that containers get, from their own list and from ConfigMaps and Secrets of the overlay."""

from typing import Any

from delivery.manifests import Object, dig
from delivery.review.around import Side, namespace_of
from delivery.review.pod_templates import containers


def variables(each: Object, side: Side) -> dict[str, dict[str, Any]]:
    """Values by name, for each container; None for a value that is not in the overlay."""
    return {name: of_container(container, namespace_of(each), side) for name, container in containers(each).items()}


def of_container(container: Object, namespace: str, side: Side) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for source in container.get("envFrom") or []:
        for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if reference := dig(source, field):
                prefix = str(source.get("prefix") or "")
                held = entries(side.named(kind, namespace, str(reference.get("name")))) or {}
                found |= {f"{prefix}{key}": value for key, value in held.items()}
    for variable in container.get("env") or []:
        value = variable.get("value")
        for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
            if reference := dig(variable, "valueFrom", field):
                held = entries(side.named(kind, namespace, str(reference.get("name")))) or {}
                value = held.get(str(reference.get("key")))
        found[str(variable.get("name"))] = value
    return found


def entries(each: Object | None) -> dict[str, Any] | None:
    """What a ConfigMap or Secret holds, by key; None where there is none."""
    if each is None:
        return None
    return {
        str(key): value for part in ("data", "binaryData", "stringData")
        for key, value in (each.get(part) or {}).items()
    }  # fmt: skip
