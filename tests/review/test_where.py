"""Which part of an object a line of its YAML is in."""

import pytest
import yaml

from delivery.review.page.where import paths

TEXT = """\
apiVersion: v1
data:
  "a: b": 1
  app.conf: |
    key: not one
      - nor: this

    end
  last: x
spec:
  containers:
  - args:
    - one
    - two: 2
      three: 3
    name: first
  - name: second
    env:
      - name: X
        value: 'y: z'
      - name: Y
    image: b
list:
- - nested: 1
- plain
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("apiVersion: v1", ""),
        ('  "a: b": 1', "data"),
        ("    key: not one", "data.app.conf"),
        ("    end", "data.app.conf"),
        ("  last: x", "data"),
        ("  - args:", "spec.containers[0]"),
        ("    - one", "spec.containers[0].args[0]"),
        ("      three: 3", "spec.containers[0].args[1]"),
        ("    name: first", "spec.containers[0]"),
        ("  - name: second", "spec.containers[1]"),
        ("        value: 'y: z'", "spec.containers[1].env[0]"),
        ("      - name: Y", "spec.containers[1].env[1]"),
        ("    image: b", "spec.containers[1]"),
        ("- - nested: 1", "list[0][0]"),
        ("- plain", "list[1]"),
    ],
)
def test_path(line: str, expected: str) -> None:
    yaml.safe_load(TEXT)  # what is asked about is YAML
    number = TEXT.splitlines().index(line) + 1
    assert paths(TEXT, {number}) == {number: expected}
