"""Which objects of an overlay hang together. The cases are in links.yaml."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.review import selectors
from delivery.review.around import Around
from delivery.review.links import labels, links

CASES = yaml.safe_load((Path(__file__).parent / "links.yaml").read_text())


def made(kind: str, name: str, spec: Any = None, **more: Any) -> dict[str, Any]:
    """An object of the namespace n; `pods` are labels of the pods that it makes."""
    metadata = {"name": name, "namespace": more.pop("namespace", "n"), "labels": more.pop("labels", {})}
    if (pods := more.pop("pods", None)) is not None:
        template = {"metadata": {"labels": pods}, "spec": {"containers": []}}
        spec = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    return {"kind": kind, "metadata": metadata, "spec": spec or {}, **more}


def uses(objects: list[dict[str, Any]]) -> list[str]:
    """Each link once, with what it is used for."""
    found = links(Around([(each, each) for each in objects]), set(range(len(objects))))
    return sorted(
        f"{objects[number]['kind']}/{objects[number]['metadata']['name']} {link.how} {link.kind}/{link.name}"
        + ("" if link.here else " (not here)")
        for number, each in found.items()
        for link in each
        if link.uses
    )


@pytest.mark.parametrize("name", CASES)
def test_cases(name: str) -> None:
    objects = [made(**each) for each in CASES[name]["objects"]]
    assert uses(objects) == CASES[name]["uses"]


@pytest.mark.parametrize("name", CASES)
def test_what_uses_is_used(name: str) -> None:
    """Each link between two objects is seen from both."""
    objects = [made(**each) for each in CASES[name]["objects"]]
    found = links(Around([(each, each) for each in objects]), set(range(len(objects))))
    seen = {
        (objects[number]["kind"], objects[number]["metadata"]["name"], link.kind, link.name, link.how, link.uses)
        for number, each in found.items()
        for link in each
        if link.here
    }
    assert {(kind, name, mine, my, how, not way) for mine, my, kind, name, how, way in seen} == seen


def test_only_what_changes_has_links() -> None:
    objects = [made("Service", "a", {"selector": {"app": "a"}}), made("Deployment", "a", pods={"app": "a"})]
    found = links(Around([(each, each) for each in objects]), {1})
    assert {number: [link.how for link in each] for number, each in found.items()} == {1: ["sends requests to it"]}


def pod_of(name: str) -> dict[str, Any]:
    """A Deployment that reads the ConfigMap of a name."""
    containers = [{"name": "a", "envFrom": [{"configMapRef": {"name": name}}]}]
    return made("Deployment", "a", {"template": {"spec": {"containers": containers}}})


def test_a_name_with_another_hash_is_the_same_object() -> None:
    old, new = made("ConfigMap", "a-222"), made("ConfigMap", "a-444")
    found = links(Around([(pod_of("a-222"), pod_of("a-444")), (old, new)]), {0, 1})
    assert [(link.name, link.here, link.since) for link in found[0]] == [("a-444", True, "both")]
    assert [(link.name, link.since) for link in found[1]] == [("a", "both")]


def test_what_is_deleted_is_still_named() -> None:
    found = links(Around([(pod_of("a"), pod_of("a")), (made("ConfigMap", "a"), None)]), {1})
    assert [(link.kind, link.how, link.since) for link in found[1]] == [("Deployment", "reads it", "both")]


def test_what_is_new_and_what_is_over() -> None:
    """A Service that selects the pods of another Deployment."""
    pods = [made("Deployment", name, pods={"app": name}) for name in ("a", "b")]
    service = [made("Service", "s", {"selector": {"app": name}}) for name in ("a", "b")]
    found = links(Around([(service[0], service[1]), *((each, each) for each in pods)]), {0, 2})
    assert [(link.name, link.since) for link in found[0]] == [("a", "before"), ("b", "after")]
    assert [(link.name, link.since) for link in found[2]] == [("s", "after")]


def test_what_it_uses_comes_first() -> None:
    paths = [{"path": "/", "backend": {"service": {"name": "a", "port": {"number": 80}}}}]
    objects = [
        made("Service", "a", {"selector": {"app": "z"}}),
        made("Ingress", "b", {"rules": [{"http": {"paths": paths}}]}),
        made("StatefulSet", "z", pods={"app": "z"}),
    ]
    found = links(Around([(each, each) for each in objects]), {0})
    assert [(link.uses, link.name) for link in found[0]] == [(True, "z"), (False, "b")]


def overlay(count: int, *, alike: bool) -> list[dict[str, Any]]:
    """As many Deployments as Services and policies; where they are alike, each selects all."""
    names = ["a" if alike else f"a{number}" for number in range(count)]
    return [
        each
        for number, name in enumerate(names)
        for each in (
            made("Deployment", f"d{number}", pods={"app": name, "part": "of"}),
            made("Service", f"s{number}", {"selector": {"part": "of", "app": name}}),
            made("NetworkPolicy", f"n{number}", {"podSelector": {"matchLabels": {"app": name}}}),
        )
    ]


@pytest.mark.parametrize("alike", [False, True])
def test_twice_the_objects_take_twice_the_steps(*, alike: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0

    def counted(*arguments: Any) -> bool:
        nonlocal steps
        steps += 1
        return holds(*arguments)

    holds = selectors.holds
    monkeypatch.setattr(labels, "holds", counted)
    taken, found = [], []
    for count in (200, 400):
        steps = 0
        objects = overlay(count, alike=alike)
        found.append(len(uses(objects)))
        taken.append(steps)
    assert found[1] <= 2.1 * found[0]
    assert 0 < taken[1] <= 2.1 * taken[0]
    assert alike or found == [400, 800]
