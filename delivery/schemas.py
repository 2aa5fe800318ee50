"""Lays out JSON schemas for kubeconform, from what is installed: `python -m delivery.schemas CRD_FOLDER OUT`.

Kubernetes' own come with the package kubernetes-validate, those of custom resources from their definitions.
"""

import json
import re
import shutil
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from delivery import manifests
from delivery.checkout import ROOT

# the oldest and the newest minor version that GKE's release channels offer
KUBERNETES_VERSIONS = ("1.34.0", "1.37.0")

FOLDER = ROOT / ".tools" / "schemas"
LOCATIONS = (
    f"{FOLDER}/{{{{.NormalizedKubernetesVersion}}}}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
    f"{FOLDER}/crds/{{{{.Group}}}}/{{{{.ResourceKind}}}}_{{{{.ResourceAPIVersion}}}}.json",
)
"""Where kubeconform finds what `write_schemas` writes, by version and by kind."""

REFERENCE = re.compile(r'"#/\$defs/([^"]+)"')


def write_schemas(definitions: Path, out: Path) -> None:
    """Write `v<version>/*.json` and `crds/<group>/<kind>_<version>.json` in a fresh folder `out`."""
    shutil.rmtree(out, ignore_errors=True)
    with as_file(files("kubernetes_validate") / "kubernetes-json-schema") as source:
        for version in KUBERNETES_VERSIONS:
            write_whole(source / f"v{version}-local-strict", out / f"v{version}")
    for path in sorted(definitions.rglob("*.yaml")):
        for definition in manifests.load_all(path.read_text()):
            if definition and definition["kind"] == "CustomResourceDefinition":
                write_custom(definition, out / "crds" / definition["spec"]["group"])


def write_whole(source: Path, out: Path) -> None:
    """Write the schema of each kind with the definitions that it needs.

    In `source` all schemas refer to one file with every definition; kubeconform would compile that for each kind.
    """
    out.mkdir(parents=True)
    shared = json.loads((source / "_definitions.json").read_text())["$defs"]
    for path in source.glob("*.json"):
        schema = json.loads(path.read_text().replace('"/api/_definitions.json#', '"#'))
        if "x-kubernetes-group-version-kind" in schema:
            del schema["$id"]
            schema["$defs"] = needed(schema, shared)
            (out / path.name).write_text(json.dumps(schema))


def needed(schema: Any, shared: dict[str, Any]) -> dict[str, Any]:
    """Return those of the definitions that a schema refers to, itself or through others."""
    found: dict[str, Any] = {}
    left = [schema]
    while left:
        for name in set(REFERENCE.findall(json.dumps(left.pop()))) - found.keys():
            found[name] = shared[name]
            left.append(shared[name])
    return found


def write_custom(definition: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    kind = definition["spec"]["names"]["kind"].lower()
    for version in definition["spec"]["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        (out / f"{kind}_{version['name']}.json").write_text(json.dumps(schema))


def strict(schema: Any) -> Any:
    """A structural schema as JSON schema that refuses unknown fields, as `kubectl apply` does.

    Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
    """
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: strict(value) for key, value in schema.items()}
    closed = schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields")
    if closed and isinstance(schema.get("properties"), dict):
        result.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string") is True:
        result.pop("type", None)
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        result["type"] = [schema["type"], "null"]
    return result


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]), Path(sys.argv[2]))
