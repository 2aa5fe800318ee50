"""Fields that others than a deploy added to an object, by what the API server keeps of who set what.

A field that a deploy applies, and one that the API server fills in, is never foreign; nor is one that a rule names.
Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from delivery import manifests, settings
from delivery.checkout import ROOT
from delivery.deploy.difference import by_name
from delivery.field_rules import FieldRule, field_rules
from delivery.manifests import Object, dig
from delivery.tools import kubectl

KNOWN = Path(__file__).with_name("known_fields.yaml")
Tree = dict[str, Any]
"""FieldsV1: `f:NAME` is a field, `k:{...}` an item of a list by its keys, `v:...` one by its value, `.` itself."""
_NONE = object()


class Field(NamedTuple):
    """One foreign field: its keys in a tree, how people name it, and who set it."""

    keys: tuple[str, ...]
    path: str
    manager: str


SCALED = ("Deployment", "StatefulSet")
REPLICAS = Field(("f:spec", "f:replicas"), "spec.replicas", "")


@cache
def rules() -> tuple[FieldRule, ...]:
    """Those of known controllers, and those of this checkout.

    Raises:
        DeliveryError: delivery.yaml says something that it cannot say.
    """
    return (*field_rules(manifests.load(KNOWN.read_text()), KNOWN.name), *settings.load(ROOT).foreign)


def foreign(each: Object, *, autoscaled: bool = False) -> list[Field]:
    """The foreign fields of a live object, with managedFields; replicas of an `autoscaled` one are not."""
    own = own_tree(each)
    found = {
        field.keys: field
        for entry in entries(each)
        if not is_ours(entry) and not is_makers(entry, each) and entry.get("subresource") != "status"
        for field in walk(entry.get("fieldsV1", {}), own, each, Field((), "", entry.get("manager", "")))
    }
    found.pop(REPLICAS.keys, None)
    if scaled_by_hand(each, own, autoscaled=autoscaled):
        found[REPLICAS.keys] = REPLICAS
    kind, name = each["kind"], each["metadata"]["name"]
    return [
        field
        for field in found.values()
        if not any(rule.allows(kind, name, field.path, field.manager) for rule in rules())
        and not is_shared(each, field)
    ]


def is_shared(each: Object, field: Field) -> bool:
    """Whether somebody wrote a map that was empty then, and others own what is in it now."""
    return field.keys[-1].startswith("f:") and any(dig(entry.get("fieldsV1"), *field.keys) for entry in entries(each))


def scaled_by_hand(each: Object, own: Tree, *, autoscaled: bool) -> bool:
    """Whether somebody scaled a workload whose manifest leaves replicas out; who it was, is recorded nowhere.

    No replicas at all switch the autoscaler off.
    """
    if each["kind"] not in SCALED or dig(own, *REPLICAS.keys) is not None:
        return False
    replicas = each["spec"]["replicas"]
    return bool(replicas == 0 if autoscaled else replicas != 1)


def entries(each: Object) -> list[Object]:
    listed: list[Object] = each["metadata"].get("managedFields") or []
    return listed


def is_ours(entry: Object) -> bool:
    return entry.get("manager") == kubectl.MANAGER and entry.get("operation") == "Apply"


def is_makers(entry: Object, each: Object) -> bool:
    """Whether an entry is of who made a Namespace, if not we: others meet there, and its maker's labels are theirs."""
    if each["kind"] != "Namespace":
        return False
    name = dig(entry, "fieldsV1", "f:metadata", "f:labels", "f:kubernetes.io/metadata.name")
    return name is not None or entry.get("time", "") == each["metadata"].get("creationTimestamp")


def own_tree(each: Object) -> Tree:
    """The fields that deploys apply."""
    own: Tree = {}
    for entry in entries(each):
        if is_ours(entry) and not entry.get("subresource"):
            merge(own, entry["fieldsV1"])
    return own


