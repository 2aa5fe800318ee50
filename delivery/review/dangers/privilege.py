"""Who may do what: RBAC, and the standard that a Namespace holds its pods to."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from delivery.manifests import Object, dig
from delivery.review.around import Around, Side, namespace_of
from delivery.review.model import Danger
from delivery.review.selectors import requirements, selects, within

LEVELS = ("privileged", "baseline", "restricted")
BUILT_IN = ("admin", "edit", "view")  # ClusterRoles that collect the rules of those with a label aggregate-to-...
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
SHOWN = 8

# groups and users that hold more than one may think
EVERYBODY = {
    ("Group", "system:authenticated"): "every user and every pod of the cluster",
    ("Group", "system:unauthenticated"): "everybody, without logging in",
    ("User", "system:anonymous"): "everybody, without logging in",
    ("Group", "system:serviceaccounts"): "every pod of the cluster",
}


def dangers(before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    if after is None:
        return
    kind = after["kind"]
    if kind in {"Role", "ClusterRole"}:
        sentences = roles(before, after, around)
    elif kind in {"RoleBinding", "ClusterRoleBinding"}:
        sentences = bindings(before, after)
    elif kind == "Namespace":
        sentences = namespace(before, after)
    else:
        return
    yield from (Danger("privilege", sentence) for sentence in sentences)


Grant = tuple[str, str, str, str]  # verb, API group, resource or URL, name; a name of "" stands for all


def grants(role: Object | None) -> set[Grant]:
    found: set[Grant] = set()
    for rule in dig(role, "rules") or []:
        verbs, groups = rule.get("verbs") or [], rule.get("apiGroups") or [""]
        names = rule.get("resourceNames") or [""]
        for verb, group, what, name in [
            *product(verbs, groups, rule.get("resources") or [], names),
            *product(verbs, [""], rule.get("nonResourceURLs") or [], [""]),
        ]:
            found.add((str(verb), str(group), str(what), str(name)))
    return found


def covered(new: Grant, old: set[Grant]) -> bool:
    """Whether what a role already granted holds a grant."""
    return any(
        verb in {new[0], "*"} and group in {new[1], "*"} and what in {new[2], "*"} and name in {new[3], ""}
        for verb, group, what, name in old
    )


def told(grant: Grant) -> str:
    verb, group, what, name = grant
    return f"{verb} {what}{f'.{group}' if group else ''}{f' {name}' if name else ''}"


def listed(new: set[Grant]) -> str:
    words = sorted(map(told, new))
    return ", ".join(words[:SHOWN]) + (f" and {len(words) - SHOWN} more" if len(words) > SHOWN else "")


def roles(before: Object | None, after: Object, around: Around) -> Iterator[str]:
    old = grants(before)
    if new := {each for each in grants(after) if not covered(each, old)}:
        yield f"It grants more than before: {listed(new)}."
    collecting = {*collectors(before, around.before)}
    for name in collectors(after, around.after):
        held = old if name in collecting else set()
        if more := {each for each in grants(after) if not covered(each, held)}:
            yield f"Whoever has ClusterRole {name} gets its rules too, by its labels: {listed(more)}."
    known = [requirements(each) for each in selectors(before)]
    if wider := [each for each in selectors(after) if not any(within(requirements(each), one) for one in known)]:
        yield f"It collects the rules of every ClusterRole {' or '.join(map(words, wider))}."


def selectors(role: Object | None) -> list[Any]:
    return dig(role, "aggregationRule", "clusterRoleSelectors") or []


def words(selector: Object) -> str:
    labels = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    labels += [str(each.get("key")) for each in selector.get("matchExpressions") or []]
    return f"with label {', '.join(labels)}" if labels else "that there is"


def collectors(role: Object | None, side: Side) -> Iterator[str]:
    """Names of the ClusterRoles that collect a role's rules: Kubernetes' own, and those of the overlay."""
    if role is None or role["kind"] != "ClusterRole":
        return
    labels = dig(role, "metadata", "labels") or {}
    for name in BUILT_IN:
        if str(labels.get(AGGREGATE + name)).lower() == "true":
            yield name
    for other in side.aggregating:
        if other["metadata"]["name"] not in BUILT_IN and any(selects(each, labels) for each in selectors(other)):
            yield other["metadata"]["name"]


def bindings(before: Object | None, after: Object) -> Iterator[str]:
    role = role_of(after)
    where = "in every namespace" if after["kind"] == "ClusterRoleBinding" else in_namespace(after)
    old = [subject_words(each, before) for each in dig(before, "subjects") or []]
    for subject in dig(after, "subjects") or []:
        if (who := subject_words(subject, after)) not in old:
            yield f"{who} gets what {role} grants{f' {where}' if where else ''}."
    if before and old and role_of(before) != role:
        yield f"Its subjects get what {role} grants{f' {where}' if where else ''}."


def in_namespace(each: Object) -> str:
    return f"in namespace {namespace_of(each)}" if namespace_of(each) else ""


def role_of(binding: Object) -> str:
    kind, name = (dig(binding, "roleRef", key) for key in ("kind", "name"))
    everything = ", which may do everything," if (kind, name) == ("ClusterRole", "cluster-admin") else ""
    return f"{kind or 'role'} {name}{everything}"


def subject_words(subject: Object, binding: Object | None) -> str:
    kind, name = str(subject.get("kind")), str(subject.get("name"))
    if kind == "ServiceAccount":
        space = subject.get("namespace") or namespace_of(binding)
        return f"ServiceAccount {name}" + (f" of namespace {space}" if space else "")
    meant = EVERYBODY.get((kind, name))
    if kind == "Group" and name.startswith("system:serviceaccounts:"):
        meant = f"every pod of namespace {name.rpartition(':')[2]}"
    return f"{kind} {name}" + (f" ({meant})" if meant else "")


def namespace(before: Object | None, after: Object) -> Iterator[str]:
    key = "pod-security.kubernetes.io/enforce"
    old, new = (str((dig(each, "metadata", "labels") or {}).get(key, "privileged")) for each in (before, after))
    if before and old in LEVELS and new in LEVELS and LEVELS.index(new) < LEVELS.index(old):
        yield f"The Pod Security Standard that it enforces falls from {old} to {new}."
