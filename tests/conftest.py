"""What all tests share: the order they run in, a real PostgreSQL, and the real service in a process of its own."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.support.contract import Contract
from tests.support.service import Service, empty, fresh_database

pytest_plugins = ["tests.support.cluster.fixtures"]


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of processes for `-n auto`: tests wait half of the time."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the slow tests first, so that none is left when the others are done, and end with those marked `alone`."""
    items.sort(key=lambda item: (item.get_closest_marker("alone") is not None, not item.get_closest_marker("slow")))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test marked `alone` while no other process that tests this checkout has one under way.

    Every test holds a shared lock on this file, and such a test the exclusive one. The kernel releases the lock of a
    process that dies.
    """
    with Path(__file__).open("rb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        return (yield)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL server for the whole run."""
    folder = tmp_path_factory.mktemp("postgres")
    options = {"fsync": "off", "max_connections": "200", "max_prepared_transactions": "2"}
    with EmbeddedPostgres(folder, options) as server:
        yield server


@pytest.fixture(scope="session")
def service(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service as `taskpulse serve` runs it, on a migrated database that the whole run shares."""
    with Service(fresh_database(postgres), tmp_path_factory.mktemp("service") / "log") as running:
        yield running


@pytest.fixture
def database(service: Service) -> Iterator[psycopg.Connection]:
    """A connection to the service's database, in autocommit mode."""
    with psycopg.connect(service.conninfo, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def contract(service: Service) -> Contract:
    """The service's OpenAPI document; every response to `client` is checked against it."""
    return Contract(httpx.get(f"{service.url}/openapi.json", timeout=60).json())


@pytest.fixture(scope="session")
def _client(service: Service, contract: Contract) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {service.key}"}
    hooks = {"response": [contract.check]}
    with httpx.Client(base_url=service.url, headers=headers, event_hooks=hooks, timeout=60) as connected:
        yield connected


@pytest.fixture
def client(_client: httpx.Client, database: psycopg.Connection) -> httpx.Client:
    """A client with a key for everything, on a service that has no tasks yet."""
    empty(database)
    return _client


@pytest.fixture(scope="session")
def anonymous(service: Service, contract: Contract) -> Iterator[httpx.Client]:
    """A client without a key."""
    with httpx.Client(base_url=service.url, event_hooks={"response": [contract.check]}, timeout=60) as connected:
        yield connected


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return Path(__file__).parents[1]
