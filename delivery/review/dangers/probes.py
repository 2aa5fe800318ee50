"""Probes that restart or leave out pods that are well, or that no pod can pass."""

from collections.abc import Iterator
from typing import Any

from delivery.manifests import Object, dig
from delivery.review.pod_templates import as_named_after, containers

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
# fields with their defaults; Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
DEFAULTS = {"initialDelaySeconds": 0, "periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3}
MUCH = 2  # times as short as before, from which a time is told: small changes are daily work
NOTHING = (["true"], ["sh", "-c", "true"], ["sh", "-c", "exit 0"])


def dangers(before: Object | None, after: Object) -> Iterator[str]:
    """Sentences on the probes of each container."""
    old, new = as_named_after(before, after), containers(after)
    ports = [each for container in new.values() for each in container.get("ports") or [] if isinstance(each, dict)]
    for name, container in new.items():
        for probe in PROBES:
            has = container.get(probe)
            if isinstance(has, dict):
                had = dig(old.get(name), probe)
                had = had if isinstance(had, dict) else None
                found = [*unanswered(had, has, container, ports)]
                found += hasty(probe, had, has, bool(container.get("startupProbe"))) if had else []
                yield from (f"Container {name}: its {probe} {each}." for each in found)


def hasty(probe: str, had: Object, has: Object, starts: bool) -> Iterator[str]:
    """Times that are much shorter than they were; `starts` if a startupProbe waits before this one."""
    was, now = times(had), times(has)
    if was is None or now is None:
        return
    if now["timeoutSeconds"] * MUCH <= was["timeoutSeconds"]:
        change = f"waits {now['timeoutSeconds']} s for an answer instead of {was['timeoutSeconds']} s"
        yield f"{change}: a slow answer counts as none"
    (old, late), (new, soon) = map(windows, (was, now))
    if probe == "startupProbe" and (new + soon) * MUCH <= old + late:
        yield f"leaves {new + soon} s to start instead of {old + late} s: a slow start is taken for a hang"
    elif probe == "livenessProbe" and new * MUCH <= old:
        yield f"restarts it after {new} s without an answer instead of {old} s: a pause is taken for a hang"
    elif probe == "livenessProbe" and not starts and (new + soon) * MUCH <= old + late:
        change = f"may restart it {new + soon} s after it starts instead of {old + late} s"
        yield f"{change}: a slow start is taken for a hang"
    elif probe == "readinessProbe" and new * MUCH <= old:
        yield f"takes requests from it after {new} s without an answer instead of {old} s: a pause of all leaves none"


def times(probe: Object) -> dict[str, int] | None:
    found = {key: probe.get(key) or default for key, default in DEFAULTS.items()}
    return found if all(isinstance(each, int) for each in found.values()) else None


def windows(each: dict[str, int]) -> tuple[int, int]:
    """Seconds of no answer until a probe acts, and those before it first asks."""
    return each["failureThreshold"] * each["periodSeconds"], each["initialDelaySeconds"]


def unanswered(had: Object | None, has: Object, container: Object, ports: list[Object]) -> Iterator[str]:
    """What a probe asks that nothing answers, or that says nothing."""
    if port(has) != port(had):
        own = [each for each in container.get("ports") or [] if isinstance(each, dict)]
        named = {each["name"] for each in own if each.get("name")}
        numbers = {each.get("containerPort") for each in ports}
        asked = port(has)
        if isinstance(asked, str) and not asked.isdecimal() and asked not in named:
            yield f"asks port {asked}, which the container does not name: it fails for ever"
        elif asked is not None and had and numbers and str(asked) not in {str(each) for each in numbers | named}:
            yield f"asks port {asked}, which is none of its pod's ports: it fails for ever if nothing listens there"
    if says_nothing(has) and not says_nothing(had):
        yield "asks nothing of the program: it succeeds whatever happens"


def port(probe: Object | None) -> Any:
    return next((found for way in ("httpGet", "tcpSocket", "grpc") if (found := dig(probe, way, "port"))), None)


def says_nothing(probe: Object | None) -> bool:
    return [str(each).removeprefix("/bin/") for each in dig(probe, "exec", "command") or []] in NOTHING
