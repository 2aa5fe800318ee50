"""Objects whose fields are of another type than their kind's: no schema is asked before a review."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from delivery.manifests import Object, documents, parse
from delivery.render import render
from delivery.review.compare import Side, compare
from delivery.review.trees import Rendered

ODD: list[Any] = [None, "text", 5, [None]]
ROLE: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "role"},
    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["one"]}],
}
BINDING: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "role"},
    "subjects": [{"kind": "User", "name": "somebody"}],
    "roleRef": {"name": "role"},
}


def objects() -> list[Object]:
    """One of each kind: our own, and those that we have none of."""
    found = {each["kind"]: each for text in documents(render("main")) for each in parse(text)}
    return [*found.values(), ROLE, BINDING]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every field of an object but those without which it is none; of a list, its first item."""
    if path and path not in {("kind",), ("metadata",), ("metadata", "name")}:
        yield path
    if len(path) < 8:
        inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
        for key, each in inner:
            yield from places(each, (*path, key))


def replaced(each: Object, path: tuple[Any, ...], value: Any) -> Object:
    result = copy.deepcopy(each)
    inner: Any = result
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return result


def side(each: Object) -> Side:
    return Side(Rendered(yaml.dump(each, Dumper=yaml.CSafeDumper)), {"route": {"receiver": "nobody"}})


@pytest.mark.slow
@pytest.mark.parametrize("each", objects(), ids=lambda each: str(each["kind"]))
def test_every_field_may_be_of_another_type(each: Object) -> None:
    good = side(each)
    for path in list(places(each))[:60]:
        for value in ODD:
            other = replaced(each, path, value)
            for before, after in ((good, side(other)), (side(other), good)):
                assert bool(compare("dev", before, after).review.changes) == (other != each), (path, value)


RULES: Object = {"apiVersion": "v1", "kind": "PrometheusRule", "metadata": {"name": "rules"}, "spec": {"groups": []}}


@pytest.mark.parametrize(("each", "field"), [(ROLE, "rules"), (RULES, "spec")])
def test_that_its_dangers_are_not_known_is_said(each: Object, field: str) -> None:
    review = compare("dev", side(each), side({**each, field: {"groups": 5} if field == "spec" else "text"})).review
    assert [danger.kind for _, danger in review.dangers] == ["odd shape"]


@pytest.mark.parametrize("routes", [{"route": "text"}, {"receivers": 5}, {"route": {"routes": 5}}])
def test_routes_of_another_type(routes: Object) -> None:
    review = compare("chart-dev", Side(Rendered(), {"route": {}}), Side(Rendered(), routes)).review
    assert len(review.routing) <= 1
    if routes != {"receivers": 5}:
        assert "not shaped" in review.routing[0]
