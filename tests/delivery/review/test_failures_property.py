"""Random Secrets in renders that are broken at random: no value comes out with the reason why they fail."""

import base64
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from delivery.manifests import Object
from delivery.review import trees
from delivery.review.trees import Tree
from tests.delivery.review.repository import files

LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
MARKS = "*&!%@|>'\"{}[],#?:-=+/\\~`$ "
PART = 6  # characters of a value that must not be shown
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {PORT: '8000'}\n"
Overlay = dict[str, str]


def value(chance: random.Random) -> str:
    """A value with a mark here and there, so that it breaks YAML in places."""
    text = "".join(chance.choice(LETTERS) for _ in range(chance.randint(10, 20)))
    for _ in range(chance.randint(0, 2)):
        place = chance.randint(0, len(text))
        text = text[:place] + chance.choice(MARKS) + text[place:]
    return text


def secret(values: list[str], chance: random.Random) -> Object:
    """A Secret with values in each place that can hold one."""
    encoded = base64.b64encode(values[0].encode()).decode()
    return {
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "it", "annotations": {"note": values[1]}},
        "data": {"a": encoded}, "stringData": {"password": values[2], "pair": f"mailer:{values[3]}"},
        "type": chance.choice(["Opaque", values[4]]),
    }  # fmt: skip


def raw(overlay: Overlay, values: list[str], chance: random.Random) -> None:
    """Values as they are, without quotes."""
    head = "apiVersion: v1\nkind: Secret\nmetadata: {name: it}\nstringData:"
    overlay["secret.yaml"] = f"{head}\n  password: {values[0]}\n  other: {values[1]}\n"


def cut(overlay: Overlay, values: list[str], chance: random.Random) -> None:
    text = overlay["secret.yaml"]
    place = chance.randint(1, len(text) - 1)
    overlay["secret.yaml"] = text[:place] + chance.choice(["", chance.choice(MARKS), "\n\t", "*"]) + text[place:][:9]


def misplaced(overlay: Overlay, values: list[str], chance: random.Random) -> None:
    """A value where another type must be."""
    each = json.loads(overlay["secret.yaml"])
    path = chance.choice(["metadata", "kind", "apiVersion", "data", "stringData"])
    each[path] = chance.choice([values[0], [values[1]], {values[2]: [values[3]]}, {"name": [values[1]]}])
    overlay["secret.yaml"] = json.dumps(each)


def replaced(overlay: Overlay, values: list[str], chance: random.Random) -> None:
    source = {
        "kind": "Secret",
        "name": "it",
        "fieldPath": chance.choice(["stringData.pair", "stringData.password.foo"]),
    }
    source["options"] = chance.choice([{}, {"delimiter": ":", "index": 2}])  # type: ignore[assignment]
    fields = [chance.choice(["data.PORT", "data.PORT.foo", "data.[name=x]", "stringData.password.foo", "metadata"])]
    target = {"select": {"kind": chance.choice(["ConfigMap", "Secret"])}, "fieldPaths": fields}
    overlay["kustomization.yaml"] += f"replacements: {json.dumps([{'source': source, 'targets': [target]}])}\n"


def patched(overlay: Overlay, values: list[str], chance: random.Random) -> None:
    operation = chance.choice(["test", "replace", "add", "remove", "move", values[0]])
    path = chance.choice(["/stringData/password", "/stringData/password/x", f"/data/{values[1]}/x", "/nothing/here"])
    steps = [{"op": operation, "path": path, "value": values[2]}]
    patch = chance.choice([
        json.dumps(steps),
        json.dumps(steps)[: chance.randint(5, 60)],
        f"kind: Secret\nstringData: {{password: {values[3]}]",
        json.dumps({"kind": "Secret", "metadata": {"name": "none"}, "stringData": {"password": values[4]}}),
        json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "it"}, "stringData": [values[4]]}),
    ])  # fmt: skip
    entry = {"patch": patch} | chance.choice([{}, {"target": {"kind": "Secret"}}])
    overlay["kustomization.yaml"] += f"patches: {json.dumps([entry])}\n"


def generated(overlay: Overlay, values: list[str], chance: random.Random) -> None:
    entry = chance.choice([
        {"name": "made", "literals": [values[0]]},
        {"name": "made", "literals": [f"a={values[0]}", f"a={values[1]}"]},
        {"name": "made", "literals": values[0]},
        {"name": "made", "envs": ["values.env"]},
        {"name": "made", "files": [f"{values[0]}=values.env=b"]},
        {"name": "made", "files": ["missing.env"], "literals": [f"a={values[2]}"]},
        {"name": "made", "literals": [f"a={values[2]}"], "options": {"labels": values[3]}},
        {"name": "made", "literals": [f"a={values[2]}"], values[3][:4]: values[4]},
        {"name": "it", "behavior": "create", "literals": [f"a={values[2]}"]},
    ])  # fmt: skip
    overlay["values.env"] = f"{values[0]}\na b={values[1]}\n=c\n"
    overlay["kustomization.yaml"] += f"secretGenerator: {json.dumps([entry])}\n"


def twice(overlay: Overlay, values: list[str], chance: random.Random) -> None:
    overlay["secret.yaml"] += f"\n---\n{overlay['secret.yaml']}"


def missing(overlay: Overlay, values: list[str], chance: random.Random) -> None:
    overlay["kustomization.yaml"] += "components: [missing]\n"


WAYS: list[Callable[[Overlay, list[str], random.Random], None]] = [
    raw, cut, cut, misplaced, replaced, patched, patched, generated, generated, twice, missing,
]  # fmt: skip


@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(40, 400), marks=pytest.mark.slow)], ids=len)
def test_no_value_comes_out(seeds: range) -> None:
    failed = 0
    for seed in seeds:
        chance = random.Random(seed)
        values = [value(chance) for _ in range(5)]
        overlay = {"kustomization.yaml": "resources: [config.yaml, secret.yaml]\n", "config.yaml": CONFIG}
        overlay["secret.yaml"] = json.dumps(secret(values, chance))
        chance.choice(WAYS)(overlay, values, chance)
        with tempfile.TemporaryDirectory() as folder:
            files(Path(folder) / "overlays" / "dev", overlay)
            error = trees.rendered("dev", Tree("", Path(folder)), with_charts=False).error
        failed += bool(error)
        for each in [*values, *(base64.b64encode(one.encode()).decode() for one in values)]:
            for start in range(len(each) - PART + 1):
                assert each[start : start + PART] not in error, (seed, each, error)
        if error:
            assert error.startswith("Overlay dev does not render: "), error
    assert failed > len(seeds) / 4
