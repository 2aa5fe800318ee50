"""An apply that breaks off, and the next one: the database has the password that Secret Manager holds.

Each resource in turn refuses to be made. Needs providers that apply nothing, write each applied resource as a line of
JSON to the file that OFFLINE_LOG names, and refuse the type that OFFLINE_FAIL names; skipped with all others.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.terraform.configuration import ROOT, blocks, replace
from tests.terraform.conftest import Terraform

pytestmark = pytest.mark.slow

LOCAL = """
terraform {
  backend "local" {}
}
# Such providers know no list that Google computes: what reads one gets a constant.
resource "google_secret_manager_secret_version" "database_ca" {
  secret_data = "authority"
}
output "dns_records" {
  value = []
}
"""
PROBE = """
provider "google" {
  project      = "none"
  access_token = "none" # so that a real provider makes nothing
}
resource "google_pubsub_topic" "probe" {
  name = "probe"
}
"""
TYPES = sorted({address.split(".")[0] for address, _ in blocks("resource")} - {"terraform_data"})
PASSWORDS = {"taskpulse": "taskpulse-database-password"}
"""Each user of the database, and the secret that holds its password."""


class Installation:
    """A copy of the configuration with a state of its own."""

    def __init__(self, terraform: Terraform, directory: Path) -> None:
        self.terraform = terraform
        self.directory = terraform.copy(directory)
        (directory / "override.tf").write_text(LOCAL)

    def run(self, *command: str, fail: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command with the variables of main; the type `fail` refuses to be made."""
        budget = "-var=billing_account=012345-6789AB-CDEF01"  # without it, no budget is made
        variables = ("-var-file=environments/main.tfvars", "-var-file=tests/example.tfvars", budget)
        options = {"OFFLINE_LOG": str(self.directory / "log"), "OFFLINE_FAIL": fail}
        return self.terraform(self.directory, *command, "-no-color", "-input=false", *variables, **options)

    def apply(self, *arguments: str, fail: str = "") -> subprocess.CompletedProcess[str]:
        return self.run("apply", "-auto-approve", *arguments, fail=fail)

    def applied(self) -> list[tuple[str, dict[str, str]]]:
        """Type and arguments of each resource, in the order in which they were applied."""
        log = self.directory / "log"  # the first resource that is applied makes it
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [(line["type"], line["values"]) for line in lines]

    def passwords(self) -> dict[str, tuple[str, str]]:
        """The newest password of each user: what the database has, and what Secret Manager holds."""
        users = {values["name"]: values["password_wo"] for kind, values in self.applied() if kind == "google_sql_user"}
        stored = {
            values["secret"]: values["secret_data_wo"]
            for kind, values in self.applied()
            if kind == "google_secret_manager_secret_version" and "secret_data_wo" in values
        }
        return {
            user: (password, next(value for secret, value in stored.items() if PASSWORDS[user] in secret))
            for user, password in users.items()
        }


