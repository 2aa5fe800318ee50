"""What others added to objects of a release: which fields it is that differ for it, and how they are removed."""

from dataclasses import dataclass, field

from delivery.deploy.difference import difference
from delivery.deploy.foreign import Field, entries, foreign, taken_over, without
from delivery.errors import DeliveryError
from delivery.manifests import Object, dig, identity
from delivery.tools import kubectl
from delivery.tools.kubectl import Check

TRIES = 10


@dataclass(frozen=True)
class Addition:
    """Fields that others added to one object, as `path: before -> after`, and who they are."""

    fields: list[str] = field(default_factory=list)
    managers: frozenset[str] = frozenset()
    refusal: str = ""
    """Why the API server does not let them be removed."""


NONE = Addition()


def added(applied: Object, *, autoscaled: bool) -> Addition:
    """What others added to an object, which is as a dry run of the apply leaves it.

    Fields that come back by themselves, because the API server fills in the same, do not count.
    """
    return judged(applied, foreign(applied, autoscaled=autoscaled))


def judged(applied: Object, fields: list[Field]) -> Addition:
    """What foreign fields of an object change, by a dry run without them."""
    if not fields:
        return NONE
    managers = frozenset(each.manager for each in fields)
    try:
        bare = kubectl.try_replace(without(applied, fields))
    except kubectl.KubectlError as refusal:
        return Addition([in_words(each) for each in fields], managers, refusal.message)
    lines = difference(applied, bare)
    return Addition(lines, managers) if lines else NONE


def added_to_secret(live: Object, wanted: Object) -> Addition:
    """What others added to a Secret that is to be as `wanted`: names of fields, never values."""
    fields = [each for each in foreign(live) if dig(wanted, *(key.partition(":")[2] for key in each.keys)) is None]
    found = judged(live, fields)
    if found.refusal:
        return Addition(found.fields, found.managers)  # by name already
    by = f": added by {', '.join(sorted(found.managers))}"
    return Addition([line.partition(": ")[0] + by for line in found.fields], found.managers)


def in_words(each: Field) -> str:
    return f"{each.path}: added by {each.manager}" if each.manager else f"{each.path}: changed"


def take_over(each: Object, *, autoscaled: bool, check: Check) -> None:
    """Make what others added to an object ours, so that the apply of `each` that follows removes it.

    Where nobody is recorded as a manager, an apply makes the API server record all that is there first.

    Raises:
        DeliveryError: others write the object all the time.
    """
    for _ in range(TRIES):
        found = kubectl.find([each], "--show-managed-fields")
        if found and not entries(found[0]):
            kubectl.apply([each], force=True, check=check)
            continue
        fields = foreign(found[0], autoscaled=autoscaled) if found else []
        if not fields or kubectl.replaced(taken_over(found[0], fields), check=check):
            return
    raise DeliveryError(
        f"{identity(each)} changes faster than its foreign fields can be removed: find out who writes it."
    )


def autoscaled_in(objects: list[Object]) -> set[tuple[str, str]]:
    """Kind and name of each object whose replicas an autoscaler among `objects` sets."""
    targets = [each["spec"]["scaleTargetRef"] for each in objects if each["kind"] == "HorizontalPodAutoscaler"]
    return {(each["kind"], each["name"]) for each in targets}
