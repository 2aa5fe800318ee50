"""Credentials as files, commands, headers and code hold them, and what only looks like one; see written/."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery import credentials
from delivery.manifests import Object
from delivery.review.masking import Masker
from delivery.review.pairing import Source, pair

VALUES = ["hunter2numbertwoAndMore", "Tr0ub4dor-and.37", "q8ZrT1mWc5Xb0LkJ"]
CASES: dict[str, list[Any]] = {}
for path in sorted(Path(__file__).with_name("written").iterdir()):
    for part, cases in yaml.safe_load(path.read_text("utf-8")).items():
        CASES[part] = [*CASES.get(part, []), *cases]


def config_map(text: str, name: str = "a") -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {name: text}}


def pod(**container: Any) -> Object:
    spec = {"containers": [{"name": "a", "image": "a", **container}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}


def assert_hidden(each: Object) -> None:
    """Whatever the password is like, the object is shown without it, and it is told."""
    for value in VALUES:
        held = json.loads(json.dumps(each).replace("HIDDEN", value))
        source = Source(held)
        masked, _ = Masker([source]).pair(pair([source], [])[0])
        assert value not in str(masked)
        assert credentials.leaves(held)


@pytest.mark.parametrize("text", CASES["texts"])
def test_a_text_holds_it(text: str) -> None:
    assert_hidden(config_map(text))


@pytest.mark.parametrize("words", CASES["arguments"], ids=" ".join)
def test_an_argument_holds_it(words: list[str]) -> None:
    assert_hidden(pod(args=words))


@pytest.mark.parametrize(("name", "text"), CASES["variables"])
def test_a_variable_holds_it(name: str, text: str) -> None:
    assert_hidden(config_map(text, name))
    assert_hidden(pod(env=[{"name": name, "value": text}]))


@pytest.mark.parametrize("text", CASES["encoded"])
def test_what_is_encoded_holds_it(text: str) -> None:
    for value in VALUES:
        encoded = base64.b64encode(text.replace("HIDDEN", value).encode()).decode()
        each = config_map(f"echo {encoded} | base64 -d")
        [leaf] = credentials.leaves(each)
        assert credentials.masked(leaf, "***") == "echo *** | base64 -d"


@pytest.mark.parametrize("text", CASES["free_texts"])
def test_a_text_is_shown(text: str) -> None:
    for each in (text, f"# settings\n{text}\nport = 1\n"):
        assert credentials.leaves(config_map(each)) == []


@pytest.mark.parametrize("words", CASES["free_arguments"], ids=" ".join)
def test_arguments_are_shown(words: list[str]) -> None:
    assert credentials.leaves(pod(args=words)) == []


@pytest.mark.parametrize(("name", "text"), CASES["free_variables"])
def test_a_variable_is_shown(name: str, text: str) -> None:
    assert credentials.leaves(config_map(text, name)) == []
    assert credentials.leaves(pod(env=[{"name": name, "value": text}])) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password: correct horse battery # of the staff\nport: 1", "password: *** # of the staff\nport: 1"),
        ("DB_PASSWORD=a1b,c;d psql -h db", "DB_PASSWORD=*** psql -h db"),
        ("Server=db;Password=abc;Encrypt=true", "Server=db;Password=***;Encrypt=true"),
        ("host=db user=a password=abc dbname=b", "host=db user=a password=*** dbname=b"),
        ("{password: abc, user: a}", "{password: ***, user: a}"),
        ("mytool -u app -p abc --host a", "mytool -u app -p *** --host a"),
        ("curl -H 'Cookie: lang=en; sid=abcdefgh' https://a", "curl -H 'Cookie: lang=en; sid=***' https://a"),
        (
            "- value: abc\n  name: DB_PASSWORD\n- value: b\n  name: A",
            "- value: ***\n  name: DB_PASSWORD\n- value: b\n  name: A",
        ),
        ("mytool --password swordfish --host a", "mytool --password *** --host a"),
        ("mytool -p a1b2c3d4 run", "mytool -p *** run"),
        ("# of a user\npassword=correct horse", "# of a user\npassword=***"),
        ("DB_PASSWORD: correct horse\nport: 1", "DB_PASSWORD: ***\nport: 1"),
        ("password: my-secret-password", "password: ***"),
        ("the word q8ZrT1mWc5Xb0LkJ is random", "the word *** is random"),
        ("the word qVZrTymWcHXbKLkJ is too", "the word *** is too"),
        ("echo cGFzc3dvcmQ6IGh1bnRlcg | base64 -d", "echo *** | base64 -d"),
        ('{"key": "password", "type": "x", "value": "a\\"b"}', '{"key": "password", "type": "x", "value": "***"}'),
    ],
)
def test_only_the_credential_is_masked(text: str, shown: str) -> None:
    [leaf] = credentials.leaves(config_map(text))
    assert credentials.masked(leaf, "***") == shown
