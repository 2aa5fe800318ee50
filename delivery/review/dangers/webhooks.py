"""What webhooks of the API server may change or refuse, and what goes past them."""

from collections.abc import Iterator

from delivery.manifests import Object, dig
from delivery.review.model import Danger

NARROWING = ("namespaceSelector", "objectSelector", "matchConditions")
VERBS = {"MutatingWebhookConfiguration": "change", "ValidatingWebhookConfiguration": "refuse"}


def dangers(before: Object | None, after: Object | None) -> Iterator[Danger]:
    if after is not None and after["kind"] in VERBS:
        yield from (Danger("privilege", sentence) for sentence in gained(before, after))
        yield from (Danger("safety net", sentence) for sentence in lost(before, after))


def gained(before: Object | None, after: Object) -> Iterator[str]:
    old = {str(each.get("name")): each for each in dig(before, "webhooks") or []}
    verb = VERBS[after["kind"]]
    for each in after.get("webhooks") or []:
        name, what = str(each.get("name")), reach(each)
        held = old.get(name)
        where = "of every namespace" if not each.get("namespaceSelector") else "of namespaces that it selects"
        service = dig(each, "clientConfig", "service") or {}
        by = (
            dig(each, "clientConfig", "url") or f"Service {service.get('name')} of namespace {service.get('namespace')}"
        )
        if held is None or not what <= reach(held):
            yield f"Webhook {name} may {verb} {listed(what)} {where} before they are stored, as {by} decides."
        elif any(held.get(key) and not each.get(key) for key in NARROWING):
            yield f"Webhook {name} may {verb} more objects, {where}: a selector that it had is gone."
        elif dig(held, "clientConfig", "service") != dig(each, "clientConfig", "service") or dig(
            held, "clientConfig", "url"
        ) != dig(each, "clientConfig", "url"):
            yield f"Webhook {name} asks {by} now, which may {verb} {listed(what)} {where}."
        if each.get("failurePolicy", "Fail") == "Fail" and (held is None or held.get("failurePolicy") == "Ignore"):
            yield f"While webhook {name} does not answer, {listed(what)} {where} are refused (failurePolicy Fail)."


def lost(before: Object | None, after: Object) -> Iterator[str]:
    """What goes past a webhook that it saw, or that was refused without its answer."""
    refuses = VERBS[after["kind"]] == "refuse"
    new = {str(each.get("name")): each for each in after.get("webhooks") or []}
    for each in dig(before, "webhooks") or []:
        name, saw = str(each.get("name")), reach(each)
        if name not in new:
            yield f"Webhook {name} is gone: {listed(saw)} are stored without it."
            continue
        if past := saw - reach(new[name]):
            yield f"Webhook {name} no longer sees {listed(past)}."
        elif refuses and any(new[name].get(key) and not each.get(key) for key in NARROWING):
            yield f"Webhook {name} sees fewer objects: it has a selector that it had not."
        if each.get("failurePolicy", "Fail") == "Fail" and new[name].get("failurePolicy") == "Ignore":
            yield f"While webhook {name} does not answer, {listed(saw)} are stored without it (failurePolicy Ignore)."


def listed(what: set[str]) -> str:
    return ", ".join(sorted(what)[:6]) or "nothing"


def reach(webhook: Object) -> set[str]:
    """What a webhook is asked about, such as `pods (CREATE)`."""
    return {
        f"{resource}{f'.{group}' if group else ''} ({operation})"
        for rule in webhook.get("rules") or []
        for operation in rule.get("operations") or []
        for group in rule.get("apiGroups") or [""]
        for resource in rule.get("resources") or []
    }
