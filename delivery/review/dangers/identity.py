"""The identity of pods: their ServiceAccount, its tokens, and the cloud account that it maps to."""

from collections.abc import Iterator

from delivery.manifests import Object, dig
from delivery.review.around import Around, Side, Workload, namespace_of
from delivery.review.model import Danger
from delivery.review.pod_templates import account, pod_spec

CLOUD = {
    "iam.gke.io/gcp-service-account": "Google service account",
    "eks.amazonaws.com/role-arn": "AWS role",
    "azure.workload.identity/client-id": "Azure identity",
    "azure.workload.identity/tenant-id": "an Azure identity of tenant",
}
API = "the Kubernetes API"


def dangers(before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    if after is None:
        return
    sentences = service_account if after["kind"] == "ServiceAccount" else pods
    yield from (Danger("privilege", sentence) for sentence in sentences(before, after, around))


def service_account(before: Object | None, after: Object, around: Around) -> Iterator[str]:
    old, new = (dig(each, "metadata", "annotations") or {} for each in (before, after))
    for key, what in CLOUD.items():
        was, now = old.get(key), new.get(key)
        if now and was != now:
            yield f"Pods that run as it act as {what} {now}{f' instead of {was}' if was else ''}."
        elif was and not now:
            yield f"Pods that run as it no longer act as {what} {was}: what it may do, they may not."
    if dig(before, "automountServiceAccountToken") is False and after.get("automountServiceAccountToken") is not False:
        running = list(run_as(after, around.after))
        leaving = [each.name for each in running if own_choice(each.value) is None]
        if leaving or not running:
            who = ", ".join(leaving) or "pods that run as it, unless they refuse it themselves"
            yield f"A token for {API} is mounted again, for {who}."


def run_as(each: Object, side: Side) -> Iterator[Workload]:
    yield from side.reading.get((namespace_of(each), "ServiceAccount", each["metadata"]["name"]), [])


def own_choice(each: Object) -> object:
    return dig(pod_spec(each), "automountServiceAccountToken")


def pods(before: Object | None, after: Object, around: Around) -> Iterator[str]:
    old, new = pod_spec(before), pod_spec(after)
    if before is None or new is None:
        return
    was, now = account(old), account(new)
    if was != now and not (was == "default" and may_nothing(now, after, around)):
        yield f"Its pods run as ServiceAccount {now} rather than {was}."
    had, has = tokens(before, around.before), tokens(after, around.after)
    for audience in sorted(has - had):
        yield f"Its pods get a token for {audience}."


def may_nothing(name: str, pod: Object, around: Around) -> bool:
    """Whether a ServiceAccount is as new as its pods' use of it, and nothing of the overlay lets it do anything."""
    where = namespace_of(pod)
    found = around.after.named("ServiceAccount", where, name)
    if found is None or around.before.named("ServiceAccount", where, name):
        return False
    subjects = (
        subject for kind in ("RoleBinding", "ClusterRoleBinding") for _, each in around.after.of(kind)
        for subject in each.get("subjects") or []
    )  # fmt: skip
    bound = any(
        dig(subject, "kind") == "Group" or (dig(subject, "kind"), dig(subject, "name")) == ("ServiceAccount", name)
        for subject in subjects
    )
    return not bound and not CLOUD.keys() & (dig(found, "metadata", "annotations") or {}).keys()


def tokens(each: Object, side: Side) -> set[str]:
    """What the pods of an object are given tokens for."""
    found = {API} if mounted(each, side) else set()
    for one in dig(pod_spec(each), "volumes") or []:
        for source in dig(one, "projected", "sources") or []:
            if (token := source.get("serviceAccountToken")) is not None:
                found.add(str(dig(token, "audience") or API))
    return found


def mounted(each: Object, side: Side) -> bool:
    """Whether the pods of an object are given a token: they say so themselves, or else their ServiceAccount."""
    own = own_choice(each)
    if own is None:
        found = side.named("ServiceAccount", namespace_of(each), account(pod_spec(each)))
        own = dig(found, "automountServiceAccountToken")
    return own is not False
