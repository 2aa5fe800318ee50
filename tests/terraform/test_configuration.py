"""What must hold for the configuration as a whole, whoever adds to it. Needs no Terraform."""

import re
from ipaddress import ip_network
from itertools import combinations

import pytest
import yaml

from tests.terraform.configuration import ENVIRONMENTS, ROOT, blocks, parse, variables

PROTECTED = {
    "google_artifact_registry_repository",
    "google_certificate_manager_dns_authorization",
    "google_compute_global_address",
    "google_container_cluster",
    "google_dns_managed_zone",
    "google_iam_workload_identity_pool",
    "google_pubsub_subscription",
    "google_secret_manager_secret",
    "google_service_networking_connection",
    "google_sql_database",
    "google_sql_database_instance",
    "google_sql_user",
    "terraform_data",
}
"""Kinds that hold data, or a name or an address that others hold."""


def test_each_role_is_given_in_a_known_place() -> None:
    # terraform/tests/iam.tftest.hcl and its neighbours say what each of these may give
    assert [address for address, _ in blocks("resource") if "_iam_" in address.split(".")[0]] == [
        "google_project_iam_audit_config.this",
        "google_iam_workload_identity_pool.github",
        "google_iam_workload_identity_pool_provider.github",
        "google_service_account_iam_member.github",
        "google_project_iam_member.this",
        "google_secret_manager_secret_iam_member.deployer",
        "google_pubsub_topic_iam_member.dead_letter",
        "google_pubsub_subscription_iam_member.event",
        "google_artifact_registry_repository_iam_member.image",
        "google_artifact_registry_repository_iam_member.promotion",
    ]


def test_nothing_random_is_kept_in_the_state() -> None:
    kinds = {address.split(".")[0] for address, _ in blocks("resource")} - {"terraform_data"}
    assert {kind.split("_")[0] for kind in kinds} == {"google"}
    assert [address for address, _ in blocks("ephemeral")] == [
        "random_password.database",
        "random_password.service",
        "random_password.metrics_token",
        "random_password.grafana",
        "google_secret_manager_secret_version.database_password",
    ]


def test_sensitive_variables_are_ephemeral() -> None:
    declared = dict(blocks("variable"))
    sensitive = {name for name, body in declared.items() if body.get("sensitive")}
    assert sensitive == {"slack_webhook", "smtp_password"}
    assert {name for name, body in declared.items() if body.get("ephemeral")} == sensitive


def test_one_database_instance_and_one_cluster() -> None:
    # the assertions of terraform/tests speak of one of each
    kinds = [address.split(".")[0] for address, _ in blocks("resource")]
    for kind in (
        "google_sql_database_instance",
        "google_sql_user",
        "google_container_cluster",
        "google_container_node_pool",
    ):
        assert kinds.count(kind) == 1


def test_each_variable_says_what_it_is() -> None:
    for name, body in blocks("variable"):
        assert body.get("description", "").endswith("."), name
        assert "type" in body, name


def test_what_cannot_be_had_again_is_protected() -> None:
    # by the provider's argument, or else by Terraform; what stands with the instance is left to it
    for address, body in blocks("resource"):
        if address.split(".")[0] in PROTECTED:
            protected = (
                body.get("deletion_protection") == "${var.deletion_protection}"
                or body.get("deletion_policy") == "ABANDON"
                or [each.get("prevent_destroy") for each in body.get("lifecycle", [])] == [True]
            )
            assert protected or address == "google_compute_global_address.database", f"a slip deletes {address}"


def test_each_environment_has_a_state_of_its_own() -> None:
    prefixes = {name: parse(ROOT / "environments" / f"{name}.gcs.tfbackend")["prefix"] for name in ENVIRONMENTS}
    assert prefixes == {name: f"taskpulse/{name}" for name in ENVIRONMENTS}, "in one bucket they would share a state"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_variable_has_a_value(environment: str) -> None:
    declared = dict(blocks("variable"))
    given = variables(environment).keys()
    assert given <= declared.keys()
    missing = {
        name
        for name, body in declared.items()
        if name not in given and "default" not in body and "ephemeral" not in body
    }
    assert missing == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_ranges_do_not_overlap(environment: str) -> None:
    ranges = [ip_network(value) for name, value in variables(environment).items() if name.endswith("_range")]
    assert len(ranges) == 4
    assert [pair for pair in combinations(ranges, 2) if pair[0].overlaps(pair[1])] == []


def test_each_waiver_of_the_audit_has_a_reason() -> None:
    waivers = [
        line.strip() for path in ROOT.glob("*.tf") for line in path.read_text().splitlines() if "checkov:skip" in line
    ]
    assert waivers
    for waiver in waivers:
        assert re.fullmatch(r"# checkov:skip=CKV2?_GCP_\d+:(\S+ ){5,}\S+", waiver), waiver


def test_documents_name_each_secret_and_its_place() -> None:
    page = (ROOT.parent / "docs" / "secrets.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| `([a-z-]+)`, `([^`]+)` \|", page, re.MULTILINE)
    kept = yaml.safe_load((ROOT / "secrets.yaml").read_text())
    assert sorted(rows) == sorted((name, place["secret"], place["key"]) for name, place in kept.items())
