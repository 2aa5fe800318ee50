"""What keeps data, and what reads or changes it on its way: volumes, encrypted connections, webhooks."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from delivery import manifests
from delivery.manifests import Object, dig
from delivery.review.around import Around
from delivery.review.model import Danger
from delivery.review.pod_templates import containers, pod_spec
from delivery.review.variables import variables

SSL_MODE = re.compile(r"(?:^|_|[a-z])SSL_?MODE$", re.IGNORECASE)
SSL_MODE_WITHIN = re.compile(r"""(?:^|[?&\s"'_])ssl_?mode["']?\s*[=:]\s*["']?([A-Za-z_-]+)""", re.IGNORECASE)
# from the weakest to the strongest; of PostgreSQL and MySQL
MODES = {
    "disable": 0,
    "disabled": 0,
    "allow": 1,
    "prefer": 2,
    "preferred": 2,
    "require": 3,
    "required": 3,
    "verify-ca": 4,
    "verify_ca": 4,
    "verify-full": 5,
    "verify_identity": 5,
}
WEAKER = {
    0: "the connection is not encrypted",
    1: "the connection is encrypted only if the server insists",
    2: "the connection is in the clear if the server does not encrypt, and nobody checks who the server is",
    3: "nobody checks who the server is",
    4: "the server's name is not checked",
}


TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


@cache
def table() -> dict[str, Any]:
    text = Path(__file__).with_name("unchecked.yaml").read_text("utf-8")
    found: dict[str, Any] = next(manifests.load_all(text))
    return found


def dangers(before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    if after is None:
        return
    found = list(unchecked(before, after))
    if before:
        found += [
            *unprotected(before, after, around),
            *reclaimed(before, after),
            *dropped(before, after),
            *modes(before, after, around),
        ]
    yield from (Danger("data", sentence) for sentence in found)


def reclaimed(before: Object, after: Object) -> Iterator[str]:
    """That what was kept is deleted with what used it."""
    fields: dict[str, tuple[tuple[str, ...], str]] = {
        "PersistentVolume": (
            ("spec", "persistentVolumeReclaimPolicy"), "when its claim is deleted, its data is deleted too"
        ),
        "StorageClass": (("reclaimPolicy",), "when a claim is deleted, the data of its new volume is deleted too"),
        "VolumeSnapshotClass": (("deletionPolicy",), "when a snapshot object is deleted, its data is deleted too"),
        "VolumeSnapshotContent": (("spec", "deletionPolicy"), "when its snapshot is deleted, its data is deleted too"),
    }  # fmt: skip
    places = [fields[after["kind"]]] if after["kind"] in fields else []
    if after["kind"] == "StatefulSet":
        policy = ("spec", "persistentVolumeClaimRetentionPolicy")
        places = [
            ((*policy, "whenDeleted"), "when it is deleted, the data of its pods is deleted too"),
            ((*policy, "whenScaled"), "when it gets fewer pods, their data is deleted"),
        ]
    for path, consequence in places:
        was, now = (dig(each, *path) for each in (before, after))
        keeps = was == "Retain" or (was is None and after["kind"] in {"StatefulSet", "PersistentVolume"})
        if keeps and now in {"Delete", "Recycle"}:
            yield f"{path[-1]} is {now} instead of Retain: {consequence}."
    old, new = (dig(each, "metadata", "annotations") or {} for each in (before, after))
    for key, known in table()["kept"].items():
        if str(old.get(key)) == known["value"] and str(new.get(key)) != known["value"]:
            yield f"Its annotation {key}: {known['value']} is gone: {known['consequence']}."


def dropped(before: Object, after: Object) -> Iterator[str]:
    """Volumes of pods that lasted, and now end with the pod or are others."""
    old, new = ({each.get("name"): each for each in dig(pod_spec(one), "volumes") or []} for one in (before, after))
    if pod_spec(after) is None:
        return
    templates = {dig(each, "metadata", "name") for each in dig(after, "spec", "volumeClaimTemplates") or []}
    claims = {dig(each, "persistentVolumeClaim", "claimName") for each in new.values()}
    for name, volume in old.items():
        claim = dig(volume, "persistentVolumeClaim", "claimName")
        if claim is None or claim in claims:
            continue
        other = dig(new.get(name), "persistentVolumeClaim", "claimName")
        if other:
            yield f"Its pods have the data of claim {other} in volume {name} instead of that of {claim}."
        elif name in new:
            kind = next((key for key in new[name] if key != "name"), "emptyDir")
            yield f"Its pods have {kind} as volume {name} instead of claim {claim}: they no longer have its data."
        elif name not in templates:
            yield f"Its pods no longer mount claim {claim}: what they write there is lost with them."


def modes(before: Object, after: Object, around: Around) -> Iterator[str]:
    """Connections to databases that are encrypted or checked less."""
    for place, was, now in compared(before, after, around):
        old, new = mode(place, was), mode(place, now)
        if old is None or new == old:
            continue
        if new is not None and MODES[new] < MODES[old]:
            yield f"{place} has sslmode {new} instead of {old}: {WEAKER[MODES[new]]}."
        elif new is None and MODES[old] > MODES["prefer"] and (now is not None or SSL_MODE.search(key_of(place))):
            yield f"{place} no longer says {old}: the default of the client, often prefer, checks no server."


def compared(before: Object, after: Object, around: Around) -> Iterator[tuple[str, Any, Any]]:
    """Settings that an object changes, by where they are, with both values; None where there is none."""
    old, new = settings(before), settings(after)
    if after["kind"] in {"ConfigMap", "Secret"}:
        for place, value in old.items():
            now = new.get(place)
            if now is None and mode(place, value):  # the pods may have it from elsewhere
                held = [
                    found for pod in around.after.workloads
                    for each in variables(pod.value, around.after).values()
                    if (found := mode(place, each.get(place)))
                ]  # fmt: skip
                now = min(held, key=lambda each: MODES[each], default=None)
            yield place, value, now
        return
    had, has = variables(before, around.before), variables(after, around.after)
    for place in old | new:
        container, _, key = place.removeprefix("Container ").partition(": ")
        if key == "its command":
            yield place, old.get(place), new.get(place)
        elif container in has:
            yield place, had.get(container, {}).get(key), has[container].get(key)


def key_of(place: str) -> str:
    return place.rpartition(" ")[2]


def mode(place: str, value: Any) -> str | None:
    """The mode that a setting says: as a whole, or in a URL or the words of a connection."""
    if value is None:
        return None
    text = str(value)
    found = SSL_MODE_WITHIN.search(text)
    said = found[1] if found else text if SSL_MODE.search(key_of(place)) else ""
    return said.lower() if said.lower() in MODES else None


def settings(each: Object) -> dict[str, Any]:
    """What an object sets, by where: the values of a ConfigMap, and variables and arguments of containers."""
    found: dict[str, Any] = {}
    if each["kind"] in {"ConfigMap", "Secret"}:
        for part in ("data", "stringData"):
            found |= {str(key): value for key, value in (each.get(part) or {}).items()}
    for name, container in containers(each).items():
        for variable in container.get("env") or []:
            if "value" in variable:
                found[f"Container {name}: {variable.get('name')}"] = variable["value"]
        words = [*(container.get("command") or []), *(container.get("args") or [])]
        if words:
            found[f"Container {name}: its command"] = " ".join(map(str, words))
    return found


def unchecked(before: Object | None, after: Object) -> Iterator[str]:
    """Settings that switch the check of certificates off."""
    old = settings(before) if before else {}
    for place, value in settings(after).items():
        key = key_of(place)
        for name, values in table()["variables"].items():
            off = [str(each).lower() for each in values]
            if key == name and str(value).lower() in off and str(old.get(place)).lower() not in off:
                yield f"{place} is {value}: certificates are not checked, and anybody may stand between."
        for option in table()["options"]:
            if place.endswith("its command") and says(option, value) and not says(option, old.get(place, "")):
                yield f"{place} has {option}: certificates are not checked, and anybody may stand between."


def unprotected(before: Object, after: Object, around: Around) -> Iterator[str]:
    """Settings by whose name a protection is on, and off now."""
    known = {
        state: re.compile(pattern, re.IGNORECASE | re.VERBOSE) for state, pattern in table()["protections"].items()
    }
    for place, was, now in compared(before, after, around):
        old, new = (str(each).strip().lower() for each in (was, now))
        on, off = (known[state].fullmatch(key_of(place)) for state in ("on", "off"))
        if (on and old in TRUE and new in FALSE) or (off and old not in TRUE and new in TRUE):
            yield f"{place} is {now}{'' if was is None else f' instead of {was}'}: what protects it may be off."


def says(option: str, command: Any) -> bool:
    return option in re.split(r"[\s=](?!false\b)", str(command))
