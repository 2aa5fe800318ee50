"""Secrets: made from a folder with one file for each secret of Secret Manager, and what pods need of them."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

from delivery import manifests
from delivery.chart import NAMESPACE as MONITORING
from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.manifests import Object, Render, all_containers, dig, projections

TABLE = ROOT / "terraform" / "secrets.yaml"
ELSEWHERE = {"taskpulse-grafana": [MONITORING]}
"""Secrets that are not, or not only, in the overlay's namespace, as the head of TABLE says."""
SERVICE_USER = "taskpulse_service"
"""The database user that serves. The one in DB_USER owns the tables, and makes it."""


def load(folder: Path, namespace: str, environment: Mapping[str, str]) -> list[Object]:
    """The Secrets that the files in `folder` make.

    Raises:
        DeliveryError: a file is unknown, empty or alone of its Secret, or DB_USER is not set.
    """
    table = manifests.load(TABLE.read_text())
    values = read(folder, table)
    constants = {"taskpulse-grafana": {"admin-user": b"admin"}}
    if "taskpulse-database-password" in values:
        if not environment.get("DB_USER"):
            raise DeliveryError("DB_USER is not set: the pods need the database user beside its password.")
        constants["taskpulse-secret"] = {
            "DB_USER": environment["DB_USER"].encode(),
            "DB_SERVICE_USER": SERVICE_USER.encode(),
        }
    data: dict[str, dict[str, bytes]] = {}
    for file, value in values.items():
        name = table[file]["secret"]
        data.setdefault(name, dict(constants.get(name, {})))[table[file]["key"]] = value
    places = ELSEWHERE | {"taskpulse-alerting": [namespace, MONITORING]}
    return [secret(name, place, content) for name, content in data.items() for place in places.get(name, [namespace])]


def read(folder: Path, table: Mapping[str, Mapping[str, str]]) -> dict[str, bytes]:
    """Contents of the files by name."""
    try:
        values = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    except OSError as error:
        raise DeliveryError(f"Cannot read the secrets in {folder}: {error.strerror}.") from None
    for name, value in values.items():
        if name not in table:
            raise DeliveryError(f"{folder / name} is no secret of {TABLE.name}: {', '.join(table)} are.")
        if not value:
            raise DeliveryError(f"{folder / name} is empty.")
    for name, entry in table.items():
        others = [each for each in values if table[each]["secret"] == entry["secret"]]
        if others and name not in values:
            raise DeliveryError(f"{folder / name} is missing: with {others[0]} it makes Secret {entry['secret']}.")
    return values


def secret(name: str, namespace: str, data: Mapping[str, bytes]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/name": "taskpulse-api", "app.kubernetes.io/part-of": "taskpulse"},
        },
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def values_of(secrets: list[Object]) -> set[str]:
    """Every value that must appear nowhere: what is in the Secrets, user names apart."""
    return {
        base64.b64decode(value).decode(errors="replace").strip()
        for each in secrets
        for key, value in (each.get("data") or {}).items()
        if not key.lower().endswith("user")
    }


def needed_by(objects: list[Object]) -> dict[str, set[str]]:
    """Names of the Secrets that pods need, with the keys."""
    needed: dict[str, set[str]] = {}
    for _, template in Render("", objects).pods():
        for name, key in secret_keys(template["spec"]):
            needed.setdefault(name, set()).add(key)
    return needed


def secret_keys(spec: Object) -> Iterator[tuple[str, str]]:
    """Name and key of each Secret that a pod's spec reads; the key is `(all)` where it reads them all."""
    for container in all_containers(spec):
        for variable in container.get("env", []):
            if reference := dig(variable, "valueFrom", "secretKeyRef"):
                yield reference["name"], reference["key"]
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                yield source["secretRef"]["name"], "(all)"
    mounted = [volume["secret"] for volume in spec.get("volumes", []) if "secret" in volume]
    mounted += [
        {**source["secret"], "secretName": source["secret"]["name"]}
        for source in projections(spec)
        if "secret" in source
    ]
    for secret in mounted:
        items = secret.get("items") or [{"key": "(all)"}]
        yield from ((secret["secretName"], item["key"]) for item in items)
