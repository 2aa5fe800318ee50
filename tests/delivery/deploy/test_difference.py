"""Which fields differ, in words."""

from typing import Any

from delivery.deploy.difference import difference


def deployment(**container: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "api", **container}, {"name": "side"}]}}


def test_it_names_the_field_by_its_path() -> None:
    found = difference(deployment(image="a"), deployment(image="b"))
    assert found == ["spec.containers[api].image: a -> b"]


def test_a_field_that_comes_or_goes_is_one() -> None:
    assert difference(deployment(), deployment(tty=True)) == ["spec.containers[api].tty: none -> True"]
    assert difference(deployment(tty=True), deployment()) == ["spec.containers[api].tty: True -> none"]


def test_lists_without_names_go_by_place() -> None:
    before, after = deployment(args=["a", "b"]), deployment(args=["a", "c", "d"])
    assert difference(before, after) == [
        "spec.containers[api].args[1]: b -> c",
        "spec.containers[api].args[2]: none -> d",
    ]


def test_what_the_api_server_keeps_for_itself_is_left_out() -> None:
    live = deployment() | {"metadata": {"name": "x", "resourceVersion": "1", "generation": 2}, "status": {"ready": 1}}
    assert difference(live, deployment()) == []


def test_long_values_are_cut() -> None:
    (line,) = difference(deployment(image="a" * 500), deployment(image="b"))
    assert len(line) < 200


def test_credentials_are_compared_and_not_shown() -> None:
    before = {"kind": "ConfigMap", "metadata": {}, "data": {"URL": "postgresql://app:hunter2@db/tasks", "a": "1"}}
    after = {"kind": "ConfigMap", "metadata": {}, "data": {"URL": "postgresql://app:hunter3@db/tasks"}}
    shown = "data.URL: postgresql://app:***@db/tasks -> postgresql://app:***@db/tasks"
    assert difference(before, after) == [shown, "data.a: 1 -> none"]
    assert difference(before, before) == []
    variable = {"kind": "Pod", "metadata": {}, "env": [{"name": "API_TOKEN", "value": "hunter2"}]}
    assert difference(variable, {"kind": "Pod", "metadata": {}, "env": []}) == [
        "env[API_TOKEN]: {'name': 'API_TOKEN', 'value': '***'} -> none"
    ]
