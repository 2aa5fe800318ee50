"""Secrets, and the password's way to the database."""

from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from delivery.objects import Object, Render, dig, identity
from delivery.policy.rule import Rule, register

RULES: list[Rule] = []
rule = partial(register, RULES)

# what the deploy puts into the namespace from Secret Manager: secret, keys
DEPLOYED = {
    "taskpulse-secret": {"DB_USER", "DB_PASSWORD"},
    "taskpulse-database-ca": {"server-ca.pem"},
    "taskpulse-metrics": {"token"},
    "taskpulse-alerting": {"slack-webhook-url", "smtp-password"},
}


@rule("secret-in-git")
def no_secret_is_rendered(render: Render) -> Iterator[str]:
    for each in render.of("Secret"):
        if each.get("data") or each.get("stringData"):
            yield f"{identity(each)} holds data: secrets come from Secret Manager, never from Git."


@rule("secret-reference")
def only_deployed_secrets_are_read(render: Render) -> Iterator[str]:
    pods = ((owner, secret_keys(template["spec"])) for owner, template in render.pods())
    monitors = ((each, selectors(each["spec"])) for each in render.of("ServiceMonitor", "AlertmanagerConfig"))
    for owner, keys in [*pods, *monitors]:
        for name, key in keys:
            if key not in DEPLOYED.get(name, set()):
                yield f"{identity(owner)} reads key {key} of Secret {name}, which the deploy does not make."


def secret_keys(spec: Object) -> Iterator[tuple[str, str]]:
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        for variable in container.get("env", []):
            if reference := dig(variable, "valueFrom", "secretKeyRef"):
                yield reference["name"], reference["key"]
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                yield source["secretRef"]["name"], "(all)"
    for volume in spec.get("volumes", []):
        if secret := volume.get("secret"):
            items = secret.get("items") or [{"key": "(all)"}]
            yield from ((secret["secretName"], item["key"]) for item in items)


def selectors(part: Any) -> Iterator[tuple[str, str]]:
    """Name and key of each Secret that the objects of the Prometheus operator select, wherever they do."""
    if isinstance(part, dict) and part.keys() == {"name", "key"}:
        yield part["name"], part["key"]
    elif isinstance(part, dict | list):
        for each in part.values() if isinstance(part, dict) else part:
            yield from selectors(each)


@rule("database-tls")
def database_is_verified(render: Render) -> Iterator[str]:
    for each in render.of("ConfigMap"):
        data = each.get("data") or {}
        mode, certificate = data.get("DB_SSLMODE"), data.get("DB_SSLROOTCERT")
        if "DB_HOST" in data and mode not in {"verify-ca", "verify-full"}:
            yield f"{identity(each)} has DB_SSLMODE={mode}: it must be verify-ca or verify-full."
        for where, _, container in render.containers():
            mounts = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            if "DB_HOST" in data and not any(map(PurePosixPath(certificate or "").is_relative_to, mounts)):
                yield f"{where} does not mount DB_SSLROOTCERT={certificate} of {identity(each)}."
