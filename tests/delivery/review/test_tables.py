"""Each row of the tables of dangers says what it is for."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.manifests import Object
from delivery.review.around import Around
from delivery.review.dangers import dangers
from delivery.review.model import Verb

ROWS: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("tables.yaml").read_text("utf-8"))


def annotated(annotations: dict[str, str | None], kind: str = "Ingress") -> Object:
    held = {key: value for key, value in annotations.items() if value is not None}
    return {"apiVersion": "networking.k8s.io/v1", "kind": kind, "metadata": {"name": "a", "annotations": held}}


def told(before: Object, after: Object | None) -> str:
    verb: Verb = "changed" if after else "deleted"
    return " ".join(each.sentence for each in dangers(verb, before, after, Around([(before, after)])))


@pytest.mark.parametrize("key", [*ROWS["guards"], *ROWS["ranges"]])
def test_what_keeps_others_out_goes(key: str) -> None:
    assert f"Its annotation {key} is gone: " in told(annotated({key: "10.0.0.0/8"}), annotated({}))


@pytest.mark.parametrize("key", ROWS["ranges"])
def test_more_addresses_may_connect(key: str) -> None:
    before, after = annotated({key: "10.0.0.0/8"}), annotated({key: "10.0.0.0/8, 192.0.2.0/24"})
    assert told(before, after) == f"More addresses may connect, by its annotation {key}: 192.0.2.0/24."
    assert told(after, before) == ""


@pytest.mark.parametrize("key", ROWS["denied"])
def test_fewer_addresses_may_not_connect(key: str) -> None:
    before, after = annotated({key: "10.0.0.0/8, 192.0.2.0/24"}), annotated({key: "10.0.0.0/8"})
    assert told(before, after) == f"More addresses may connect, by its annotation {key}: 192.0.2.0/24."
    assert told(after, before) == ""


@pytest.mark.parametrize(("key", "values"), ROWS["switches"].items())
def test_what_is_safe_is_switched_off(key: str, values: list[str]) -> None:
    safe, other = values
    assert f"Its annotation {key} is {other}: " in told(annotated({key: safe}), annotated({key: other}))
    assert told(annotated({key: other}), annotated({key: safe})) == ""
    gone = told(annotated({key: safe}), annotated({}))
    assert (gone == "") == (key in ROWS["safe_unset"])


@pytest.mark.parametrize("key", ROWS["snippets"])
def test_configuration_of_the_proxy_is_written(key: str) -> None:
    assert f"Its annotation {key} writes into" in told(annotated({}), annotated({key: "a"}))


def settings(data: dict[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


@pytest.mark.parametrize(
    ("name", "value"), [(key, each) for key, values in ROWS["variables"].items() for each in values]
)
def test_certificates_are_not_checked_any_more(name: str, value: str) -> None:
    assert told(settings({}), settings({name: value})).startswith(f"{name} is {value}: certificates are not checked")
    assert told(settings({name: value}), settings({name: value, "a": "b"})) == ""


@pytest.mark.parametrize("option", ROWS["options"])
def test_an_option_switches_the_check_off(option: str) -> None:
    before, after = (
        {"kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "args": each}]}}
        for each in (["serve"], ["serve", option])
    )
    assert f"its command has {option}: certificates are not checked" in told(before, after)


@pytest.mark.parametrize(("key", "value"), ROWS["kept"].items())
def test_what_was_kept_is_not(key: str, value: str) -> None:
    assert f"Its annotation {key}: {value} is gone" in told(annotated({key: value}), annotated({}))


@pytest.mark.parametrize(("kind", "loss"), ROWS["losses"].items())
def test_what_a_deletion_means(kind: str, loss: str) -> None:
    before = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": "n"}}
    reader = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {
            "serviceAccountName": "a",
            "containers": [{"name": "a", "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "a"}}]}],
        },
    }
    found = [each.sentence for each in dangers("deleted", before, None, Around([(before, None), (reader, reader)]))]
    readers = {
        "ServiceAccount": "It is deleted: Pod/p still runs as it, and pods of it do not start any more.",
        "ConfigMap": "It is deleted: Pod/p still reads it, and pods of it do not start any more.",
        "Secret": "It is deleted: Pod/p still reads it, and pods of it do not start any more.",
    }
    assert readers.get(kind, f"It is deleted: {loss}.") in found
