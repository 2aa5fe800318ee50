"""Rules that name fields which others than a deploy may set."""

from typing import Any

import pytest

from delivery import manifests
from delivery.deploy.foreign import KNOWN
from delivery.errors import DeliveryError
from delivery.field_rules import FieldRule, field_rules


@pytest.mark.parametrize(
    ("field", "path", "is_meant"),
    [
        ("spec.sessionAffinity", "spec.sessionAffinity", True),
        ("spec.sessionAffinity", "spec.sessionAffinityConfig", False),
        ("spec.template", "spec.template.spec.containers[side]", True),
        ("spec.template.spec.containers[side]", "spec.template.spec.containers[side].image", True),
        ("spec.template.spec.containers[side]", "spec.template.spec.containers[s]", False),
        ("spec.ports", "spec.ports[extra]", True),
        ("metadata.annotations.example.com/*", "metadata.annotations.example.com/a", True),
        ("metadata.annotations.example.com/*", "metadata.annotations.example.org/a", False),
        ("webhooks*clientConfig.caBundle", "webhooks[one].clientConfig.caBundle", True),
    ],
)
def test_a_field_stands_for_itself_and_all_that_is_in_it(field: str, path: str, is_meant: bool) -> None:
    assert FieldRule(field).allows("Service", "any", path, "me") == is_meant


def test_kinds_name_and_managers_narrow_it() -> None:
    rule = FieldRule("spec.x", name="one", kinds=("Service",), managers=("glbc",))
    assert rule.allows("Service", "one", "spec.x", "glbc")
    assert not rule.allows("Deployment", "one", "spec.x", "glbc")
    assert not rule.allows("Service", "two", "spec.x", "glbc")
    assert not rule.allows("Service", "one", "spec.x", "kubectl-edit")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"field": "spec.x"}, "delivery.yaml: foreign must be a list of fields"),
        (["spec.x"], "delivery.yaml: each entry of foreign must name a field"),
        ([{"kinds": ["Service"]}], "delivery.yaml: each entry of foreign must name a field"),
        (
            [{"field": "spec.x", "kind": "Service"}],
            "the entry for spec.x says kind: it may say field, name, reason, kinds",
        ),
        ([{"field": "spec.x", "kinds": "Service"}], "kinds of the entry for spec.x must be a list of names"),
        ([{"field": "spec.x", "name": 1}], "name of the entry for spec.x must be text"),
    ],
)
def test_what_is_no_rule_is_refused(wrong: Any, sentence: str) -> None:
    with pytest.raises(DeliveryError, match=sentence):
        field_rules(wrong, "delivery.yaml")


def test_each_field_of_known_controllers_has_a_reason() -> None:
    known = field_rules(manifests.load(KNOWN.read_text()), KNOWN.name)
    assert [rule.field for rule in known if not rule.reason] == []
