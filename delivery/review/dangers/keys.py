"""Keys of ConfigMaps and Secrets that pods read, and that are not there."""

from collections.abc import Iterator

from delivery.manifests import Object, dig
from delivery.review.around import Around, Side, Workload, namespace_of
from delivery.review.pod_templates import containers, pod_spec, read_by
from delivery.review.variables import entries


def lost(before: Object, after: Object, around: Around) -> Iterator[str]:
    """Keys that pods read and a ConfigMap or Secret no longer holds."""
    old, new = entries(before) or {}, entries(after) or {}
    kind, name, namespace = after["kind"], after["metadata"]["name"], namespace_of(after)
    if not (gone := sorted(old.keys() - new.keys())):
        return
    for pod in around.after.reading.get((namespace, kind, name), []):
        asked = named_keys(pod.value, kind, name)
        whole = whole_keys(pod, kind, name, around.after)
        for key in gone:
            if key in asked:
                yield f"Its key {key} is gone: {pod.name} reads it, and pods of it do not start any more."
            elif ways := [way for way, elsewhere in whole if key not in elsewhere]:
                yield f"Its key {key} is gone: pods of {pod.name} no longer have it as a {ways[0]}."


def fields_of(kind: str) -> tuple[str, str, str]:
    """The fields that name a ConfigMap or Secret: of a variable, of all variables, of a volume."""
    return (
        ("configMapKeyRef", "configMapRef", "configMap") if kind == "ConfigMap"
        else ("secretKeyRef", "secretRef", "secret")
    )  # fmt: skip


def named_keys(each: Object, kind: str, name: str) -> set[str]:
    """Keys of a ConfigMap or Secret without which the pods of an object do not start."""
    of_key, _, of_volume = fields_of(kind)
    found = set()
    for container in containers(each).values():
        for variable in container.get("env") or []:
            reference = dig(variable, "valueFrom", of_key) or {}
            if reference.get("name") == name and reference.get("optional") is not True:
                found.add(str(reference.get("key")))
    for source in volume_sources(each, of_volume):
        if source_name(source) == name and source.get("optional") is not True:
            found |= {str(item.get("key")) for item in source.get("items") or []}
    return found


def volume_sources(each: Object, field: str) -> Iterator[Object]:
    for volume in dig(pod_spec(each), "volumes") or []:
        for one in [volume, *(dig(volume, "projected", "sources") or [])]:
            if isinstance(found := dig(one, field), dict):
                yield found


def source_name(source: Object) -> str:
    return str(source.get("name") or source.get("secretName"))


def whole_keys(pod: Workload, kind: str, name: str, side: Side) -> Iterator[tuple[str, set[str]]]:
    """How a workload reads all keys of a ConfigMap or Secret: with each way, the names that it has in another way."""
    _, of_all, of_volume = fields_of(kind)
    for container in containers(pod.value).values():
        sources = container.get("envFrom") or []
        if any(dig(source, of_all, "name") == name for source in sources):
            elsewhere = {str(variable.get("name")) for variable in container.get("env") or []}
            for source in sources:
                for other, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                    found = side.named(other, namespace_of(pod.value), str(dig(source, field, "name")))
                    elsewhere |= set(entries(found) or {})
            yield "variable", elsewhere
    for source in volume_sources(pod.value, of_volume):
        if source_name(source) == name and not source.get("items"):
            yield "file", set()


def missing(before: Object | None, after: Object, around: Around) -> Iterator[str]:
    """Keys that a workload asks for and a ConfigMap or Secret of the overlay does not hold."""
    for kind, name in sorted(set(read_by(after))):
        number = around.after.number(kind, namespace_of(after), name)
        if kind not in {"ConfigMap", "Secret"} or number is None:
            continue
        held = entries(around.after.by_number[number]) or {}
        lacked = named_keys(after, kind, name) - held.keys()
        old = around.before.by_number.get(number)
        if before is not None and old is not None:  # what it read before, the other object's change tells
            lacked -= named_keys(before, kind, old["metadata"]["name"])
        for key in sorted(lacked):
            yield f"It reads key {key} of {kind}/{name}, which does not have it: its pods do not start."
