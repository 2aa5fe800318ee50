"""Objects written differently at random, with a real API server as the judge of which are the same.

Whatever it stores as the same object must be so for a review, without a warning; and nothing else. REWRITINGS says how
many are tried.
"""

import copy
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from delivery.manifests import Object, documents, parse
from delivery.quantity import amount
from delivery.render import render
from delivery.review.compare import Side, compare
from delivery.review.normal import schemas
from delivery.review.trees import Rendered
from tests.delivery.review.test_stored import CASES, written
from tests.support.cluster.controlplane import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("same-object")]

REWRITINGS = int(os.environ.get("REWRITINGS", "40"))
OBJECTS = yaml.safe_load(Path(__file__).with_name("rewritten.yaml").read_text("utf-8"))
# what the API server makes up anew for each object
OWN = {"uid", "creationTimestamp", "managedFields", "resourceVersion", "generation", "namespace"}
GIVEN = {"clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort"}
GIVEN |= {"controller-uid", "batch.kubernetes.io/controller-uid"}
EMPTY: dict[str, list[Any]] = {"boolean": [False], "integer": [0], "string": [""], "array": [[]], "object": [{}]}

Path_ = tuple[Any, ...]


class Judge:
    """What the API server would store, by dry run."""

    def __init__(self, client: httpx.Client, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self.names: dict[tuple[str, str], str] = {}

    def path(self, each: Object) -> str:
        version = each["apiVersion"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if (version, each["kind"]) not in self.names:
            for one in self.client.get(root).raise_for_status().json()["resources"]:
                where = f"{root}/namespaces/{self.namespace}" if one["namespaced"] else root
                if "/" not in one["name"]:
                    self.names[version, one["kind"]] = f"{where}/{one['name']}"
        return self.names[version, each["kind"]]

    def stored(self, each: Object) -> Any:
        """The object as it would be stored; None where it is refused."""
        sent = copy.deepcopy(each)
        sent["metadata"].pop("namespace", None)
        query = {"dryRun": "All", "fieldValidation": "Strict"}
        answer = self.client.post(self.path(each), params=query, content=json.dumps(sent),
                                  headers={"Content-Type": "application/json"})  # fmt: skip
        if answer.status_code != httpx.codes.CREATED:
            return None
        found = answer.json()
        found["metadata"] = {key: value for key, value in found["metadata"].items() if key not in OWN}
        return made_up(found) | {"status": None}


def made_up(value: Any) -> Any:
    """The value without what the API server makes up."""
    if isinstance(value, dict):
        return {k: made_up(v) for k, v in value.items() if k not in GIVEN or "None" in str(v)}
    return [made_up(each) for each in value] if isinstance(value, list) else value


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        if path or key not in {"apiVersion", "kind", "metadata", "status"}:
            yield (*path, key)
            yield from places(each, (*path, key))


def at(value: Any, path: Path_) -> Any:
    for step in path:
        value = value[step]
    return value


def filled_in(each: Object, stored: Object, chance: random.Random) -> None:
    """Write out something that the API server fills in."""
    path = chance.choice(list(places(stored)))
    try:
        place = at(each, path[:-1])
    except (KeyError, IndexError, TypeError):
        return
    if isinstance(place, dict) and path[-1] not in GIVEN and path[-1] not in place:
        place[path[-1]] = copy.deepcopy(at(stored, path))


def left_out(each: Object, _: Object, chance: random.Random) -> None:
    found = [path for path in places(each) if isinstance(at(each, path[:-1]), dict)]
    if found:
        path = chance.choice(found)
        del at(each, path[:-1])[path[-1]]


def in_another_unit(each: Object, _: Object, chance: random.Random) -> None:
    """Write an amount differently that the API server writes in one way."""
    found = [
        path for path in places(each) if {"requests", "limits", "max", "min"} & set(path) and amount(at(each, path))
    ]
    if found:
        path = chance.choice(found)
        value = amount(at(each, path))
        assert value is not None
        binary = str(at(each, path)).endswith("i")
        ways: list[Any] = (
            [f"{float(value / 2**30)}Gi", f"{int(value / 1024)}Ki"] if binary else [f"{int(value * 1000)}m"]
        )
        ways += [] if binary or value % 1 else [int(value), f"{int(value)}"]
        at(each, path[:-1])[path[-1]] = chance.choice(ways)


def empty(each: Object, _: Object, chance: random.Random) -> None:
    """Write a field that is not there as false, 0, "", [], {} or null."""
    types, own = schemas.of(each)
    assert types
    found = [(each, types.root)]
    for place, schema in found:
        for key, value in place.items():
            field = types.resolve((schema.get("properties") or {}).get(key, {}))[1]
            for one in value if isinstance(value, list) else [value]:
                inner = types.resolve(field.get("items", {}))[1] if isinstance(value, list) else field
                if isinstance(one, dict) and key != "metadata":
                    found.append((one, inner))
    place, schema = chance.choice(found)
    fields = [key for key in schema.get("properties") or {} if key not in place and key not in GIVEN]
    if fields:
        key = chance.choice(fields)
        field = types.resolve(schema["properties"][key])[1]
        kinds = field.get("type", "object")
        known = EMPTY.get(kinds if isinstance(kinds, str) else kinds[0], [{}])
        place[key] = copy.deepcopy(chance.choice([*known, None] if own else known))


def metadata(each: Object, _: Object, chance: random.Random) -> None:
    each["metadata"][chance.choice(["labels", "annotations"])] = each["metadata"].get("labels") or {}
    each["metadata"] |= chance.choice([{"creationTimestamp": None}, {"finalizers": []}, {"generation": 3}])


def in_lines(each: Object, _: Object, chance: random.Random) -> None:
    """Break base64 into lines."""
    for part in ("data", "binaryData"):
        if each["kind"] == "Secret" or part == "binaryData":
            for key, value in (each.get(part) or {}).items():
                each[part][key] = value[:4] + chance.choice(["", "\n"]) + value[4:]


WAYS = [filled_in, filled_in, filled_in, left_out, in_another_unit, empty, empty, metadata, in_lines]


@pytest.fixture
def judge(cluster: Cluster, namespace: str) -> Iterator[Judge]:
    cluster.kubectl("create", "namespace", namespace)
    with cluster.client() as client:
        yield Judge(client, namespace)


def test_what_is_stored_as_the_same_object_is_the_same(judge: Judge) -> None:
    ours = [each for text in documents(render("main")) for each in parse(text) if each["kind"] != "Namespace"]
    known = {each["kind"] for each in OBJECTS}
    objects = [*OBJECTS, *(each for each in ours if each["kind"] not in known and schemas.of(each)[0])]
    first = {id(each): judge.stored(each) for each in objects}
    same = other = seed = 0
    while same < REWRITINGS:
        seed += 1
        chance = random.Random(seed)
        each = objects[seed % len(objects)]
        rewritten = copy.deepcopy(each)
        for _ in range(chance.randint(1, 3)):
            chance.choice(WAYS)(rewritten, first[id(each)] or {}, chance)
        if rewritten == each or (stored := judge.stored(rewritten)) is None:
            continue
        before, after = (Side(Rendered(yaml.safe_dump(one, width=1 << 30)), {}) for one in (each, rewritten))
        [change] = compare("dev", before, after).review.changes
        what = f"seed {seed}: {json.dumps(each)} and {json.dumps(rewritten)}"
        if stored == first[id(each)]:
            same += 1
            assert (change.what, change.dangers) == ("written differently, the same object", ()), what
        else:
            other += 1
            assert change.verb != "rewritten", what
    print(f"{same} were the same object, {other} another, of {seed} tried")
    assert other > same / 10


def test_the_table_is_right(judge: Judge) -> None:
    told = {}
    for case in CASES:
        if not case.get("older"):
            before, after = (judge.stored(written(case, side)) for side in ("before", "after"))
            told[case["name"]] = "refused" if None in (before, after) else before == after
    assert told == {case["name"]: case["same"] for case in CASES if not case.get("older")}
