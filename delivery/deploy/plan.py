"""What a deploy will do to the cluster as it is: asked of the API server by dry run, and told before it is done."""

import re
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from delivery.deploy.additions import NONE, Addition, added, autoscaled_in
from delivery.deploy.difference import difference
from delivery.deploy.ownership import applied_by_us, former_of, handed_over, managers, ours, refusal, set_by
from delivery.deploy.release import LABEL, Key, Record, Release, applied, good
from delivery.manifests import Object
from delivery.tools import kubectl

CREATE, CHANGE, PUT_BACK, RECREATE = "create", "change", "put back", "recreate"
PRUNE, KEEP, REFUSE, NOTHING = "prune", "keep", "refuse", "unchanged"
ADOPT, RESTORE = "adopt", "restore"

HOLDS_DATA = ("Namespace", "PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition", "StatefulSet")
"""Kinds whose deletion loses data, or everything that is in them: never deleted."""

NO_DATA = ("ConfigMap", "Secret")
"""Kinds that can be deleted and made again at once: what pods have read of them stays with the pods."""

NO_KIND = "its kind comes with the monitoring chart"
UNJUDGED = "the API server can judge the rest only when it is there"
IMMUTABLE = re.compile(r"immutable|cannot change roleRef|may not change once set|for fields other than")
UNSERVED = re.compile(r'no matches for kind "([^"]+)" in version "([^"]+)"')
CONFLICT = re.compile(r"^Apply failed with \d+ conflicts?: |conflicts? with \"")


@dataclass(frozen=True)
class Action:
    """What becomes of one object, why, and which fields differ; `drift` is what others changed meanwhile."""

    what: str
    key: Key
    reason: str = ""
    fields: list[str] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)
    force: bool = False
    """Whether others hold fields that are ours."""
    take_over: bool = False
    """Whether others added fields, which the apply is to remove."""
    before: Object | None = None
    """An object that is adopted or given back, as it was before the adoption."""

    def as_json(self) -> Object:
        return {
            "action": self.what,
            "kind": self.key.kind,
            "name": self.key.name,
            "namespace": self.key.namespace,
            "reason": self.reason,
            "fields": self.fields,
            "drift": self.drift,
        }


@dataclass(frozen=True)
class Plan:
    """The actions of a deploy: of what it has first, then of what only earlier releases had."""

    actions: list[Action]

    def of(self, *what: str) -> list[Action]:
        return [action for action in self.actions if action.what in what]

    def changes(self) -> list[Action]:
        return [action for action in self.actions if action.what != NOTHING]


class Outcome(NamedTuple):
    """What a dry run makes of an object, or why it is refused."""

    result: Object | None
    error: str = ""
    force: bool = False


def make(release: Release, past: list[Record], *, may_lack_kinds: bool = False, restores: bool = False) -> Plan:
    """Ask the API server what `release` would change, where `past` was recorded.

    With `may_lack_kinds`, objects of kinds that the cluster does not know yet are left for the apply to judge. One that
    `restores` is of the past of this namespace, whatever overlay it was made from.

    Raises:
        KubectlError: the cluster does not know a kind.
    """
    try:
        live = find(release.objects, past)
    except kubectl.KubectlError as refusal:
        unserved = set(UNSERVED.findall(refusal.message))
        if not may_lack_kinds or not unserved:
            raise
        known = [each for each in release.objects if kind_of(each) not in unserved]
        later = [Key.of(each) for each in release.objects if kind_of(each) in unserved]
        made = make(replace(release, objects=known), past, restores=restores)
        return Plan([*made.actions, *(Action(CREATE, key, NO_KIND) for key in later)])
    if not any(key.kind == "Namespace" for key in live):
        return Plan([Action(CREATE, key, UNJUDGED if key.kind == "Namespace" else "") for key in release.owned()])
    last = applied(past)
    old = {Key.of(each): each for each in last.release.objects} if last else {}
    new = {Key.of(each): each for each in release.objects}
    outcomes = try_all([each for key, each in new.items()], live)
    kept = {key for record in good(past)[-1:] for key in record.release.owned()}
    additions = find_additions(release, live, outcomes)
    moved = [each for key, each in old.items() if key in live and each != new.get(key)]
    before = try_all(moved, live)
    actions = []
    for key in new:
        there, outcome, addition = live.get(key), outcomes[key], additions.get(key, NONE)
        if there and key.kind == "Namespace" and not restores and (why := handed_over(there, past, release.overlay)):
            actions.append(Action(REFUSE, key, why))
            continue
        if there and is_others(key, there, outcome, recorded=key in kept):
            actions.append(adopt(key, there, outcome, addition, release.overlay))
            continue
        baseline = (before.get(key) or outcome) if key in old else None
        actions.append(decide(key, there, outcome, baseline, addition))
    return Plan(actions + removals(past, release, live))