@pytest.fixture(scope="session")
def local(terraform: Terraform, tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """Terraform with providers that record what they apply, and a state beside the configuration."""
    data = tmp_path_factory.mktemp("local")
    run = Terraform(data)
    probe = data / "probe"
    probe.mkdir()
    (probe / "main.tf").write_text(PROBE)
    assert run(probe, "init", "-input=false").returncode == 0
    run(probe, "apply", "-auto-approve", "-input=false", OFFLINE_LOG=str(probe / "log"))
    if not (probe / "log").exists():
        pytest.skip("these providers ask Google, and cannot be told to refuse a resource")
    initialised = Installation(run, data / "initialised")
    result = run(initialised.directory, "init", "-input=false", "-reconfigure", "-no-color")
    assert result.returncode == 0, result.stderr
    (data / ".terraform.lock.hcl").write_bytes((initialised.directory / ".terraform.lock.hcl").read_bytes())
    return run


@pytest.fixture
def installation(local: Terraform, tmp_path: Path) -> Installation:
    return Installation(local, tmp_path / "copy")


def both_hold_the_same(installation: Installation) -> None:
    passwords = installation.passwords()
    assert passwords.keys() == PASSWORDS.keys()
    for user, (database, stored) in passwords.items():
        assert database == stored, f"{user} cannot log in: Secret Manager holds another password"


@pytest.mark.parametrize("kind", TYPES)
def test_a_first_apply_that_breaks_off_is_finished_by_the_next(installation: Installation, kind: str) -> None:
    broken = installation.apply(fail=kind)
    assert broken.returncode == 1
    assert "refused, by OFFLINE_FAIL" in broken.stderr, broken.stderr
    assert kind not in {applied for applied, _ in installation.applied()}

    again = installation.apply()
    assert again.returncode == 0, again.stderr
    both_hold_the_same(installation)


@pytest.mark.parametrize("kind", ["google_secret_manager_secret_version", "google_sql_user"])
def test_a_rotation_that_breaks_off_is_finished_by_the_next(installation: Installation, kind: str) -> None:
    assert installation.apply().returncode == 0
    before = installation.passwords()
    raised = ("-var", "secret_version={database_password=2}")
    assert installation.apply(*raised, fail=kind).returncode == 1

    assert installation.apply(*raised).returncode == 0
    both_hold_the_same(installation)
    assert all(installation.passwords()[user] != before[user] for user in PASSWORDS)
    unchanged = installation.run("plan", "-detailed-exitcode", *raised)
    assert unchanged.returncode == 0, unchanged.stdout


@pytest.mark.parametrize("address", ["google_container_cluster.this", "google_sql_database_instance.this"])
@pytest.mark.parametrize("command", ["untaint", "state rm"])
def test_a_tainted_object_is_kept_or_made_again_by_the_documented_command(
    installation: Installation, command: str, address: str
) -> None:
    page = (ROOT.parent / "docs" / "broken-apply.md").read_text()
    assert f"\n    make terraform ENV=main ARGS='{command} {address}'\n" in page
    assert installation.apply().returncode == 0
    assert installation.terraform(installation.directory, "taint", address).returncode == 0
    plan = installation.run("plan")
    assert f"{address} is tainted, so must be replaced" in " ".join(plan.stdout.split())

    assert installation.terraform(installation.directory, *command.split(), address).returncode == 0
    if (command, address) == ("state rm", "google_container_cluster.this"):
        pool = "google_container_node_pool.this"
        assert f"\n    make terraform ENV=main ARGS='state rm {pool}'\n" in page
        assert installation.terraform(installation.directory, "state", "rm", pool).returncode == 0
    made = len(installation.applied())
    assert installation.apply().returncode == 0
    again = [kind for kind, _ in installation.applied()[made:]]
    assert again.count(address.partition(".")[0]) == (command == "state rm")
    both_hold_the_same(installation)
    assert installation.run("plan", "-detailed-exitcode").returncode == 0


def test_values_of_another_environment_are_refused(installation: Installation) -> None:
    assert installation.apply().returncode == 0
    before = (installation.directory / "log").read_text()
    values = installation.directory / "environments"
    (values / "main.tfvars").write_text((values / "dev.tfvars").read_text())
    result = installation.apply()
    assert result.returncode == 1
    assert "Resource terraform_data.environment has lifecycle.prevent_destroy set" in " ".join(result.stderr.split())
    assert (installation.directory / "log").read_text() == before, "something was changed"


def test_an_environment_is_taken_down_only_on_purpose(installation: Installation) -> None:
    page = (ROOT.parent / "docs" / "first-deployment.md").read_text()
    (command,) = re.findall(r"^    (sed .*prevent_destroy.*)$", page, re.MULTILINE)
    assert installation.apply().returncode == 0
    unprotected = ("-var", "deletion_protection=false")
    assert installation.apply(*unprotected).returncode == 0
    assert installation.run("destroy", "-auto-approve", *unprotected).returncode == 1
    folder = installation.directory.rename(installation.directory.parent / "terraform")
    subprocess.run(["bash", "-euc", command], cwd=folder.parent, check=True)
    folder.rename(installation.directory)
    result = installation.run("destroy", "-auto-approve", *unprotected)
    assert result.returncode == 0, result.stderr


def test_a_password_that_is_not_read_back_is_noticed(installation: Installation) -> None:
    user = 'resource "google_sql_user" "this"'
    stored = "ephemeral.google_secret_manager_secret_version.database_password.secret_data"
    replace(installation.directory, user, stored, "ephemeral.random_password.database.result")
    installation.apply(fail="google_sql_user")
    assert installation.apply().returncode == 0
    with pytest.raises(AssertionError, match="cannot log in"):
        both_hold_the_same(installation)
