"""Objects as the API server stores them, so that what is only written differently compares as equal."""

import base64
import binascii
import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from delivery import manifests
from delivery.manifests import Object
from delivery.quantity import canonical
from delivery.review.normal import schemas
from delivery.review.normal.defaults import FILL
from delivery.review.normal.schemas import Schema, Types
from delivery.review.normal.versions import converted

WRITTEN = {"creationTimestamp", "generation", "managedFields", "selfLink", "uid"}  # by the API server alone
SCALED = {"Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"}
BYTES = {("Secret", "data"), ("ConfigMap", "binaryData")}


def normal(each: Object, *, scaled: bool = False) -> Object:
    """The object as it is stored: in one API version, with defaults, amounts and the order of lists in one form.

    `scaled` says that an autoscaler owns `spec.replicas`: then its absence is not 1. What is not shaped as its kind
    is stays as it is.
    """
    try:
        each = converted(each)
        types, own = schemas.of(each)
        result: Object = integral(each)
        if types:
            shaped = Shaper(types).builtin if own else Shaper(types).custom
            result = shaped(result, {**types.root, "name": each["kind"]} if own else types.root)
        result = {key: value for key, value in result.items() if key != "status"}
        result |= {key: each[key] for key in ("apiVersion", "kind") if key in each}
        result["metadata"] = metadata(each["metadata"])
        if own and each["kind"] in SCALED and not scaled:
            result.setdefault("spec", {}).setdefault("replicas", 1)
    except (AttributeError, KeyError, TypeError, ValueError):
        return each
    return result


def metadata(given: Object) -> Object:
    found = {key: value for key, value in given.items() if key not in WRITTEN}
    return {key: value for key, value in found.items() if value not in (None, {}, [], "")}


def integral(value: Any) -> Any:
    """A copy in which each number that is whole is an int, as it is in JSON."""
    if isinstance(value, dict):
        return {key: integral(each) for key, each in value.items()}
    if isinstance(value, list):
        return [integral(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@cache
def table() -> dict[str, dict[str, Any]]:
    text = Path(__file__).with_name("types.yaml").read_text("utf-8")
    found: dict[str, dict[str, Any]] = next(manifests.load_all(text))
    return found


class Shaper:
    """Brings values into the form in which a type is stored."""

    def __init__(self, types: Types) -> None:
        self.types = types

    def builtin(self, value: Any, schema: Schema, *, in_template: bool = False) -> Any:
        """A value of a type of Kubernetes itself."""
        name, schema = self.types.resolve(schema)
        name = name or schema.get("name", "")
        if name == "Quantity":
            return canonical(value)
        if isinstance(value, list):
            return [self.builtin(each, schema.get("items", {}), in_template=in_template) for each in value]
        if not isinstance(value, dict):
            return value
        if "properties" not in schema:
            inner = schema.get("additionalProperties")
            each_schema = inner if isinstance(inner, dict) else {}
            return {key: self.builtin(each, each_schema, in_template=in_template) for key, each in value.items()}
        return self.structure(value, name, schema["properties"], in_template=in_template or name == "PodTemplateSpec")

    def structure(self, given: Object, name: str, fields: Schema, *, in_template: bool) -> Object:
        pointers = table()["pointers"].get(name, ())
        value = {key: each for key, each in given.items() if each is not None}
        for key, default in table()["defaults"].get(name, {}).items():
            if key not in value or (key not in pointers and is_zero(value[key])):
                value[key] = deepcopy(default)
        if name in FILL:
            FILL[name](value)
        result = {}
        for key, each in value.items():
            if key not in fields:
                result[key] = each
                continue
            shaped = self.builtin(each, fields[key], in_template=in_template)
            if (name, key) in BYTES:
                shaped = {part: encoded_once(text) for part, text in shaped.items()}
            if self.is_absent(shaped, name, key, fields[key]):
                continue
            if not in_template and key in table()["unordered"].get(name, ()) and isinstance(shaped, list):
                shaped = sorted(shaped, key=lambda item: json.dumps(item, sort_keys=True))
            result[key] = shaped
        return result

    def is_absent(self, value: Any, name: str, key: str, schema: Schema) -> bool:
        """Whether a value of a field is stored as no field."""
        if isinstance(value, list):
            return not value
        if isinstance(value, dict):
            is_map = "properties" not in self.types.resolve(schema)[1]
            return not value and (is_map or key in table()["structures"].get(name, ()))
        return (
            is_zero(value)
            and key not in table()["pointers"].get(name, ())
            and key not in table()["defaults"].get(name, {})
        )

    def custom(self, value: Any, schema: Schema) -> Any:
        """A value of a type of a CustomResourceDefinition, whose schema says its defaults."""
        if isinstance(value, list):
            return [self.custom(each, schema.get("items", {})) for each in value]
        if not isinstance(value, dict):
            return value
        fields = schema.get("properties") or {}
        inner = schema.get("additionalProperties")
        others = inner if isinstance(inner, dict) else {}
        result = {}
        for key, each in value.items():
            field = fields.get(key, others)
            if each is not None or field.get("nullable"):
                result[key] = each
        for key, field in fields.items():
            if "default" in field and key not in result:
                result[key] = deepcopy(field["default"])
        return {key: self.custom(each, fields.get(key, others)) for key, each in result.items()}


def is_zero(value: Any) -> bool:
    return value in ("", 0)  # 0 is false too


def encoded_once(text: Any) -> Any:
    """Base64 without the line breaks that it may be written with."""
    try:
        return base64.b64encode(base64.b64decode("".join(str(text).split()), validate=True)).decode()
    except (binascii.Error, ValueError):
        return text