def is_others(key: Key, live: Object, outcome: Outcome, *, recorded: bool) -> bool:
    """Whether an object must be adopted first. Others meet in a Namespace: only fields of it may be theirs."""
    if ours(live, recorded=recorded) or (kubectl.is_going(live) and key.kind not in HOLDS_DATA):
        return False
    return key.kind != "Namespace" or outcome.force


def adopt(key: Key, live: Object, outcome: Outcome, addition: Addition, overlay: str) -> Action:
    """What becomes of an object of the release that others made, and what differs, for whoever decides about it."""
    fields = difference(live, outcome.result) if outcome.result else []
    reason = refusal(live, overlay)
    cannot = outcome.error or addition.refusal
    if not reason and cannot:
        reason = f"it was not made by a deploy, and cannot be adopted; delete it first: {cannot}"
    if reason:
        return Action(REFUSE, key, reason, [*fields, *(line for line in addition.fields if line not in fields)])
    return Action(ADOPT, key, set_by(live), fields, addition.fields, force=True, take_over=True, before=live)


def find(wanted: list[Object], past: list[Record]) -> dict[Key, Object]:
    """Those objects, wanted or recorded, that are in the cluster, with who manages their fields.

    Of a kind that the cluster no longer serves there is none to find.

    Raises:
        KubectlError: a kind that is wanted is not served.
    """
    objects = [*(each for record in past for each in record.release.objects), *wanted]
    stubs = {Key.of(each): kubectl.stub(each) for each in objects}
    try:
        return _find(stubs)
    except kubectl.KubectlError as refusal:
        unserved = set(UNSERVED.findall(refusal.message))
        if not unserved or any(kind_of(each) in unserved for each in wanted):
            raise
        return _find({key: each for key, each in stubs.items() if kind_of(each) not in unserved})


def _find(stubs: dict[Key, Object]) -> dict[Key, Object]:
    found = kubectl.find(stubs.values(), "--show-managed-fields")
    return {Key.of(each): each for each in found}


def kind_of(each: Object) -> tuple[str, str]:
    return each["kind"], each["apiVersion"]


def try_all(objects: list[Object], live: dict[Key, Object]) -> dict[Key, Outcome]:
    """Dry runs: all in one, and where that is refused each for itself, to know which and why."""
    if not objects:
        return {}
    try:
        results = {Key.of(each): each for each in kubectl.apply(objects, dry_run=True)}
        return {Key.of(each): Outcome(results[Key.of(each)]) for each in objects}
    except kubectl.KubectlError:
        with ThreadPoolExecutor(4) as pool:
            return dict(zip(map(Key.of, objects), pool.map(partial(try_one, live), objects), strict=True))


def try_one(live: dict[Key, Object], each: Object) -> Outcome:
    try:
        return Outcome(kubectl.apply([each], dry_run=True)[0])
    except kubectl.KubectlError as refusal:
        if not CONFLICT.search(refusal.message) or Key.of(each) not in live:
            return Outcome(None, refusal.message)
    try:
        return Outcome(kubectl.apply([each], dry_run=True, force=True)[0], force=True)
    except kubectl.KubectlError as refusal:
        return Outcome(None, refusal.message, force=True)


def find_additions(release: Release, live: dict[Key, Object], outcomes: dict[Key, Outcome]) -> dict[Key, Addition]:
    """What others added to objects of the release that are there."""
    autoscaled = autoscaled_in(release.objects)
    return {
        key: added(outcome.result, autoscaled=(key.kind, key.name) in autoscaled)
        for key, outcome in outcomes.items()
        if outcome.result and key in live
    }


