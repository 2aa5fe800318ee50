"""Who receives an alert, in words: the routes of AlertmanagerConfigs and of the chart's values followed by hand.

Followed as Alertmanager does, without its binary: the first child route that matches takes the alert, and its later
siblings see it only where it says `continue`. The operator puts each AlertmanagerConfig in front of the base
configuration's routes, for alerts of its own namespace, with `continue`.
Source: https://prometheus.io/docs/alerting/latest/configuration/#route, prometheus-operator pkg/alertmanager.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from delivery.manifests import Object, dig
from delivery.review.dangers.alerts import alert_rules, silenced

Labels = Mapping[str, str]

SEVERITIES = ("critical", "warning", "info")
MATCHER = re.compile(r"""\s*"?([^"=~!\s]+)"?\s*(=~|!~|!=|=)\s*(.*?)\s*""", re.DOTALL)
UNNAMED = "any other"  # the alert that stands for those which no route names

# what a receiver's integrations are called, and the field that says to whom, if it may be shown
INTEGRATIONS = {
    "slack": ("Slack", "channel"),
    "email": ("mail to", "to"),
    "webhook": ("a webhook", None),
    "pagerduty": ("PagerDuty", None),
    "opsgenie": ("Opsgenie", None),
    "msteams": ("Microsoft Teams", None),
    "msteamsv2": ("Microsoft Teams", None),
    "discord": ("Discord", None),
    "telegram": ("Telegram", None),
    "pushover": ("Pushover", None),
    "victorops": ("VictorOps", None),
    "wechat": ("WeChat", None),
    "webex": ("Webex", None),
    "sns": ("Amazon SNS", None),
}


def matches(matchers: Iterable[Any], labels: Labels) -> bool:
    return all(matches_one(each, labels) for each in matchers)


def matches_one(matcher: Any, labels: Labels) -> bool:
    """One matcher: an object of the operator's, or a line of Alertmanager's configuration."""
    if isinstance(matcher, dict):
        name, value = str(matcher.get("name")), str(matcher.get("value", ""))
        operator = matcher.get("matchType") or ("=~" if matcher.get("regex") else "=")
    else:
        found = MATCHER.fullmatch(str(matcher))
        if not found:
            return False
        name, operator, value = found.groups()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    held = labels.get(name, "")
    try:
        equal = re.fullmatch(value, held) is not None if operator in {"=~", "!~"} else held == value
    except re.error:
        return False
    return equal != operator.startswith("!")


def conditions(route: Object) -> list[Any]:
    """All matchers of a route, of the old spellings too."""
    old = [{"name": key, "matchType": "=", "value": value} for key, value in (route.get("match") or {}).items()]
    old += [{"name": key, "matchType": "=~", "value": value} for key, value in (route.get("match_re") or {}).items()]
    return [*(route.get("matchers") or []), *old]


def children(route: Object, labels: Labels) -> list[str]:
    """Receivers that the child routes of a route that matched give an alert to."""
    found: list[str] = []
    for child in route.get("routes") or []:
        if isinstance(child, dict) and matches(conditions(child), labels):
            inherited = {"receiver": route.get("receiver"), **child}
            muted = child.get("muteTimeIntervals") or child.get("mute_time_intervals")
            active = child.get("activeTimeIntervals") or child.get("active_time_intervals")
            names = children(inherited, labels) or [str(inherited["receiver"])]
            suffix = f" (not during {', '.join(map(str, muted))})" if muted else ""
            suffix += f" (only during {', '.join(map(str, active))})" if active else ""
            found += [name + suffix for name in names]
            if not child.get("continue"):
                break
    return found


def receivers(config: Object, prefix: str = "") -> dict[str, str]:
    """What each receiver does, in words, by its name."""
    return {
        prefix + str(each.get("name")): " and ".join(integrations(each)) or "nobody"
        for each in config.get("receivers") or []
        if isinstance(each, dict)
    }


def integrations(receiver: Object) -> Iterator[str]:
    for key in sorted(receiver, key=lambda key: (not key.startswith("slack"), key)):
        kind = re.sub(r"(_configs|Configs)$", "", key).lower()
        if kind == key or not isinstance(receiver[key], list):
            continue
        label, field = INTEGRATIONS.get(kind, (kind, None))
        for each in receiver[key]:
            yield f"{label} {each.get(field)}" if field and isinstance(each, dict) else label


