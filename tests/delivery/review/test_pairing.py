"""Which object of the base became which of the head."""

import pytest

from delivery.review.pairing import Source, pair


def source(kind: str, name: str, namespace: str = "dev", spec: str = "", api: str = "v1") -> Source:
    """An object that holds each letter of `spec` as a line."""
    metadata = {"name": name, "namespace": namespace}
    return Source({"apiVersion": api, "kind": kind, "metadata": metadata, **({"spec": [*spec]} if spec else {})})


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (source("Ingress", "a", api="example.com/v1beta1"), source("Ingress", "a", api="example.com/v1"), True),
        (source("Ingress", "a", api="example.com/v1"), source("Ingress", "a", api="example.org/v1"), False),
        (source("Service", "a"), source("Deployment", "a"), False),
        (source("Service", "a"), source("Service", "a", "main"), True),
        (source("ConfigMap", "a-2456789bcd"), source("ConfigMap", "a-bcdfghkmt2"), True),
        (source("ConfigMap", "a-2456789bcd"), source("ConfigMap", "a"), True),
        (source("ConfigMap", "a-2456789bcd"), source("ConfigMap", "b-2456789bcd"), False),
        (source("Service", "a-2456789bcd"), source("Service", "a-bcdfghkmt2"), False),
        (source("Service", "a", spec="abcdefghij"), source("Service", "b", spec="abcdefghij"), True),
        (source("Service", "a", spec="abcdefghij"), source("Service", "b", spec="abcdefgxyz"), True),
        (source("Service", "a", spec="abcdefghij"), source("Service", "b", spec="abcdeuvxyz"), False),
    ],
)
def test_it_is_the_same_object(*, before: Source, after: Source, same: bool) -> None:
    pairs = {(each.before and each.before.name, each.after and each.after.name) for each in pair([before], [after])}
    assert pairs == ({(before.name, after.name)} if same else {(before.name, None), (None, after.name)})


def test_the_nearest_is_taken_first() -> None:
    """The name in the namespace, then the name elsewhere, then what is most alike."""
    before = [source("Service", "a"), source("Service", "b", spec="abc")]
    after = [source("Service", "a", "main", spec="abc"), source("Service", "a")]
    told = {(each.before and each.before.name, each.after and each.after.namespace) for each in pair(before, after)}
    assert told == {("a", "dev"), ("b", "main")}


@pytest.mark.parametrize("names", ["bc", "cb"])
def test_the_likest_of_all_is_taken(names: str) -> None:
    before = [source("Service", name, spec="abcdefghij" if name == "b" else "abcdefgxyz") for name in names]
    pairs = pair(before, [source("Service", "a", spec="abcdefghij")])
    assert {(each.before and each.before.name, each.after and each.after.name) for each in pairs} == {
        ("b", "a"),
        ("c", None),
    }