def decide(
    key: Key, live: Object | None, outcome: Outcome, before: Outcome | None, addition: Addition = NONE
) -> Action:
    """What becomes of an object of the release; `before` is what the last one would make of it now, if it had it."""
    if live is None:
        drift = ["was deleted by others"] if before else []
        return Action(REFUSE, key, outcome.error) if outcome.error else Action(CREATE, key, drift=drift)
    if outcome.result is None:
        return undo(key, outcome)
    if kubectl.is_going(live) and key.kind != "Namespace":
        what = REFUSE if key.kind in HOLDS_DATA else RECREATE
        return Action(what, key, f"it {going(live)}")
    fields = difference(live, outcome.result)
    drift = difference(live, before.result) if before and before.result else []
    own = difference(before.result, outcome.result) if before and before.result else fields
    if drift or addition.fields:
        who = who_changed(live, addition, alone=not drift)
        return put_back(Action(CHANGE if own else PUT_BACK, key, who, own, drift, outcome.force), addition)
    return Action(CHANGE if fields else NOTHING, key, fields=fields, force=outcome.force)


def put_back(action: Action, addition: Addition) -> Action:
    """What becomes of an object that others changed, with what they added; `action` knows the rest."""
    drift = [*action.drift, *(line for line in addition.fields if line not in action.drift)]
    if not addition.refusal:
        return replace(action, drift=drift, take_over=bool(addition.fields))
    if action.key.kind in NO_DATA and IMMUTABLE.search(addition.refusal):
        reason = f"{action.reason}; deleted and made again, because they cannot be removed: {addition.refusal}"
        return replace(action, what=RECREATE, reason=reason, drift=drift)
    what = KEEP if action.what == PUT_BACK and not action.drift else action.what
    reason = f"{action.reason}; what they added cannot be removed, do it by hand: {addition.refusal}"
    return replace(action, what=what, reason=reason, drift=drift)


def undo(key: Key, outcome: Outcome) -> Action:
    """What is done about an object that cannot be changed to what it must be."""
    if not IMMUTABLE.search(outcome.error):
        return Action(REFUSE, key, outcome.error)
    if key.kind in HOLDS_DATA:
        return Action(REFUSE, key, f"to change it, it must be deleted, and that loses data: {outcome.error}")
    what = "deleted and made anew, because a field of it cannot be changed"
    return Action(RECREATE, key, f"{what} (what it provides is away meanwhile): {outcome.error}")


def removals(past: list[Record], wanted: Release, live: dict[Key, Object]) -> list[Action]:
    """What earlier releases had and `wanted` has not: ours to delete once it is healthy, or to give back."""
    owned = {Key.of(each): None for record in past for each in record.release.objects}
    new = set(wanted.owned())
    gone = [key for key in owned if key not in new and key in live and applied_by_us(live[key])]
    return [removal(key, live[key], past, wanted) for key in gone]


def left_behind(wanted: Release, namespaces: Collection[str]) -> list[Action]:
    """What an overlay that moved to another namespace has left: nobody but a person knows whether it is still used."""
    return [
        Action(
            KEEP,
            Key("", "Namespace", "", namespace),
            f"overlay {wanted.overlay} was deployed there before, and its pods and load balancer still run. When nobody"
            f" needs them: `kubectl delete namespace {namespace}`. To keep them and end this message:"
            f" `kubectl --namespace {namespace} delete configmaps --selector {LABEL}`",
        )
        for namespace in sorted(set(namespaces) - {wanted.namespace})
    ]


def removal(key: Key, live: Object, past: list[Record], wanted: Release) -> Action:
    if kubectl.is_going(live):
        return Action(KEEP, key, f"no longer wanted, and {going(live)}")
    if former := former_of(live, past, wanted):
        return Action(RESTORE, key, "was adopted; becomes what it was before that, and is not deleted", before=former)
    if key.kind in HOLDS_DATA:
        return Action(KEEP, key, "no longer wanted, but deleting it loses data: do that by hand")
    return Action(PRUNE, key, "no longer wanted; deleted when the rest is healthy")


def going(live: Object) -> str:
    """What an object that is being deleted waits for, in words."""
    finalizers = ", ".join(live["metadata"].get("finalizers", []))
    if not finalizers:
        return "is being deleted"
    return f"is being deleted, and waits for whoever takes its finalizer off: {finalizers}"


def who_changed(live: Object, addition: Addition, *, alone: bool) -> str:
    """Who changed an object, as far as is known: where they did not only add to it, all that manage fields of it."""
    names = addition.managers | (set() if alone else managers(live))
    names -= {kubectl.MANAGER, "kube-controller-manager", ""}
    return f"changed since the last deploy by {', '.join(sorted(names))}" if names else "changed since the last deploy"
