"""The services that the routes use, one instance for each process."""

import asyncio
from dataclasses import dataclass
from typing import Any

from litestar.connection import ASGIConnection

from app.events.hub import Hub
from app.keys.authentication import KeyRing
from app.leases.store import Pulses
from app.limits import Limits
from app.metrics.stats import StatsReader
from app.postgres.notifications import Notifier
from app.postgres.pool import Database
from app.postgres.shares import Shares
from app.settings import Settings
from app.tasks.store import BatchedTasks
from app.tasks.update import Updates


@dataclass
class Services:
    """What the routes use, and what the process knows of itself."""

    settings: Settings
    database: Database
    notifier: Notifier
    keyring: KeyRing
    hub: Hub
    tasks: BatchedTasks
    updates: Updates
    pulses: Pulses
    limits: Limits
    stats: StatsReader
    statements: Shares
    """For calls that need a connection of their own."""
    slow_statements: Shares
    """For statements that may take long."""
    large_turn: asyncio.Lock
    """Held by the one request whose large body is worked on."""
    schema_is_current: bool = False
    """Set once the database has been seen with every migration of this version."""
    draining: bool = False
    """Set at SIGTERM: the process is not ready any more and closes each connection after its response."""

    @classmethod
    def create(cls, settings: Settings) -> "Services":
        """Return the services of a process; nothing runs yet."""
        database = Database(settings)
        notifier = Notifier(settings, database)
        keyring = KeyRing(database)
        limits = Limits(settings)
        statements = Shares(database, limits.statements)
        return cls(
            settings=settings,
            database=database,
            notifier=notifier,
            keyring=keyring,
            hub=Hub(database, notifier, keyring),
            tasks=BatchedTasks(database),
            updates=Updates(database, statements),
            pulses=Pulses(database, statements),
            limits=limits,
            stats=StatsReader(database),
            statements=statements,
            slow_statements=Shares(database, limits.slow_statements),
            large_turn=asyncio.Lock(),
        )


def services(connection: ASGIConnection[Any, Any, Any, Any]) -> Services:
    """Return the services of the application that serves this request."""
    found: Services = connection.scope["state"]["services"]
    return found
