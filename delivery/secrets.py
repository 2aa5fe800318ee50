"""Kubernetes Secrets from a folder with one file for each secret of Secret Manager, and what pods need of them."""

import base64
from collections.abc import Mapping
from pathlib import Path

import yaml

from delivery.checkout import ROOT
from delivery.deploy.plan import CHANGE, CREATE, NOTHING, Action
from delivery.deploy.release import Key
from delivery.errors import DeliveryError
from delivery.manifests import Object, Render
from delivery.policy.secrets import secret_keys
from delivery.tools import kubectl

TABLE = ROOT / "terraform" / "secrets.yaml"
MONITORING = "monitoring"
ELSEWHERE = {"taskpulse-grafana": [MONITORING]}
"""Secrets that are not, or not only, in the overlay's namespace, as the head of TABLE says."""


def load(folder: Path, namespace: str, environment: Mapping[str, str]) -> list[Object]:
    """The Secrets that the files in `folder` make.

    Raises:
        DeliveryError: a file is unknown, empty or alone of its Secret, or DB_USER is not set.
    """
    table = yaml.safe_load(TABLE.read_text())
    values = read(folder, table)
    constants = {"taskpulse-grafana": {"admin-user": b"admin"}}
    if "taskpulse-database-password" in values:
        if not environment.get("DB_USER"):
            raise DeliveryError("DB_USER is not set: the pods need the database user beside its password.")
        constants["taskpulse-secret"] = {"DB_USER": environment["DB_USER"].encode()}
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


def with_live(objects: list[Object], given: list[Object], namespace: str) -> list[Object]:
    """The Secrets `given` for a namespace, and from the cluster those that pods need besides."""
    own = [each for each in given if each["metadata"]["namespace"] == namespace]
    unknown = sorted(needed_by(objects).keys() - {each["metadata"]["name"] for each in own})
    return [*own, *(kubectl.get("secrets", *unknown, f"--namespace={namespace}") if unknown else [])]


def refuse_missing(objects: list[Object], secrets: list[Object], namespace: str) -> list[str]:
    """Sentences, one for each key of a Secret that pods need and that is not in `secrets`."""
    needed = needed_by(objects)
    have = {each["metadata"]["name"]: set(each.get("data") or {}) for each in secrets}
    return [
        f"Pods need {', '.join(sorted(lacking))} of Secret {name}, which {namespace} does not have:"
        " give its values with --secrets, or make it by hand."
        for name, keys in sorted(needed.items())
        if (
            lacking := {
                key for key in keys if key not in have.get(name, set()) and (key != "(all)" or name not in have)
            }
        )
    ]


def changes(secrets: list[Object]) -> list[Action]:
    """What applying `secrets` would do: which keys change, never to what."""
    stubs = kubectl.as_yaml(map(kubectl.stub, secrets))
    live = {Key.of(each): each for each in kubectl.get("--filename=-", stdin=stubs)} if secrets else {}
    actions = []
    for each in secrets:
        there = live.get(Key.of(each))
        before = (there.get("data") or {}) if there else {}
        keys = [key for key, value in each["data"].items() if before.get(key) != value]
        what = CREATE if there is None else CHANGE if keys else NOTHING
        reason = f"{', '.join(keys)} from --secrets" if keys else ""
        actions.append(Action(what, Key.of(each), reason, [f"data.{key}" for key in keys if there]))
    return actions
