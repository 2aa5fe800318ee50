import json
from collections.abc import Iterable
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.tools import program


def errors(manifests: list[Path], version: str, schemas: Iterable[str]) -> dict[Path, list[str]]:
    """Sentences per file, one for each object that does not fit its schema in one Kubernetes version.

    `schemas` are templates of paths, tried in this order. A kind without a schema is an error.

    Raises:
        DeliveryError: kubeconform itself fails.
    """
    result = program.run(
        "kubeconform",
        *("-strict", "-output", "json", "-kubernetes-version", version),
        *("-n", "1"),  # with more, each compiles the same schemas: twice the work for the same answer
        *(option for template in schemas for option in ("-schema-location", template)),
        *manifests,
    )
    if not result.stdout:
        raise DeliveryError(f"kubeconform failed: {result.stderr.strip()}")
    found: dict[Path, list[str]] = {path: [] for path in manifests}
    for each in json.loads(result.stdout)["resources"]:
        error = each["msg"].partition("json#' - ")[2] or each["msg"]  # without the path of the schema
        found[Path(each["filename"])].append(f"{each['kind']}/{each['name']}: {error}")
    return found
