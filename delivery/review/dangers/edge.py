"""What keeps outsiders away at the edge: annotations, HTTPS, and the policies of Google's load balancers."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from delivery import manifests
from delivery.manifests import Object, dig
from delivery.review.dangers.traffic import inside

# settings of Google's load balancers, by kind: where they are
POLICIES: dict[str, tuple[str, ...]] = {"GCPBackendPolicy": ("spec", "default"), "BackendConfig": ("spec",)}
CERTIFICATES = {"ManagedCertificate": "domains", "Certificate": "dnsNames"}
FRONT = {"GCPGatewayPolicy": ("spec", "default"), "FrontendConfig": ("spec",)}


@cache
def table() -> dict[str, Any]:
    text = Path(__file__).with_name("annotations.yaml").read_text("utf-8")
    found: dict[str, Any] = next(manifests.load_all(text))
    return found


def annotations(before: Object, after: Object, *, addressed: bool = True) -> Iterator[str]:
    """What a change of annotations opens; `addressed` asks for public addresses too."""
    old, new = (
        {str(key): str(value).strip() for key, value in (dig(each, "metadata", "annotations") or {}).items()}
        for each in (before, after)
    )
    for key, consequence in table()["guards"].items():
        if (was := old.get(key)) and new.get(key, "") != was:
            now = new.get(key)
            if now and now.lower() != "false":
                yield f"Its annotation {key} changes: other rules decide who gets in."
            elif was.lower() != "false":
                yield f"Its annotation {key} is {'off' if now else 'gone'}: {consequence}."
    yield from ranges(old, new)
    for key, known in table()["switches"].items():
        was_safe, is_safe = (
            each[key].lower() in map(str.lower, known["safe"]) if each.get(key) else known.get("unset", False)
            for each in (old, new)
        )
        if was_safe and not is_safe and (addressed or "public address" not in known["consequence"]):
            yield f"Its annotation {key} is {new.get(key) or 'gone'}: {known['consequence']}."
    for key in table()["snippets"]:
        if new.get(key) and new.get(key) != old.get(key):
            yield f"Its annotation {key} writes into the proxy's own configuration: read what it does there."


def ranges(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    for keys, opens in ((table()["allowed"], "more"), (table()["denied"], "fewer")):
        for key in keys:
            was, now = ([part.strip() for part in each.get(key, "").split(",") if part.strip()] for each in (old, new))
            if opens == "more" and was and not now:
                yield f"Its annotation {key} is gone: everybody may connect."
                continue
            gained, held = (now, was) if opens == "more" else (was, now)
            more = [each for each in gained if not inside(each, held)]
            if was and more:
                yield f"More addresses may connect, by its annotation {key}: {', '.join(more)}."


def served_in_the_clear(before: Object, after: Object) -> Iterator[str]:
    """Hosts of an Ingress that had a certificate and have none."""
    old, new = (
        {str(host) for tls in dig(each, "spec", "tls") or [] for host in tls.get("hosts") or ["every host"]}
        for each in (before, after)
    )
    hosts = {str(rule.get("host") or "every host") for rule in dig(after, "spec", "rules") or []}
    lost = sorted(host for host in old - new if host in hosts or host == "every host")
    if lost and "every host" not in new:
        yield f"It has no certificate for {', '.join(lost)} now: requests are answered in the clear, or not at all."


def certificate(before: Object | None, after: Object | None) -> Iterator[str]:
    """Names that a certificate no longer holds for; that of a deleted one may be in use as long as its Secret."""
    field = CERTIFICATES[(after or before or {})["kind"]]
    old, new = ({str(name) for name in dig(each, "spec", field) or []} for each in (before, after))
    if after is not None and (lost := sorted(old - new)):
        yield f"It no longer holds for {', '.join(lost)}: clients that ask for that refuse what answers."


def policy(before: Object | None, after: Object | None) -> Iterator[str]:
    """What a policy of Google's load balancers no longer does for what it is attached to."""
    if before is None:
        return
    where = POLICIES.get(before["kind"]) or FRONT.get(before["kind"], ())
    old, new = dig(before, *where) or {}, dig(after, *where) or {}
    target = dig(before, "spec", "targetRef") or {}
    name = f"{target.get('kind')}/{target.get('name')}" if target else "the Services that use it"
    if after is not None and dig(after, "spec", "targetRef") != dig(before, "spec", "targetRef"):
        new = {}
        yield f"It no longer applies to {name}: what it sets there goes."
    if dig(old, "iap", "enabled") is True and dig(new, "iap", "enabled") is not True:
        yield f"IAP no longer asks for a login before requests reach {name}."
    was, now = armor(old), armor(new)
    if was and not now:
        yield f"Cloud Armor policy {was} no longer protects {name}: what it blocks gets through."
    elif was and was != now:
        yield f"Cloud Armor policy {now} protects {name} instead of {was}: it may let more through."
    yield from unlogged(old.get("logging") or {}, new.get("logging") or {}, name)
    if dig(old, "redirectToHttps", "enabled") is True and dig(new, "redirectToHttps", "enabled") is not True:
        yield "Requests over HTTP are no longer sent to HTTPS: they are answered in the clear."
    if (ssl := old.get("sslPolicy")) and ssl != new.get("sslPolicy"):
        yield f"SSL policy {ssl} no longer holds: older versions and ciphers of TLS may be accepted."
    if new.get("allowGlobalAccess") is True and old.get("allowGlobalAccess") is not True:
        yield "Clients of every region may connect (allowGlobalAccess)."


def unlogged(old: Object, new: Object, name: str) -> Iterator[str]:
    """What the load balancer no longer logs; 1,000,000 and 1.0 are all requests, by the kind of the policy."""
    was, now = (
        each.get("sampleRate", 1_000_000) if each.get("enable", each.get("enabled")) else 0 for each in (old, new)
    )
    if was and not now:
        yield f"Requests to {name} are no longer logged at the load balancer."
    elif now < was:
        yield f"Fewer requests to {name} are logged at the load balancer: {now} instead of {was} (sampleRate)."


def armor(settings: Object) -> str:
    found = settings.get("securityPolicy")
    return str((found.get("name") if isinstance(found, dict) else found) or "")
