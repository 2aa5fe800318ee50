"""A PostgreSQL with 100,000 tasks for servers to be measured on, and how it gets them back."""

import psycopg

from app.dev.postgres import EmbeddedPostgres
from app.keys import admin as keys
from app.settings import Settings
from bench.operations import OPEN_TASKS, Operation, Sample
from bench.servers import ROOT
from tests.support.service import conninfo

OPTIONS = {"max_connections": "100", "shared_buffers": "512MB", "max_wal_size": "4GB"}
"""Of PostgreSQL, which is durable as by default."""


class Dataset:
    """100,000 tasks in a database that is migrated, and a key for all that may be asked."""

    def __init__(self, postgres: EmbeddedPostgres, settings: Settings) -> None:
        self.settings = settings
        self.key = keys.create(settings, "bench", ("read", "write", "work", "metrics"), None)
        self.conninfo = conninfo(settings)
        self.connection = psycopg.connect(self.conninfo, autocommit=True)
        self.connection.execute((ROOT / "tests/data/many_tasks.sql").read_bytes())
        self.connection.execute((ROOT / "bench/numbered.sql").read_bytes())
        self.connection.execute("update leases set expires_at = now() + interval '1 day'")
        self.connection.execute("vacuum analyze")
        self.sample = Sample(self.connection)

    def restore(self, operation: Operation) -> None:
        """Have 100,000 tasks again, and enough open ones to claim."""
        if operation.adds_tasks:
            self.connection.execute("delete from tasks where id not in (select id from numbered)")
            self.connection.execute("truncate history")
        if operation.takes_tasks:
            self.connection.execute("delete from leases where worker = 'bench'")
            self.connection.execute(
                "update tasks set status = 'open', finished_at = null, completed_by = null, claimable_at = null"
                " where id in (select id from numbered where n <= %s) and status <> 'open'",
                [OPEN_TASKS],
            )
        if operation.adds_tasks or operation.takes_tasks:
            self.connection.execute("vacuum analyze tasks")
        self.connection.execute("update leases set expires_at = now() + interval '1 day'")  # pulses shorten it
        self.connection.execute("checkpoint")