def walk(tree: Tree, own: Tree, value: Any, at: Field) -> Iterator[Field]:
    """Fields of `tree` that are in `value` and not in `own`; all three are those of the field `at`."""
    for key, below in tree.items():
        if key == "." or (not at.keys and key == "f:status"):
            continue
        place, inner = step(value, key)
        if inner is _NONE:
            continue  # it is gone
        path = f"{at.path}.{place}".lstrip(".") if key.startswith("f:") else f"{at.path}[{place}]"
        here = Field((*at.keys, key), path, at.manager)
        is_whole = not below or (not key.startswith("f:") and "." in below)
        if key not in own and is_whole:
            yield here
        elif below:
            yield from walk(below, own.get(key, {}), inner, here)


def step(value: Any, key: str) -> tuple[Any, Any]:
    """Name and value of what `key` stands for in `value`."""
    sort, _, rest = key.partition(":")
    if sort == "f":
        return rest, value.get(rest, _NONE) if isinstance(value, dict) else _NONE
    if not isinstance(value, list):
        return rest, _NONE
    number = find(value, key)
    if number is None:
        return "", _NONE
    return json.loads(rest) if sort == "v" else list(by_name(value))[number], value[number]


def find(items: list[Any], key: str) -> int | None:
    """The place of an item of a list."""
    sort, _, rest = key.partition(":")
    wanted = json.loads(rest)
    for number, item in enumerate(items):
        if sort == "v" and item == wanted:
            return number
        if sort == "k" and isinstance(item, dict) and all(item.get(name) == one for name, one in wanted.items()):
            return number
        if sort == "i" and number == wanted:
            return number
    return None


def without(each: Object, fields: list[Field]) -> Object:
    """The object as if nobody had added `fields`."""
    bare, own = deepcopy(each), own_tree(each)
    for field in fields:
        remove(bare, field.keys, own)
    return bare


def remove(value: Any, keys: tuple[str, ...], own: Tree) -> None:
    """Take one field out of `value`, and with it each mapping that is empty then and not `own`."""
    key, *rest = keys
    _, inner = step(value, key)
    if inner is _NONE:
        return
    if rest:
        remove(inner, tuple(rest), own.get(key, {}))
    if not rest or (inner == {} and key not in own):
        if key.startswith("f:"):
            del value[key.partition(":")[2]]
        elif (number := find(value, key)) is not None:
            del value[number]


def taken_over(each: Object, fields: list[Field]) -> Object:
    """The object with `fields` recorded as ours, so that the next apply, which lacks them, removes them.

    Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership
    """
    changed = deepcopy(each)
    ours = next((entry for entry in entries(changed) if is_ours(entry)), None)
    if ours is None:
        ours = {"manager": kubectl.MANAGER, "operation": "Apply", "apiVersion": each["apiVersion"], "fieldsV1": {}}
        ours |= {"fieldsType": "FieldsV1", "time": each["metadata"]["creationTimestamp"]}
        changed["metadata"].setdefault("managedFields", []).append(ours)
    for field in fields:
        merge(ours["fieldsV1"], nested(field.keys, {}))
        for entry in entries(changed):
            subtree = dig(entry.get("fieldsV1"), *field.keys)
            if entry is ours or subtree is None:
                continue
            merge(ours["fieldsV1"], nested(field.keys, subtree))
            prune(entry["fieldsV1"], field.keys)
    changed["metadata"]["managedFields"] = [entry for entry in entries(changed) if entry.get("fieldsV1")]
    return changed


def nested(keys: tuple[str, ...], below: Tree) -> Tree:
    for key in reversed(keys):
        below = {key: below}
    return below


def merge(tree: Tree, other: Tree) -> None:
    """Add the fields of `other` to `tree`."""
    for key, below in other.items():
        merge(tree.setdefault(key, {}), below)


def prune(tree: Tree, keys: tuple[str, ...]) -> None:
    """Take a field out of a tree, and with it all that holds nothing then."""
    key, *rest = keys
    if rest:
        prune(tree[key], tuple(rest))
    if not rest or not tree[key].keys() - {"."}:
        del tree[key]
