"""The types of an object's fields, from the schemas that `make tools` lays out."""

import json
import re
from functools import cache
from typing import Any

from delivery.manifests import Object
from delivery.schemas import FOLDER, KUBERNETES_VERSIONS

Schema = dict[str, Any]

NAME = re.compile(r"[a-z0-9-]*([.-][a-z0-9-]+)+")  # of a file: it comes from a manifest


class Types:
    """The schema of one kind with the types that it refers to."""

    def __init__(self, schema: Schema) -> None:
        self.root = schema
        self.named: dict[str, Schema] = schema.get("$defs", {})

    def resolve(self, schema: Schema) -> tuple[str, Schema]:
        """The name of a type, such as `Probe`, and its schema; "" for one without a name."""
        reference = str(schema.get("$ref", "")).removeprefix("#/$defs/")
        return (reference.rpartition(".")[2], self.named.get(reference, {})) if reference else ("", schema)


def of(each: Object) -> tuple[Types | None, bool]:
    """The types of an object of a known kind, and whether Kubernetes itself has the kind."""
    group, _, version = str(each.get("apiVersion") or "").rpartition("/")
    parts = (group, version, str(each.get("kind")).lower())
    return read(*parts) if NAME.fullmatch("-".join(parts)) else (None, False)


@cache
def read(group: str, version: str, kind: str) -> tuple[Types | None, bool]:
    name = "-".join(filter(None, (kind, group.partition(".")[0], version)))
    own = FOLDER / f"v{KUBERNETES_VERSIONS[-1]}" / f"{name}.json"
    custom = FOLDER / "crds" / (group or "none") / f"{kind}_{version}.json"
    for path, is_own in ((own, True), (custom, False)):
        if path.is_file():
            return Types(json.loads(path.read_text("utf-8"))), is_own
    return None, False
