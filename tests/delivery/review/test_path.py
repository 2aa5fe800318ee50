"""Which part of an object a line of its YAML is in."""

import pytest

from delivery.review.diff import path

LINES = """\
apiVersion: v1
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
        value: y
      - name: Y
    image: b
list:
- plain
""".splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("apiVersion: v1", ""),
        ("  containers:", "spec"),
        ("    - one", "spec.containers.args"),
        ("      three: 3", "spec.containers.args"),
        ("    name: first", "spec.containers"),
        ("  - name: second", "spec.containers"),
        ("        value: y", "spec.containers.env"),
        ("      - name: Y", "spec.containers.env"),
        ("    image: b", "spec.containers"),
        ("- plain", "list"),
    ],
)
def test_path(line: str, expected: str) -> None:
    assert path(LINES, LINES.index(line)) == expected
