"""Gateways: which requests a listener takes, and from which routes."""

from collections.abc import Iterator

from delivery.manifests import Object, dig
from delivery.review.around import Around
from delivery.review.dangers import edge

ENCRYPTED = {"HTTPS", "TLS"}
OTHERS = {"All": "every namespace", "Selector": "namespaces that it selects"}


def dangers(before: Object | None, after: Object | None, _: Around) -> Iterator[str]:
    if after is None:
        return
    old, new = (dig(each, "spec", "listeners") or [] for each in (before, after))
    named = {listener.get("name"): listener for listener in old}
    for listener in new:
        if listener not in old:
            yield from changed(named.get(listener.get("name")), listener)
    kept = {listener.get("name") for listener in new}
    for name in (listener.get("name") for listener in old):
        if name not in kept:
            yield f"Its listener {name} goes: what came by it is no longer answered."
    was, now = (dig(each, "spec", "gatewayClassName") for each in (before, after))
    if before:
        yield from edge.annotations(before, after)
    if before and was != now:
        yield f"Its class changes from {was} to {now}: others may reach it."
    if before and dig(before, "spec", "addresses") != dig(after, "spec", "addresses"):
        yield "Its address changes: DNS must follow."


def changed(before: Object | None, after: Object) -> Iterator[str]:
    """What is other than before of a listener, or that it is new."""
    name, protocol, at = (after.get(key) for key in ("name", "protocol", "port"))
    if before is None:
        yield f"It has a new listener {name} ({protocol} on port {at}): it answers the outside."
        return
    if before.get("port") != at:
        yield f"Its listener {name} answers on port {at} instead of {before.get('port')}."
    if before.get("protocol") in ENCRYPTED and protocol not in ENCRYPTED:
        yield f"Its listener {name} speaks {protocol} instead of {before.get('protocol')}: requests come in the clear."
    elif before.get("protocol") != protocol:
        yield f"Its listener {name} speaks {protocol} instead of {before.get('protocol')}."
    elif before.get("tls") != after.get("tls"):
        yield f"Its listener {name} has other certificates or another mode of TLS: clients may refuse it."
    if before.get("hostname") != after.get("hostname"):
        was, now = (each.get("hostname") or "every host" for each in (before, after))
        yield f"Its listener {name} answers for {now} instead of {was}."
    was, now = (dig(each, "allowedRoutes", "namespaces", "from") or "Same" for each in (before, after))
    if now not in {was, "Same"}:
        yield f"Its listener {name} takes routes of {OTHERS.get(now, now)}: they decide what it answers."
    elif now == "Selector" and dig(before, "allowedRoutes") != dig(after, "allowedRoutes"):
        yield f"Its listener {name} takes routes of other namespaces than before."
