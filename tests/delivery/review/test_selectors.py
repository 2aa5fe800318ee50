"""Label selectors."""

from typing import Any

import pytest

from delivery.review.selectors import requirements, selects, within

IN = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}
NOT_IN = {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["3"]}]}
EXISTS = {"matchExpressions": [{"key": "a", "operator": "Exists"}]}
ABSENT = {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}
ONE = {"matchLabels": {"a": "1"}}


@pytest.mark.parametrize(
    ("selector", "without", "one", "three"),
    [
        (None, False, False, False),
        ({}, True, True, True),
        (ONE, False, True, False),
        (IN, False, True, False),
        (NOT_IN, True, True, False),
        (EXISTS, False, True, True),
        (ABSENT, True, False, False),
        ({**ONE, **EXISTS}, False, True, False),
        ({"matchExpressions": [{"key": "a", "operator": "Other"}]}, False, False, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["None"]}]}, False, False, False),
    ],
)
def test_it_selects(selector: Any, *, without: bool, one: bool, three: bool) -> None:
    found = [selects(selector, labels) for labels in ({"b": "1"}, {"a": "1"}, {"a": "3"})]
    assert found == [without, one, three]


@pytest.mark.parametrize(
    ("inner", "outer", "is_within"),
    [
        (ONE, {}, True),
        (ONE, IN, True),
        (IN, ONE, False),
        (ONE, EXISTS, True),
        (EXISTS, ONE, False),
        (IN, NOT_IN, True),
        (ABSENT, NOT_IN, True),
        (NOT_IN, ABSENT, False),
        ({"matchLabels": {"b": "1"}}, ONE, False),
        ({"matchLabels": {"a": "1", "b": "1"}}, ONE, True),
    ],
)
def test_one_selects_nothing_that_another_does_not(inner: Any, outer: Any, *, is_within: bool) -> None:
    assert within(requirements(inner), requirements(outer)) == is_within
