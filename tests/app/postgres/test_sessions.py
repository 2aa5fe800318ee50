"""What PostgreSQL is told when the service opens a session."""

import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.postgres.pool import connection_parameters
from tests.support.service import fresh_database

CHEAP = ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size")
"""What keeps PostgreSQL from scanning a small table in parallel; 0 takes that away."""


@pytest.mark.parametrize(("option", "shared"), [("", False), (" -c max_parallel_workers_per_gather=2", True)])
def test_a_statement_takes_one_processor(postgres: EmbeddedPostgres, option: str, *, shared: bool) -> None:
    """However large the table is; the second case shows that the statement would share its work otherwise."""
    parameters = connection_parameters(fresh_database(postgres))
    parameters["options"] += option + "".join(f" -c {name}=0" for name in CHEAP)
    with psycopg.connect(**parameters) as connection:
        plan = connection.execute("explain select count(*) from tasks where title <> 'x'").fetchall()
    assert ("Gather" in str(plan)) == shared, plan
