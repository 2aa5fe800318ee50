"""Probes of containers: each is there, and asks what it should."""

from collections.abc import Iterator
from functools import partial

from delivery.manifests import Render, dig, identity
from delivery.policy.rule import Rule, register

RULES: list[Rule] = []
rule = partial(register, RULES)

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


@rule("probes")
def every_container_is_probed(render: Render) -> Iterator[str]:
    for each in render.of("Deployment"):
        for container in each["spec"]["template"]["spec"]["containers"]:
            missing = [probe for probe in PROBES if probe not in container]
            if missing:
                yield f"{identity(each)} container {container['name']} lacks {', '.join(missing)}."


@rule("liveness")
def liveness_asks_for_nothing_else(render: Render) -> Iterator[str]:
    for where, _, container in render.containers():
        for probe in ("startupProbe", "livenessProbe"):
            path = dig(container, probe, "httpGet", "path")
            if probe in container and path != "/health/live":
                yield f"{where} {probe} asks {path}: only /health/live answers while the database is away."


@rule("readiness")
def readiness_asks_for_readiness(render: Render) -> Iterator[str]:
    for where, _, container in render.containers():
        path = dig(container, "readinessProbe", "httpGet", "path")
        if "readinessProbe" in container and path != "/health/ready":
            yield f"{where} readinessProbe asks {path}: only /health/ready fails while the pod cannot serve."
