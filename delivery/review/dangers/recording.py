"""Recording rules that alerts read: one that changes or goes changes what they see."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import promql_parser

from delivery.manifests import Object, dig

METRIC = "__name__"


def parsed(expression: object) -> Any:
    """A PromQL expression; None for what is none."""
    return parsed_text(" ".join(str(expression).split()))


@lru_cache(1 << 12)
def parsed_text(text: str) -> Any:
    try:
        return promql_parser.parse(text)
    except ValueError:
        return None


def meaning(expression: object) -> str:
    """PromQL in one form for all ways to write it; what is none, without its line breaks."""
    found = parsed(expression)
    return " ".join(str(expression if found is None else found.prettify()).split())


def selectors(expression: Any) -> Iterator[Any]:
    """The selectors of an expression, those of ranges and subqueries too."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    elif isinstance(expression, promql_parser.MatrixSelector):
        yield expression.vector_selector
    else:
        inner = [getattr(expression, name, None) for name in ("lhs", "rhs", "expr", "param")]
        for each in [*inner, *(getattr(expression, "args", None) or [])]:
            if isinstance(each, promql_parser.Expr) or type(each).__module__ == "promql_parser.promql_parser":
                yield from selectors(each)


def reads(expression: object) -> set[str]:
    """Names of the metrics that an expression reads."""
    found = parsed(expression)
    return {str(each.name) for each in selectors(found) if each.name} if found is not None else set()


def is_constant(expression: object) -> bool:
    """Whether an expression reads no metric, so that what happens does not change it."""
    found = parsed(expression)
    return found is not None and not any(True for _ in selectors(found))


def rules(objects: list[Object | None], kind: str) -> Iterator[tuple[int, Object]]:
    """Rules with a field `kind`, alert or record, and the number of the object that each is in."""
    for number, each in enumerate(objects):
        if each is not None and each["kind"] == "PrometheusRule":
            yield from ((number, rule) for rule in with_group_labels(each) if kind in rule)


def with_group_labels(each: Object) -> Iterator[Object]:
    """The rules of a PrometheusRule, each with the labels of its group too."""
    for group in dig(each, "spec", "groups") or []:
        shared = dig(group, "labels") or {}
        for rule in dig(group, "rules") or []:
            if isinstance(rule, dict):
                yield {**rule, "labels": {**shared, **(rule.get("labels") or {})}} if shared else rule


def readers(objects: list[Object | None]) -> dict[str, set[str]]:
    """Names of the alerts that read a metric, by its name, by way of other recording rules too."""
    found: dict[str, set[str]] = {}
    for _, rule in rules(objects, "alert"):
        for name in reads(rule.get("expr")):
            found.setdefault(name, set()).add(str(rule["alert"]))
    made = [(str(rule["record"]), reads(rule.get("expr"))) for _, rule in rules(objects, "record")]
    for _ in made:  # one step further each time
        before = sum(map(len, found.values()))
        for name, read in made:
            for metric in read:
                if more := found.get(name):
                    found.setdefault(metric, set()).update(more)
        if sum(map(len, found.values())) == before:
            break
    return found


def changed(before: list[Object | None], after: list[Object | None]) -> Iterator[tuple[int, str]]:
    """A sentence for each recording rule that changes under an alert, with the number of its object."""
    if not any(each and each["kind"] == "PrometheusRule" for each in [*before, *after]):
        return
    reading = readers(after)
    old: dict[str, list[tuple[int, Object]]] = {}
    new: dict[str, list[tuple[int, Object]]] = {}
    for found, objects in ((old, before), (new, after)):
        for number, rule in rules(objects, "record"):
            found.setdefault(str(rule["record"]), []).append((number, rule))
    for name, known in old.items():
        if not (alerts := sorted(reading.get(name, ()))):
            continue
        listed = ", ".join(alerts[:5]) + (f" and {len(alerts) - 5} more" if len(alerts) > 5 else "")
        if name not in new:
            yield (
                known[0][0],
                f"The recording rule {name} is gone: {listed} reads it, and no longer sees what happens.",
            )
            continue
        meanings = [(meaning(rule.get("expr")), rule.get("labels") or {}) for _, rule in known]
        for number, rule in new[name]:
            if (meaning(rule.get("expr")), rule.get("labels") or {}) in meanings:
                continue
            if is_constant(rule.get("expr")):
                yield number, f"The recording rule {name} is a constant now: {listed} no longer sees what happens."
            else:
                yield number, f"The recording rule {name} records something else (expr): see that {listed} still fires."
