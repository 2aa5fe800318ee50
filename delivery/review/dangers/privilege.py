"""Who may do what: RBAC, and what a container may do to its node."""

from collections.abc import Iterator
from itertools import product

from delivery.manifests import Object, all_containers, dig
from delivery.review.around import Around, Side, namespace_of
from delivery.review.model import Danger
from delivery.review.pod_templates import account, containers, pod_spec

# settings that hold a container back: the value that does so
SAFE = {
    "privileged": (False, None),
    "allowPrivilegeEscalation": (False,),
    "readOnlyRootFilesystem": (True,),
    "runAsNonRoot": (True,),
}
HOST = ("hostNetwork", "hostPID", "hostIPC")
LEVELS = ("privileged", "baseline", "restricted")


def dangers(before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    if after is None:
        return
    kind = after["kind"]
    if kind in {"Role", "ClusterRole"}:
        sentences = roles(before, after)
    elif kind in {"RoleBinding", "ClusterRoleBinding"}:
        sentences = bindings(before, after)
    elif kind == "Namespace":
        sentences = namespace(before, after)
    else:
        sentences = security_context(before, after, around)
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


def roles(before: Object | None, after: Object) -> Iterator[str]:
    old = grants(before)
    if new := sorted(told(each) for each in grants(after) if not covered(each, old)):
        more = f" and {len(new) - 8} more" if len(new) > 8 else ""
        yield f"It grants more than before: {', '.join(new[:8])}{more}."
    if dig(before, "aggregationRule") != dig(after, "aggregationRule"):
        yield "It collects the rules of other roles."


def bindings(before: Object | None, after: Object) -> Iterator[str]:
    old = dig(before, "subjects") or []
    for subject in dig(after, "subjects") or []:
        if subject not in old:
            role = dig(after, "roleRef", "name")
            yield f"{subject.get('kind')} {subject.get('name')} gets what role {role} grants."
    if before and before.get("roleRef") != after.get("roleRef"):
        yield f"Its subjects get what role {dig(after, 'roleRef', 'name')} grants."


def namespace(before: Object | None, after: Object) -> Iterator[str]:
    key = "pod-security.kubernetes.io/enforce"
    old, new = (str((dig(each, "metadata", "labels") or {}).get(key, "privileged")) for each in (before, after))
    if before and old in LEVELS and new in LEVELS and LEVELS.index(new) < LEVELS.index(old):
        yield f"The Pod Security Standard that it enforces falls from {old} to {new}."


def security_context(before: Object | None, after: Object, around: Around) -> Iterator[str]:
    old_pod, new_pod = pod_spec(before), pod_spec(after)
    if new_pod is None:
        return
    for key in HOST:
        if new_pod.get(key) is True and dig(old_pod, key) is not True:
            yield f"Its pods get {key}: they see the node's own."
    if before:
        was, now = account(old_pod), account(new_pod)
        if was != now:
            yield f"Its pods run as ServiceAccount {now} rather than {was}."
        if not token(before, around.before) and token(after, around.after):
            yield "Its pods get a token for the Kubernetes API."
    if any("hostPath" in each for each in new_pod.get("volumes") or []) and not any(
        "hostPath" in each for each in dig(old_pod, "volumes") or []
    ):
        yield "Its pods mount a folder of the node."
    known = containers(before)
    for container in all_containers({"containers": [], **new_pod}):
        name = container.get("name")
        yield from widened(str(name), (old_pod, known.get(str(name))), (new_pod, container))


def token(each: Object, side: Side) -> bool:
    """Whether the pods of an object are given a token: they say so themselves, or else their ServiceAccount."""
    spec = pod_spec(each) or {}
    own = spec.get("automountServiceAccountToken")
    if own is None:
        own = next(
            (
                one.get("automountServiceAccountToken") for _, one in side.of("ServiceAccount")
                if (namespace_of(one), one["metadata"]["name"]) == (namespace_of(each), account(spec))
            ),
            None,
        )  # fmt: skip
    return own is not False


def effective(pod: Object | None, container: Object | None, key: str) -> object:
    """A setting of a container, the pod's where it has none of its own."""
    own = dig(container, "securityContext", key)
    return dig(pod, "securityContext", key) if own is None else own


def widened(name: str, old: tuple[Object | None, Object | None], new: tuple[Object, Object]) -> Iterator[str]:
    for key, safe in SAFE.items():
        was, now = effective(*old, key), effective(*new, key)
        if now not in safe and ((old[1] is not None and was in safe) or key == "privileged"):
            shown = "unset" if now is None else str(now).lower()
            if was != now:
                yield f"Container {name}: {key} is {shown} now."
    if effective(*new, "runAsUser") == 0 and effective(*old, "runAsUser") != 0:
        yield f"Container {name} runs as root."
    was_profile, profile = (dig(effective(*each, "seccompProfile"), "type") for each in (old, new))
    if old[1] is not None and was_profile not in {None, "Unconfined"} and profile in {None, "Unconfined"}:
        yield f"Container {name}: its system calls are no longer filtered (seccompProfile)."
    taken, held = ({port.get("hostPort") for port in dig(each, "ports") or []} - {None} for each in (new[1], old[1]))
    if opened := sorted(map(str, taken - held)):
        yield f"Container {name} answers on the node's own port {', '.join(opened)}."
    had, added = (capabilities(each, "add") for each in (old[1], new[1]))
    if more := sorted(added - had if "ALL" not in had else ()):
        yield f"Container {name} gets the capabilities {', '.join(more)}."
    dropped, drops = (capabilities(each, "drop") for each in (old[1], new[1]))
    if fewer := sorted(dropped - drops if "ALL" not in drops else ()):
        yield f"Container {name} no longer drops the capabilities {', '.join(fewer)}."


def capabilities(container: Object | None, part: str) -> set[str]:
    """Capabilities that a container adds or drops, without the CAP_ that they may begin with."""
    found = dig(container, "securityContext", "capabilities", part) or []
    return {str(each).upper().removeprefix("CAP_") for each in found}
