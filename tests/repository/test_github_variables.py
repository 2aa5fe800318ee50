"""The variables that the workflows read are those that Terraform makes, and its secrets are nowhere else."""

import re

from delivery.checkout import ROOT
from tests.terraform import configuration as terraform

WORKFLOWS = ROOT / ".github" / "workflows"


def made() -> set[str]:
    """Names of the variables that `make github-variables` sets."""
    return set(dict(terraform.blocks("output"))["github_actions_variables"]["value"])


def test_variables_are_the_documented_ones() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)` \|", (terraform.ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(made()), "terraform/README.md lists other variables than outputs.tf makes"


def test_workflows_read_the_variables_that_are_made() -> None:
    read = {
        name for path in WORKFLOWS.glob("*.yml") for name in re.findall(r"\bvars\.([A-Za-z_0-9]+)", path.read_text())
    }
    assert read == made(), (
        f"read by a workflow, but not made: {sorted(read - made())}; made, but never read: {sorted(made() - read)}"
    )


def test_no_secret_is_kept_in_github() -> None:
    read = {
        name for path in WORKFLOWS.glob("*.yml") for name in re.findall(r"\bsecrets\.([A-Za-z_0-9]+)", path.read_text())
    }
    assert read <= {"GITHUB_TOKEN"}, "secrets live in Secret Manager, which the workflows reach by federation"
