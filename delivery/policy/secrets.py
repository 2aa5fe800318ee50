"""Secrets, and the password's way to the database."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from delivery import credentials
from delivery.manifests import Object, Render, dig, identity
from delivery.policy.rule import Rule, register
from delivery.secrets import secret_keys

RULES: list[Rule] = []
rule = partial(register, RULES)

# what the deploy puts into the namespace from Secret Manager: secret, keys
DEPLOYED = {
    "taskpulse-secret": {"DB_USER", "DB_PASSWORD", "DB_SERVICE_USER", "DB_SERVICE_PASSWORD"},
    "taskpulse-database-ca": {"server-ca.pem"},
    "taskpulse-metrics": {"token"},
    "taskpulse-alerting": {"slack-webhook-url", "smtp-password"},
}
OWNER = {("taskpulse-secret", "DB_USER"), ("taskpulse-secret", "DB_PASSWORD")}


@rule("secret-in-git")
def no_secret_is_rendered(render: Render) -> Iterator[str]:
    for each in render.of("Secret"):
        if each.get("data") or each.get("stringData"):
            yield f"{identity(each)} holds data: secrets come from Secret Manager, never from Git."
    for each in render.objects:
        for leaf in credentials.leaves(each):
            place = credentials.where(each, leaf)
            yield f"{identity(each)} holds a credential in {place}: a Secret from Secret Manager must hold it."


@rule("secret-reference")
def only_deployed_secrets_are_read(render: Render) -> Iterator[str]:
    pods = ((owner, secret_keys(template["spec"])) for owner, template in render.pods())
    monitors = ((each, selectors(each["spec"])) for each in render.of("ServiceMonitor", "AlertmanagerConfig"))
    for owner, keys in [*pods, *monitors]:
        for name, key in keys:
            if key not in DEPLOYED.get(name, set()):
                yield f"{identity(owner)} reads key {key} of Secret {name}, which the deploy does not make."


def selectors(part: Any) -> Iterator[tuple[str, str]]:
    """Name and key of each Secret that the objects of the Prometheus operator select, wherever they do."""
    if isinstance(part, dict) and part.keys() == {"name", "key"}:
        yield part["name"], part["key"]
    elif isinstance(part, dict | list):
        for each in part.values() if isinstance(part, dict) else part:
            yield from selectors(each)


@rule("database-owner")
def who_serves_is_not_the_owner_of_the_tables(render: Render) -> Iterator[str]:
    for owner, template in render.pods():
        spec = template["spec"]
        for container in spec["containers"]:
            mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
            volumes = [volume for volume in spec.get("volumes", []) if volume["name"] in mounted]
            for name, key in secret_keys({"containers": [container], "volumes": volumes}):
                if (name, key) in OWNER:
                    yield (
                        f"{identity(owner)} container {container['name']} reads {key} of {name}, the tables' owner:"
                        " only an init container may. What serves needs DB_SERVICE_USER."
                    )


@rule("database-tls")
def database_is_verified(render: Render) -> Iterator[str]:
    for where, spec, container in render.containers():
        if container["image"] != render.own_image:
            continue
        variables = environment(render, container)
        mode, certificate = variables.get("DB_SSLMODE"), variables.get("DB_SSLROOTCERT")
        if mode not in {"verify-ca", "verify-full"}:
            yield f"{where} has DB_SSLMODE={mode}: it must be verify-ca or verify-full."
        if certificate not in secret_files(spec, container):
            yield f"{where} has DB_SSLROOTCERT={certificate}, which is no file of a Secret that it mounts."


def environment(render: Render, container: Object) -> dict[str, str]:
    """The variables whose values the render knows: from ConfigMaps, then the container's own."""
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if (config := render.named("ConfigMap", dig(source, "configMapRef", "name"))) and not source.get("prefix"):
            variables |= config.get("data") or {}
    return variables | {each["name"]: each.get("value", "") for each in container.get("env", [])}


def secret_files(spec: Object, container: Object) -> set[str]:
    """Paths of the files that a container has from Secrets whose items its pod names."""
    items = {volume["name"]: dig(volume, "secret", "items") or [] for volume in spec.get("volumes", [])}
    return {
        f"{mount['mountPath']}/{item['path']}"
        for mount in container.get("volumeMounts", [])
        if "subPath" not in mount
        for item in items.get(mount["name"], [])
    }
