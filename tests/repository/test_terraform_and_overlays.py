"""What the overlays take for granted is what Terraform makes."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import yaml

from app.dev.postgres import NAME, EmbeddedPostgres
from delivery.checkout import ROOT
from delivery.kustomizations import overlays
from delivery.manifests import Render, dig
from delivery.render import render
from tests.terraform import configuration as terraform

BESIDE_THE_POOL = 2
"""Connections of a pod that are not the pool's: one watches the database, one listens for events."""
RESERVED = 10
"""PostgreSQL's own for superusers, Cloud SQL's agents, and a person who has a look."""


@pytest.fixture(params=terraform.ENVIRONMENTS, scope="module")
def environment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def overlay(environment: str) -> Render:
    return Render.parse(environment, render(environment))


@pytest.fixture(scope="module")
def variables(environment: str) -> dict[str, Any]:
    return terraform.variables(environment)


def settings(overlay: Render) -> dict[str, str]:
    """The ConfigMap that the pods take their settings from."""
    (config,) = [each for each in overlay.of("ConfigMap") if "DB_HOST" in each["data"]]
    return dict(config["data"])


def test_each_overlay_has_its_environment() -> None:
    assert overlays() == sorted(terraform.ENVIRONMENTS)


def test_policy_opens_the_range_of_the_database(overlay: Render, variables: dict[str, Any]) -> None:
    policy = overlay.named("NetworkPolicy", "database")
    assert policy is not None
    opened = [to["ipBlock"]["cidr"] for rule in policy["spec"]["egress"] for to in rule["to"]]
    assert opened == [variables["database_range"]], (
        f"overlays/{overlay.overlay} lets pods out to {opened}, but Cloud SQL is in "
        f"{variables['database_range']} (database_range in terraform/environments/{overlay.overlay}.tfvars)"
    )


def test_database_is_asked_for_by_its_name(overlay: Render) -> None:
    zone = terraform.resource("google_dns_managed_zone.internal")["dns_name"]
    host = terraform.resource("google_dns_record_set.database")["name"].replace(
        "${google_dns_managed_zone.internal.dns_name}", zone
    )
    assert settings(overlay)["DB_HOST"] == host.rstrip("."), "DB_HOST in base is not the record in network.tf"
    name = terraform.resource("google_sql_database.this")["name"]
    assert settings(overlay)["DB_NAME"] == name, "DB_NAME in base is not the database in sql.tf"


def test_connections_fit_the_database(overlay: Render, variables: dict[str, Any]) -> None:
    autoscaler = overlay.named("HorizontalPodAutoscaler", "taskpulse-api")
    assert autoscaler is not None
    pods = 2 * autoscaler["spec"]["maxReplicas"]  # in a rollout old pods drain while new ones serve already
    needed = pods * (int(settings(overlay)["DB_POOL_SIZE"]) + BESIDE_THE_POOL) + RESERVED
    allowed = variables["database_max_connections"]
    assert needed <= allowed, (
        f"overlays/{overlay.overlay} may need {needed} connections, but database_max_connections in terraform/"
        f"environments/{overlay.overlay}.tfvars is {allowed}: raise that, or lower maxReplicas or DB_POOL_SIZE"
    )


def test_gateway_has_the_front_that_terraform_makes(overlay: Render, variables: dict[str, Any]) -> None:
    host = variables.get("api_hostname")
    gateways = overlay.of("Gateway")
    assert bool(gateways) == bool(host), (
        f"overlays/{overlay.overlay} has {len(gateways)} gateways, but api_hostname in its tfvars is {host}"
    )
    for gateway in gateways:
        named = {listener["hostname"] for listener in gateway["spec"]["listeners"]}
        assert named == {host}, f"the gateway serves {named}, but the certificate is for {host} (api_hostname)"
        address = terraform.resource("google_compute_global_address.api")["name"]
        named = {entry["value"] for entry in gateway["spec"]["addresses"]}
        assert named == {address}, f"the gateway wants the address {named}, but https.tf makes {address}"
        certificates = terraform.resource("google_certificate_manager_certificate_map.api")["name"]
        wanted = gateway["metadata"]["annotations"]["networking.gke.io/certmap"]
        assert wanted == certificates, (
            f"the gateway wants the certificate map {wanted}, but https.tf makes {certificates}"
        )
    for kind, field, made in (
        ("GCPGatewayPolicy", "sslPolicy", "google_compute_ssl_policy.api"),
        ("GCPBackendPolicy", "securityPolicy", "google_compute_security_policy.api"),
    ):
        wanted = {policy["spec"]["default"].get(field) for policy in overlay.of(kind)}
        there = {terraform.resource(made)["name"]} if host else set()
        assert wanted == there, f"{kind} names {wanted}, but https.tf makes {there} ({made})"
    for route in overlay.of("HTTPRoute"):
        named = set(route["spec"]["hostnames"])
        assert named == {host}, f"a route is for {named}, but the certificate is for {host} (api_hostname)"


