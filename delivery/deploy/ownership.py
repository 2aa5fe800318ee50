"""Whose an object is that is in the cluster already: ours, another tool's, or nobody's, who then may give it to us."""

from functools import cache
from pathlib import Path
from typing import Any

from delivery import manifests
from delivery.deploy.foreign import entries, is_ours
from delivery.deploy.release import GOOD, Key, Record, Release
from delivery.manifests import Object
from delivery.tools import kubectl

ADOPT = "taskpulse/adopt"
"""Annotation of an object that somebody made by hand: the overlay that may take it over."""
PART_OF = ("app.kubernetes.io/part-of", "taskpulse")
OWNERS = Path(__file__).with_name("owners.yaml")


def applied_by_us(live: Object) -> bool:
    return any(map(is_ours, entries(live)))


def ours(live: Object, *, recorded: bool) -> bool:
    """Whether a deploy made an object, or it is a copy of one that a recorded release has."""
    label, value = PART_OF
    return applied_by_us(live) or (recorded and labels(live).get(label) == value and not owner_of(live))


def refusal(live: Object, overlay: str) -> str:
    """Why a deploy of `overlay` must not take over an object that is not ours; "" where it is marked for that."""
    if owner := owner_of(live):
        return f"it belongs to {owner}. Rename one of the two, or take it out of there first, with that mark"
    chosen = annotations(live).get(ADOPT)
    if chosen == overlay:
        return ""
    command = marking(live, overlay)
    marked = f" Its annotation {ADOPT} names {chosen}, not {overlay}." if chosen else ""
    return (
        f"it is there and was not made by a deploy; {set_by(live)}.{marked} Rename one of the two, delete it, or have"
        f" the deploy adopt it: `{command}`"
    )


def marking(live: Object, overlay: str) -> str:
    """The command that marks an object for an overlay."""
    place = f" --namespace {found}" if (found := live["metadata"].get("namespace")) else ""
    return f"kubectl{place} annotate --overwrite {kubectl.resource(live)} {ADOPT}={overlay}"


def taken_by(past: list[Record], overlay: str) -> str:
    """Another overlay that was the last to be deployed well to a namespace; "" where `overlay` was, or came later."""
    deploys = [record for record in past if not record.restores]
    last = max((number for number, record in enumerate(deploys) if record.state == GOOD), default=0)
    found = [record.release.overlay for record in deploys[last:]]
    return found[0] if found and overlay not in found else ""


def handed_over(live: Object, past: list[Record], overlay: str) -> str:
    """Why `overlay` must not be deployed to the Namespace `live`; "" where it is its own, or is marked for it."""
    other = taken_by(past, overlay)
    if not other or annotations(live).get(ADOPT) == overlay:
        return ""
    return (
        f"overlay {other} was deployed there last, and this deploy would delete what only that one has. Give {overlay}"
        f" a namespace of its own, or hand this one over: `{marking(live, overlay)}`"
    )


def owner_of(live: Object) -> str:
    """The tool or the object that keeps an object, with the mark by which it is known; "" where there is none."""
    for each in marks():
        sort = "label" if "label" in each else "annotation"
        found = labels(live) if sort == "label" else annotations(live)
        if each[sort] in found and ("managers" not in each or {*each["managers"]} & managers(live)):
            return f"{each['tool']} ({sort} {each[sort]}: {found[each[sort]]})"
    owners = live["metadata"].get("ownerReferences", [])
    return f"{owners[0]['kind']}/{owners[0]['name']} (metadata.ownerReferences)" if owners else ""


@cache
def marks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = manifests.load(OWNERS.read_text("utf-8"))
    return found


def set_by(live: Object) -> str:
    """Who set the fields of an object, in words."""
    names = ", ".join(sorted(managers(live)))
    return f"its fields were set by {names}" if names else "nobody is recorded as the manager of its fields"


def managers(live: Object) -> set[str]:
    """Who else manages fields of an object, the status apart."""
    return {each["manager"] for each in entries(live) if not each.get("subresource")} - {kubectl.MANAGER, ""}


def labels(live: Object) -> dict[str, str]:
    return live["metadata"].get("labels") or {}


def annotations(live: Object) -> dict[str, str]:
    return live["metadata"].get("annotations") or {}


def former_of(live: Object, past: list[Record], wanted: Release | None) -> Object | None:
    """The state to which an adopted object goes back, where `wanted` has it not; None where it is ours to delete.

    It goes back where `wanted` was there before the adoption, and where no release that had the object was good.
    """
    key, uid = Key.of(live), live["metadata"]["uid"]
    found = [(each, record.number) for record in past for each in record.adopted if Key.of(each) == key]
    if not found or found[-1][0]["metadata"]["uid"] != uid:
        return None
    former, number = found[-1]
    is_older = any(record.release == wanted for record in past if record.number < number)
    was_good = any(record.state == GOOD and key in record.release.owned() for record in past if record.number >= number)
    return former if is_older or not was_good else None
