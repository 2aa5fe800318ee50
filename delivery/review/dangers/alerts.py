"""Alerts that are removed, muted, or made to fire later, for less, or more quietly."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from delivery.manifests import Object, dig
from delivery.review.dangers import recording
from delivery.review.model import Danger

RANKS = {"critical": 3, "warning": 2, "info": 1, "none": 0}
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}

# what keeps an alert from being told: its field in an AlertmanagerConfig and in Alertmanager's own configuration
QUIET = {
    ("inhibitRules", "inhibit_rules"): "It changes which alerts keep others silent",
    (
        "muteTimeIntervals",
        "mute_time_intervals",
        "timeIntervals",
        "time_intervals",
    ): "It changes when routes are silent",
}

Rules = dict[str, list[tuple[int, Object]]]  # by the alert's name: the number of the object it is in, and the rule


def dangers(
    pairs: list[tuple[Object | None, Object | None]], base_routes: tuple[Object, ...] = ()
) -> dict[int, list[Danger]]:
    """Dangers by the number of the pair, of an object before and after, that they are in.

    Asked of an overlay as a whole: an alert that moves to another PrometheusRule is not removed. `base_routes` are
    Alertmanager's base configurations.
    """
    routed = routing_words(pairs, base_routes)
    before, after = (collect(side) for side in ([old for old, _ in pairs], [new for _, new in pairs]))
    found: dict[int, list[Danger]] = defaultdict(list)
    gone: dict[int, list[str]] = defaultdict(list)
    for name, old in before.items():
        new = [*after.get(name, [])]
        changed = []
        for number, rule in old:
            if same := next((each for each in new if each[1] == rule), None):
                new.remove(same)
            else:
                changed.append((number, rule))
        for number, rule in changed:
            # of several rules of one name, the one of the same severity is the same
            likely = next((each for each in new if severity(each[1]) == severity(rule)), new[0] if new else None)
            if likely is None:
                gone[number].append(name)
            else:
                new.remove(likely)
                found[likely[0]] += [Danger("alert", sentence) for sentence in weakened(name, rule, likely[1], routed)]
    fresh = [(name, rule) for name, rules in after.items() if name not in before for _, rule in rules]
    for number, names in gone.items():
        unique = {name: called_now([rule for _, rule in before[name]], fresh) for name in names}
        found[number] += [Danger("alert", sentence) for sentence in lost(unique)]
    for number, sentence in recording.changed([old for old, _ in pairs], [new for _, new in pairs]):
        found[number].append(Danger("alert", sentence))
    for number, pair in enumerate(pairs):
        if pair[1] and pair[1]["kind"] == "AlertmanagerConfig":
            quiet = silenced(*(dig(each, "spec") or {} for each in pair))
            found[number] += [Danger("alert", sentence) for sentence in quiet]
    return found


def lost(names: dict[str, str]) -> Iterator[str]:
    """What becomes of alerts that are gone, by their names and those that they have now."""
    for name, now in names.items():
        if now:
            yield f"{name} is called {now} now: silences, routes and links that name it no longer find it."
    if unknown := [name for name, now in names.items() if not now]:
        listed = ", ".join(unknown[:10]) + (f" and {len(unknown) - 10} more" if len(unknown) > 10 else "")
        yield f"Nobody is told any more of: {listed}."


def called_now(rules: list[Object], fresh: list[tuple[str, Object]]) -> str:
    """The name of a new alert that fires when one of the rules did, as loudly; "" where there is none."""
    return next((name for name, new in fresh for old in rules if not weakened(name, old, new)), "")


def silenced(old: Object, new: Object) -> Iterator[str]:
    """What may be silent that was not, by an AlertmanagerConfig's spec or Alertmanager's own configuration."""
    for fields, sentence in QUIET.items():
        if changed := [field for field in fields if new.get(field) and new.get(field) != old.get(field)]:
            yield f"{sentence} ({', '.join(changed)})."


def collect(objects: list[Object | None]) -> Rules:
    found: Rules = defaultdict(list)
    for number, each in enumerate(objects):
        if each is not None and each["kind"] == "PrometheusRule":
            for rule in alert_rules(each):
                found[str(rule["alert"])].append((number, rule))
    return found


def alert_rules(each: Object) -> list[Object]:
    return [rule for rule in recording.with_group_labels(each) if "alert" in rule]


def severity(rule: Object) -> str:
    return str(dig(rule, "labels", "severity") or "none")


def routing_words(pairs: list[tuple[Object | None, Object | None]], base_routes: Iterable[Object]) -> set[str] | None:
    """Every word of what routes alerts, on both sides; None where nothing is known of it."""
    configs = [dig(each, "spec") for pair in pairs for each in pair if each and each["kind"] == "AlertmanagerConfig"]
    known = [each for each in (*configs, *base_routes) if each]
    return set(re.findall(r"\w+|\.{3}", json.dumps(known, default=str))) if known else None


def weakened(name: str, old: Object, new: Object, routed: set[str] | None = None) -> list[str]:
    """What makes an alert fire later, for less, more quietly or elsewhere; `routed` are the words of the routes."""
    sentences = []
    if recording.meaning(old.get("expr")) != recording.meaning(new.get("expr")):
        if recording.is_constant(new.get("expr")) and not recording.is_constant(old.get("expr")):
            sentences.append(f"{name} asks for a constant now (expr): what happens no longer changes whether it fires.")
        else:
            sentences.append(f"{name} asks another question (expr): see that it still fires when it should.")
    if seconds(new.get("for")) > seconds(old.get("for")):
        sentences.append(f"{name} waits {new.get('for')} instead of {old.get('for') or 'not at all'} before it fires.")
    was, now = severity(old), severity(new)
    if was != now and RANKS.get(now, -1) < RANKS.get(was, 3):
        sentences.append(f"{name} is {now} instead of {was}.")
    labels, others = (dig(each, "labels") or {} for each in (old, new))
    for key in sorted(labels.keys() - {"severity"}):
        if others.get(key) != labels[key] and (routed is None or key in routed or "..." in routed):
            change = f"{others[key]} instead of {labels[key]}" if key in others else f"gone, and was {labels[key]}"
            sentences.append(f"{name}: its label {key} is {change}, and routes and silences go by labels.")
    return sentences


def seconds(duration: object) -> float:
    """A duration as Prometheus writes it, such as 1h30m; 0 for none."""
    return sum(float(number) * SECONDS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", str(duration or "")))