def test_secrets_come_from_secret_manager(overlay: Render) -> None:
    wanted = set(references(overlay.objects))
    assert wanted, "no pod asks for a secret any more"
    missing = wanted - kept()
    assert not missing, f"{missing} is asked for in the overlays, but is not in terraform/secrets.yaml"


def test_chart_takes_secrets_from_secret_manager() -> None:
    folder = ROOT / "monitoring" / "chart"
    if not folder.exists():
        pytest.skip("there is no monitoring/chart yet")
    wanted = set()
    for path in folder.glob("*.yaml"):
        text = path.read_text()
        wanted |= set(re.findall(r"/secrets/([a-z-]+)/([a-z-]+)", text))
        admins = [dig(each, "grafana", "admin") for each in yaml.safe_load_all(text)]
        wanted |= {(admin["existingSecret"], admin["passwordKey"]) for admin in admins if admin}
    missing = wanted - kept()
    assert not missing, f"{missing} is asked for in monitoring/chart, but is not in terraform/secrets.yaml"


def kept() -> set[tuple[str, str]]:
    """Name and key of each Secret that the deploy fills."""
    places = yaml.safe_load((terraform.ROOT / "secrets.yaml").read_text()).values()
    users = {("taskpulse-secret", "DB_USER"), ("taskpulse-secret", "DB_SERVICE_USER")}
    return {(place["secret"], place["key"]) for place in places} | users


def references(node: Any) -> Iterator[tuple[str, str]]:
    """Name and key of each Secret that is asked for anywhere below."""
    if isinstance(node, list):
        for each in node:
            yield from references(each)
    elif isinstance(node, dict):
        if node.keys() - {"optional"} == {"name", "key"}:
            yield node["name"], node["key"]
        if "secretName" in node:
            yield from ((node["secretName"], item["key"]) for item in node["items"])
        for name, each in node.items():
            if name != "configMapKeyRef":
                yield from references(each)


def test_image_is_pushed_under_the_name_that_the_pods_have(overlay: Render) -> None:
    repository = dict(terraform.blocks("output"))["github_actions_variables"]["value"]["IMAGE_REPOSITORY"]
    images = {container["image"] for _, _, container in overlay.containers()}
    pushed = repository.rsplit("/", 1)[1]
    assert images == {pushed}, f"the pods run {images}, but IMAGE_REPOSITORY in outputs.tf ends in {pushed}"


def test_postgresql_is_the_same_everywhere(postgres: EmbeddedPostgres) -> None:
    cloud = terraform.resource("google_sql_database_instance.this")["database_version"]
    with psycopg.connect(host=postgres.host, dbname=NAME, user=NAME) as connection:
        here = connection.info.server_version // 10000
    assert cloud == f"POSTGRES_{here}", f"tests and `make run` use PostgreSQL {here}, but sql.tf asks for {cloud}"


def test_user_is_the_same_everywhere() -> None:
    assert terraform.resource("google_sql_user.this")["name"] == NAME


def test_federation_and_namespaces_are_those_of_the_branch(overlay: Render, variables: dict[str, Any]) -> None:
    # federation trusts refs/heads/ENVIRONMENT, and `delivery` deploys the overlay of that name
    assert variables["environment"] == overlay.overlay
    (namespace,) = overlay.of("Namespace")
    assert dig(namespace, "metadata", "name") == overlay.namespace
