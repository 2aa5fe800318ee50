"""For each assertion of terraform/tests, changes to the configuration that make it fail.

Each entry of mutations/*.yaml is one change:

- in: the first line of the block that is changed
- replace: text that occurs there once; any white space counts as any other
- with: what stands there instead
- fails: the assertion's error_message, or the name of a run that expects a failure
- environment: whose variables are used; dev unless said otherwise
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.terraform.configuration import assertions, only, replace
from tests.terraform.conftest import Terraform, errors

MUTATIONS = [
    mutation
    for path in sorted(Path(__file__).parent.glob("mutations/*.yaml"))
    for mutation in yaml.safe_load(path.read_text())
]


def test_each_assertion_has_a_mutation() -> None:
    names = [assertion.name for assertion in assertions()]
    assert len(names) == len(set(names)), "two assertions say the same"
    assert {mutation["fails"] for mutation in MUTATIONS} == set(names)


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation["replace"])
def test_mutation_is_noticed(terraform: Terraform, tmp_path: Path, mutation: dict[str, Any]) -> None:
    assertion = next(assertion for assertion in assertions() if assertion.name == mutation["fails"])
    copy = terraform.copy(tmp_path / "copy")
    replace(copy, mutation["in"], mutation["replace"], mutation["with"])
    for path in copy.glob("tests/*.tftest.hcl"):
        path.unlink()
    (copy / "tests" / assertion.file.name).write_text(only(assertion.file, assertion.run))

    messages = terraform.test(copy, mutation.get("environment", "dev"))

    diagnostics = errors(messages)
    if assertion.name == assertion.run:
        assert "Missing expected failure" in {diagnostic["summary"] for diagnostic in diagnostics}
    else:
        assert {diagnostic["summary"] for diagnostic in diagnostics} == {"Test assertion failed"}, diagnostics
        assert assertion.name in {diagnostic["detail"] for diagnostic in diagnostics}