def reach(objects: list[Object], base: Object, labels: Labels) -> str:
    """Whom an alert with `labels` reaches, in words."""
    known = receivers(base)
    root: Object = dig(base, "route") or {}
    routes = []
    for each in objects:
        spec = dig(each, "spec") or {}
        if each["kind"] != "AlertmanagerConfig" or not spec.get("route"):
            continue
        prefix = f"{each['metadata'].get('namespace')}/{each['metadata']['name']}/"
        known |= receivers(spec, prefix)
        route = prefixed(spec["route"], prefix)
        own = {"name": "namespace", "matchType": "=", "value": each["metadata"].get("namespace", "")}
        routes.append({**route, "matchers": [*conditions(route), own], "continue": True})
    tree = {**root, "routes": [*routes, *(root.get("routes") or [])]}
    names = children(tree, labels) or [str(root.get("receiver", "nobody"))]
    told = [known.get(name.partition(" (")[0], "nobody") + name[len(name.partition(" (")[0]) :] for name in names]
    heard = [each for each in dict.fromkeys(told) if each != "nobody"]
    return " and ".join(heard) or "nobody"


def prefixed(route: Object, prefix: str) -> Object:
    """A route with its receivers named as the operator names them."""
    result = {**route}
    if route.get("receiver"):
        result["receiver"] = prefix + str(route["receiver"])
    result["routes"] = [prefixed(each, prefix) for each in route.get("routes") or [] if isinstance(each, dict)]
    return result


def subjects(objects: list[Object]) -> dict[tuple[str, str, str], Labels]:
    """Alerts to ask for: all that rules have, and one of each severity that no rule has."""
    namespaces = sorted(
        {str(n) for o in objects if o["kind"] == "AlertmanagerConfig" and (n := o["metadata"].get("namespace"))}
    )
    severities = dict.fromkeys(SEVERITIES)
    rules = [(each, rule) for each in objects if each["kind"] == "PrometheusRule" for rule in alert_rules(each)]
    severities |= dict.fromkeys(str(dig(rule, "labels", "severity") or "none") for _, rule in rules)
    found: dict[tuple[str, str, str], Labels] = {}
    for severity in severities:
        for namespace in namespaces:
            found[severity, namespace, UNNAMED] = {"severity": severity, "namespace": namespace}
    for each, rule in rules:
        labels = {str(key): str(value) for key, value in (dig(rule, "labels") or {}).items()}
        severity, namespace = labels.setdefault("severity", "none"), str(each["metadata"].get("namespace", ""))
        found[severity, namespace, str(rule["alert"])] = {
            "namespace": namespace,
            **labels,
            "alertname": str(rule["alert"]),
        }
    return found


def cluster() -> dict[tuple[str, str, str], Labels]:
    """Alerts that no AlertmanagerConfig sees: those of namespaces without one, and the one that always fires."""
    found: dict[tuple[str, str, str], Labels] = {
        (severity, "", UNNAMED): {"severity": severity, "namespace": "kube-system"} for severity in SEVERITIES
    }
    found["none", "", "Watchdog"] = {"severity": "none", "namespace": "monitoring", "alertname": "Watchdog"}
    return found


def of_overlay(before: tuple[list[Object], Object], after: tuple[list[Object], Object]) -> tuple[str, ...]:
    """Who receives the overlay's own alerts, from its objects and the base configuration, where that changes."""
    if any(each["kind"] == "AlertmanagerConfig" for each in [*before[0], *after[0]]):
        return sentences(before, after, subjects(before[0]), subjects(after[0]))
    return ()


def of_cluster(before: Object, after: Object) -> tuple[str, ...]:
    """Who receives the cluster's alerts, by the base configuration alone, and what is silent, where that changes."""
    if not before or not after or before == after:
        return ()
    return (*sentences(([], before), ([], after), cluster(), cluster()), *silenced(before, after))


def sentences(
    before: tuple[list[Object], Object],
    after: tuple[list[Object], Object],
    old: dict[tuple[str, str, str], Labels],
    new: dict[tuple[str, str, str], Labels],
) -> tuple[str, ...]:
    """One sentence for each severity that reaches others than before, and for each alert that differs from its own."""
    result = []
    told: dict[tuple[str, str], tuple[str, str]] = {}
    for key in old | new:
        severity, namespace, alert = key
        was, now = (reach(*side, of.get(key) or (old | new)[key]) for side, of in ((before, old), (after, new)))
        if alert == UNNAMED:
            told[severity, namespace] = (was, now)
        elif told.get((severity, namespace)) == (was, now) or not (key in old and key in new):
            continue
        if was != now:
            what = f"Alerts of severity {severity}" if alert == UNNAMED else f"Alert {alert} ({severity})"
            where = f"in namespace {namespace}" if namespace else "of the cluster itself"
            result.append(f"{what} {where} reach{'es' if alert != UNNAMED else ''} {now} instead of {was}.")
    return tuple(result)
