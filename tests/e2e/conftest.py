"""A database in Cloud SQL's place, an overlay that leads to it, and one good deploy of the image."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import httpx
import psycopg
import pytest
import trustme
import yaml

from app.dev.postgres import NAME, EmbeddedPostgres
from delivery.tools import kubectl
from tests.e2e.cluster import Cluster
from tests.support.contract import Contract

NAMESPACE = "taskpulse-e2e"
DB_USER = "owner"
SCOPES = ("read", "write", "work")


@dataclass(frozen=True)
class Database:
    """How pods reach the database."""

    host: str
    password: str
    service_password: str
    authority: bytes


@dataclass(frozen=True)
class Deployed:
    """The service, as its clients see it."""

    url: str
    key: str
    metrics_token: str
    commit: str
    delivery: "Delivery"


class Delivery:
    """`python -m delivery` for this overlay, with what it says shown and returned."""

    def __init__(self, overlay: Path, secrets: Path) -> None:
        self._overlay = overlay
        self._secrets = secrets

    def run(self, command: str, *options: str) -> tuple[int, str]:
        """Return exit status and output."""
        arguments = [sys.executable, "-m", "delivery", command, str(self._overlay), *options]
        print(f"\n$ python -m delivery {command} OVERLAY {' '.join(options)}")
        lines = []
        with subprocess.Popen(
            arguments,
            env={**os.environ, "DB_USER": DB_USER},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(f"  {line}", end="", flush=True)
                lines.append(line)
        return process.returncode, "".join(lines)

    def deploy(self, image: str, commit: str) -> tuple[int, str]:
        """Deploy an image under a commit's name, which git need not know."""
        options = ("--image", image, "--commit", commit, "--secrets", str(self._secrets))
        return self.run("deploy", *options, "--allow-older", "--timeout", "5m", "--bake", "10s")


def setting(name: str) -> str:
    """A variable that README.md here explains."""
    value = os.environ.get(name, "")
    if not value:
        pytest.fail(f"{name} is not set: tests/e2e/README.md says what it must be.")
    return value


@pytest.fixture(scope="session")
def image() -> str:
    return setting("IMAGE")


@pytest.fixture(scope="session")
def crashing_image() -> str:
    return setting("CRASHING_IMAGE")


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A PostgreSQL that pods reach, with a certificate, and an owner who is no superuser and needs a password."""
    host = setting("DATABASE_HOST")
    folder = tmp_path_factory.mktemp("database")
    authority, password, service_password = trustme.CA(), token_hex(16), token_hex(16)
    certificate, access = folder / "server.pem", folder / "pg_hba.conf"
    authority.issue_cert(host).private_key_and_cert_chain_pem.write_to_path(certificate)
    access.write_text(f"local all {NAME} trust\nlocal all all scram-sha-256\n")
    access.chmod(0o644)
    with EmbeddedPostgres(folder, {"hba_file": str(access)}) as server:
        with psycopg.connect(host=server.host, dbname=NAME, user=NAME, autocommit=True) as connection:
            connection.execute(f"create role {DB_USER} login createrole password '{password}'".encode())
            connection.execute(f"alter database {NAME} owner to {DB_USER}".encode())
        socket = f"{server.host}/.s.PGSQL.5432"
        encryption = subprocess.Popen([sys.executable, "-m", "tests.e2e.tls", host, socket, certificate])
        try:
            yield Database(host, password, service_password, authority.cert_pem.bytes())
        finally:
            encryption.terminate()
            encryption.wait()


@pytest.fixture(scope="session")
def overlay(database: Database, tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """overlays/dev with another namespace and database address."""
    folder = tmp_path_factory.mktemp("overlay") / "e2e"
    folder.mkdir()
    egress = [{"op": "replace", "path": "/spec/egress/0/to/0/ipBlock/cidr", "value": f"{database.host}/32"}]
    kustomization = {
        "namespace": NAMESPACE,
        "resources": [os.path.relpath(root / "overlays/dev", folder.resolve())],
        "configMapGenerator": [
            {"name": "taskpulse-api", "behavior": "merge", "literals": [f"DB_HOST={database.host}"]}
        ],
        "patches": [{"target": {"kind": "NetworkPolicy", "name": "database"}, "patch": yaml.safe_dump(egress)}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


@pytest.fixture(scope="session")
def cluster(root: Path) -> Iterator[Cluster]:
    """The cluster of the kubeconfig, with the kinds that the overlay needs; at the end without our namespace."""
    cluster = Cluster(NAMESPACE)
    if cluster.run("get", "namespace", NAMESPACE).returncode == 0:
        pytest.fail(f"The cluster has a namespace {NAMESPACE} already: kubectl delete namespace {NAMESPACE}")
    kubectl.establish("\n---\n".join(path.read_text() for path in (root / ".tools" / "crds").glob("*.yaml")))
    try:
        yield cluster
    finally:
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=180s")


@pytest.fixture(scope="session")
def deployed(
    cluster: Cluster, database: Database, overlay: Path, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Deployed:
    """The image, deployed for the first time as the workflow does it, and a key for it."""
    secrets, token, commit = tmp_path_factory.mktemp("secrets"), token_hex(16), token_hex(20)
    (secrets / "taskpulse-database-ca").write_bytes(database.authority)
    (secrets / "taskpulse-database-password").write_text(database.password)
    (secrets / "taskpulse-service-password").write_text(database.service_password)
    (secrets / "taskpulse-metrics-token").write_text(token)
    delivery = Delivery(overlay, secrets)
    status, told = delivery.deploy(image, commit)
    assert status == 0, cluster.state()
    for value in (token, database.password, database.service_password):
        assert value not in told
    url = f"http://{cluster.service_address()}"
    scopes = [f"--scope={scope}" for scope in SCOPES]
    key = cluster.kubectl(
        "exec",
        "deployment/taskpulse-api",
        "--container=api",
        "--",
        "taskpulse",
        "keys",
        "create",
        "--name=e2e",
        *scopes,
    ).strip()
    try:
        httpx.get(f"{url}/health/live", timeout=10)
    except httpx.TransportError as error:
        pytest.fail(f"{url} is not reached from here ({error}): tests/e2e/README.md says which route it takes.")
    return Deployed(url, key, token, commit, delivery)


@pytest.fixture(scope="session")
def contract(deployed: Deployed) -> Contract:
    return Contract(httpx.get(f"{deployed.url}/openapi.json").json())
