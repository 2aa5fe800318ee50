"""What tests of races share: sessions of a database where no service runs."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from tests.support.service import fresh_database

Connect = Callable[[], psycopg.Connection]


@pytest.fixture(scope="module")
def connect(postgres: EmbeddedPostgres) -> Iterator[Connect]:
    """Give connections to a migrated database where no service runs."""
    settings = fresh_database(postgres)
    opened: list[psycopg.Connection] = []

    def new() -> psycopg.Connection:
        opened.append(psycopg.connect(host=settings.db_host, dbname=settings.db_name, user=settings.db_user))
        opened[-1].autocommit = True
        return opened[-1]

    yield new
    for connection in opened:
        connection.close()
