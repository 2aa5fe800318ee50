"""The pods that an object makes, asked of objects that may lack anything."""

from collections.abc import Iterator
from typing import Any

from delivery.manifests import POD_TEMPLATES, Object, all_containers, dig


def pod_template(each: Object | None) -> Any:
    """What the pods of an object are made from; the object itself if it is a Pod, None where it makes none."""
    if each is None:
        return None
    if each["kind"] in POD_TEMPLATES:
        return dig(each, "spec", "template")
    if each["kind"] == "CronJob":
        return dig(each, "spec", "jobTemplate", "spec", "template")
    return each if each["kind"] == "Pod" else None


def pod_spec(each: Object | None) -> Object | None:
    """The spec of the pods that an object makes; None where it makes none."""
    found = dig(pod_template(each), "spec")
    return found if isinstance(found, dict) else None


def pod_labels(each: Object) -> Object:
    found = dig(pod_template(each), "metadata", "labels")
    return found if isinstance(found, dict) else {}


def containers(each: Object | None) -> dict[str, Object]:
    """Containers of every sort, by name."""
    spec = pod_spec(each)
    if spec is None:
        return {}
    return {str(one.get("name")): one for one in all_containers({"containers": [], **spec}) if isinstance(one, dict)}


def as_named_after(before: Object | None, after: Object | None) -> dict[str, Object]:
    """The containers of `before` by the names that they have in `after`: the only one gone may be the only new one."""
    old, new = containers(before), containers(after)
    gone, fresh = [*(old.keys() - new.keys())], [*(new.keys() - old.keys())]
    renamed = {gone[0]: fresh[0]} if len(gone) == len(fresh) == 1 else {}
    return {renamed.get(name, name): each for name, each in old.items()}


def account(spec: Object | None) -> str:
    """The ServiceAccount that a pod runs as."""
    return str(dig(spec, "serviceAccountName") or dig(spec, "serviceAccount") or "default")


def read_by(each: Object, *, needed: bool = False) -> Iterator[tuple[str, str]]:
    """Kind and name of each ConfigMap, Secret and ServiceAccount that the pods of an object read.

    `needed` leaves out those that are optional, without which the pods start too.
    """
    spec = pod_spec(each)
    if spec is None:
        return
    yield "ServiceAccount", account(spec)
    for container in containers(each).values():
        for source in container.get("envFrom") or []:
            yield from named(source, "configMapRef", "secretRef", needed=needed)
        for variable in container.get("env") or []:
            yield from named(dig(variable, "valueFrom") or {}, "configMapKeyRef", "secretKeyRef", needed=needed)
    for volume in spec.get("volumes") or []:
        for source in [volume, *(dig(volume, "projected", "sources") or [])]:
            yield from named(source, "configMap", "secret", needed=needed)


def named(source: Object, config_map: str, secret: str, *, needed: bool) -> Iterator[tuple[str, str]]:
    for kind, field in (("ConfigMap", config_map), ("Secret", secret)):
        found = source.get(field)
        if found and not (needed and found.get("optional") is True):
            yield kind, str(found.get("name") or found.get("secretName"))
