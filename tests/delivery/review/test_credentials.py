"""Credentials in the clear, as they are written in files, commands and settings; the cases are in credentials.yaml."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery import credentials
from delivery.manifests import Object
from delivery.review.hiding import hide
from delivery.review.masking import Masker
from delivery.review.pairing import Source, pair

VALUE = "hunter2numbertwoAndMore"
CASES: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("credentials.yaml").read_text("utf-8"))


def config_map(text: str, name: str = "a") -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {name: text}}


def shown(each: Object) -> str:
    """Return an object as the review shows it."""
    source = Source(each)
    masked, _ = Masker([source]).pair(pair([source], [])[0])
    return str(masked)


def hidden(each: Any) -> Any:
    return json.loads(json.dumps(each).replace("HIDDEN", VALUE))


@pytest.mark.parametrize("text", CASES["held"].values(), ids=CASES["held"])
def test_it_is_masked(text: str) -> None:
    each = config_map(hidden(text))
    assert len(credentials.leaves(each)) == 1
    assert VALUE not in shown(each)
    whole = text.startswith("-----")
    assert whole or text.partition("HIDDEN")[0][:12] in shown(each).replace("\\n", "\n"), "the rest is shown"


@pytest.mark.parametrize(("name", "text"), CASES["under"].items())
def test_it_is_masked_for_its_name(name: str, text: str) -> None:
    each = config_map(hidden(text), name)
    assert credentials.leaves(each)
    assert VALUE[1:] not in shown(each)
    assert f"{VALUE[0]}***" not in shown(each), "all of it is masked"


@pytest.mark.parametrize("each", [*map(config_map, CASES["free"])], ids=CASES["free"])
def test_it_is_none(each: Object) -> None:
    assert credentials.leaves(each) == []


@pytest.mark.parametrize(("name", "text"), CASES["free_under"].items())
def test_it_is_none_for_its_name(name: str, text: str) -> None:
    for each in (config_map(text, name), {"kind": "Ingress", "metadata": {"annotations": {name: text}}}):
        assert credentials.leaves(each) == []


@pytest.mark.parametrize("each", CASES["anywhere"], ids=lambda each: each["kind"])
def test_it_is_found_in_any_object(each: Object) -> None:
    named = hidden({"metadata": {"name": "a"}, **each})
    assert VALUE not in str(hide(named, credentials.leaves(named)))
    assert VALUE not in shown(named)


@pytest.mark.parametrize("text", [f"password={VALUE}", VALUE])
def test_it_is_found_in_a_file_in_base64(text: str) -> None:
    files = {"token": text, "settings": f"password={VALUE}", "other": "port=1"}
    held = {name: base64.b64encode(content.encode()).decode() for name, content in files.items()}
    each = {"kind": "ConfigMap", "metadata": {"name": "a"}, "binaryData": held}
    assert {leaf.path[-1] for leaf in credentials.leaves(each)} == {"token", "settings"}


def test_what_a_variable_of_a_chart_is_called_is_shown() -> None:
    each = {
        "kind": "HelmChart",
        "metadata": {"name": "a"},
        "spec": {"env": [{"name": "DB_DSN", "value": VALUE, "as": "a"}]},
    }
    assert shown(each) == str(each).replace(VALUE, "***")


def test_what_a_secret_is_made_of_by_reference_is_shown() -> None:
    each = {"metadata": {"name": "a"}, **CASES["templates"]}
    assert hide(each, credentials.leaves(each)) == each
    assert shown(each) == str(each)


@pytest.mark.parametrize("each", CASES["nowhere"], ids=lambda each: each["kind"])
def test_it_is_a_name_of_another_object(each: Object) -> None:
    assert credentials.leaves(each) == []


def test_the_password_of_a_registry_is_known_by_its_base64() -> None:
    auth = base64.b64encode(f"robot:{VALUE}".encode()).decode()
    text = json.dumps({"auths": {"registry.example.com": {"auth": auth}}})
    secret = {"kind": "Secret", "metadata": {"name": "a"}, "stringData": {".dockerconfigjson": text}}
    assert Masker([Source(secret)]).text(f"it is {VALUE} or {auth}") == "it is *** or ***"
