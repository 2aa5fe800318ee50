"""Objects that decide what to trust: policies of a mesh, grants of references, and what admission refuses."""

from collections.abc import Callable, Iterator

from delivery.manifests import Object, dig

MTLS = {"DISABLE": 0, "UNSET": 1, "PERMISSIVE": 1, "STRICT": 2}


def peers(before: Object | None, after: Object) -> Iterator[str]:
    """A PeerAuthentication of Istio, which says whether pods must prove who they are."""
    was, now = (str(dig(each, "spec", "mtls", "mode") or "UNSET") for each in (before, after))
    if before and MTLS.get(now, 0) < MTLS.get(was, 0):
        yield f"mtls is {now} instead of {was}: pods take requests in the clear, from whoever sends them."


def callers(before: Object | None, after: Object) -> Iterator[str]:
    """An AuthorizationPolicy of Istio."""
    old, new = ((dig(each, "spec", "action") or "ALLOW", dig(each, "spec", "rules") or []) for each in (before, after))
    if new[0] == "ALLOW" and {} in new[1] and not (before and old[0] == "ALLOW" and {} in old[1]):
        yield "It has a rule that allows every request."
    elif before and old != new:
        yield "It decides otherwise which requests are allowed: read its rules."


def grants(before: Object | None, after: Object) -> Iterator[str]:
    """A ReferenceGrant, by which objects of other namespaces may use those of its own."""
    old, new = (set(granted(each)) for each in (before, after))
    for kind, namespace, what in sorted(new - old):
        yield f"{kind} objects of namespace {namespace} may use {what} of this one."


def granted(each: Object | None) -> Iterator[tuple[str, str, str]]:
    for one in dig(each, "spec", "from") or []:
        for other in dig(each, "spec", "to") or []:
            what = f"{other.get('kind')} {other['name']}" if other.get("name") else f"every {other.get('kind')}"
            yield str(one.get("kind")), str(one.get("namespace")), what


def refused(before: Object | None, after: Object) -> Iterator[str]:
    """A ValidatingAdmissionPolicyBinding, which says what becomes of objects that break a policy."""
    old, new = (dig(each, "spec", "validationActions") or [] for each in (before, after))
    if "Deny" in old and "Deny" not in new:
        policy = dig(after, "spec", "policyName")
        yield f"Objects that break {policy} are no longer refused: validationActions lacks Deny."


def served(before: Object | None, after: Object) -> Iterator[str]:
    """A CustomResourceDefinition."""
    old, new = (
        {str(each.get("name")) for each in dig(one, "spec", "versions") or [] if each.get("served") is True}
        for one in (before, after)
    )
    for version in sorted(old - new):
        yield f"Its version {version} is no longer served: manifests and clients that name it fail."


RULES: dict[str, Callable[[Object | None, Object], Iterator[str]]] = {
    "AuthorizationPolicy": callers,
    "PeerAuthentication": peers,
    "ReferenceGrant": grants,
    "ValidatingAdmissionPolicyBinding": refused,
}
