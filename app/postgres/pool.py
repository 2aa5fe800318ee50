"""The pool of connections to PostgreSQL, and whether the database can be reached."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, LiteralString

import psycopg
from psycopg.pq import Format
from psycopg.sql import Composed
from psycopg.types.string import ByteaBinaryLoader, TextBinaryLoader
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from app.postgres.plans import SIZES, SizeRow, TableSizes
from app.settings import Settings, SettingsError

log = logging.getLogger(__name__)

Row = tuple[Any, ...]

STATEMENT_TIMEOUT_S = 5
LOCK_TIMEOUT_S = 2
POOL_TIMEOUT_S = 1.5
WATCH_EVERY_S = 1.0


class Connection(psycopg.AsyncConnection[Row]):
    """A session of this service."""

    plans_made = 0
    """The value of `Database.plans_made` for which its plans are good."""


class _Cursor(psycopg.AsyncCursor[Row]):
    """Requests results in binary, which need no parsing."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.format = Format.BINARY


def connection_parameters(settings: Settings) -> dict[str, Any]:
    """Return libpq's parameters for a session of this service; its time zone is UTC.

    A statement gets no parallel workers: with them, two slow searches take all processors from the small calls.
    """
    parameters = {
        "host": settings.db_host,
        "port": settings.db_port,
        "dbname": settings.db_name,
        "user": settings.db_user,
        "password": settings.read_password(),
        "sslmode": settings.db_sslmode,
        "sslrootcert": settings.db_sslrootcert,
        "application_name": "taskpulse",
        "connect_timeout": 2,
        "tcp_user_timeout": 2000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
        "options": f"-c timezone=UTC -c statement_timeout={STATEMENT_TIMEOUT_S}s -c lock_timeout={LOCK_TIMEOUT_S}s"
        " -c idle_in_transaction_session_timeout=10s -c max_parallel_workers_per_gather=0"
        " -c random_page_cost=1.1",  # of SSDs; with 4, claims from a table without statistics sort all of it
    }
    return {name: value for name, value in parameters.items() if value != ""}


class _Loan(contextlib.AbstractAsyncContextManager[Connection]):
    """A connection that is lent until the context is left; a generator would cost several times as much."""

    def __init__(
        self,
        lend: Callable[[], Awaitable[Connection]],
        take_back: Callable[[Connection, BaseException | None], Awaitable[None]],
    ) -> None:
        self._lend = lend
        self._take_back = take_back

    async def __aenter__(self) -> Connection:
        self._connection = await self._lend()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._take_back(self._connection, error)


class Database:
    """A pool of connections that notices an outage of the database within a second or two.

    During an outage, requests fail at once instead of waiting. After it, broken connections are replaced before a
    request gets one.
    """

    def __init__(self, settings: Settings) -> None:
        self.up = False
        self._settings = settings
        self._suspect = asyncio.Event()
        self._lent: set[Connection] = set()
        self._sizes = TableSizes()
        self.plans_made = 0
        """How often all plans had to be made again."""
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            kwargs=lambda: (
                connection_parameters(settings)
                | {
                    "autocommit": True,
                    "prepare_threshold": 1,
                    "cursor_factory": _Cursor,
                }
            ),
            connection_class=Connection,
            configure=self._configure,
            min_size=1,
            max_size=settings.db_pool_size,
            timeout=POOL_TIMEOUT_S,
            reconnect_timeout=1,
            open=False,
        )

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep the pool open until the context is left; the database need not be up yet."""
        async with self._pool:
            watch = asyncio.create_task(self._watch())
            try:
                yield
            finally:
                watch.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watch

    def connection(self) -> contextlib.AbstractAsyncContextManager[Connection]:
        """Lend a connection in autocommit mode.

        Raises psycopg.OperationalError during an outage, and its subclass PoolTimeout when no connection gets free.
        """
        return _Loan(self._lend, self._take_back)

    async def fetch(
        self, query: LiteralString | Composed, parameters: Mapping[str, Any], *, prepare: bool | None = None
    ) -> list[Row]:
        """Run one statement in a transaction of its own and return its rows; `prepare` is that of psycopg's `execute`.

        Raises psycopg.OperationalError, as `connection` does.
        """
        async with self.connection() as connection:
            return await (await connection.execute(query, parameters, prepare=prepare)).fetchall()

    async def _lend(self) -> Connection:
        if not self.up:
            raise psycopg.OperationalError("the database is away")
        try:
            connection = await self._pool.getconn()
        except psycopg.OperationalError as error:
            self._suspect.set()
            if isinstance(error, PoolTimeout) and not self.up:
                raise psycopg.OperationalError("the database went away") from error
            raise
        self._lent.add(connection)
        if connection.plans_made != self.plans_made:
            try:
                await connection.execute("discard plans", prepare=False)
            except BaseException as error:
                await self._take_back(connection, error)
                raise
            connection.plans_made = self.plans_made
        return connection

    async def _take_back(self, connection: Connection, error: BaseException | None) -> None:
        """Return a connection to the pool; `error` is what ended its use."""
        if isinstance(error, psycopg.OperationalError):
            self._suspect.set()
        self._lent.discard(connection)
        await self._pool.putconn(connection)

    async def _configure(self, connection: Connection) -> None:
        """Load json as bytes, since it is passed on without being parsed, and enumerations as text."""
        connection.adapters.register_loader("json", ByteaBinaryLoader)
        connection.adapters.register_loader(0, TextBinaryLoader)  # 0: any type that psycopg does not know
        connection.plans_made = self.plans_made

    async def check_plans(self) -> None:
        """Have every connection plan its statements again if tables have become much larger or smaller.

        Raises psycopg.OperationalError.
        """
        if self._sizes.outgrown([SizeRow._make(row) for row in await self.fetch(SIZES, {})]):
            self.plans_made += 1

    def statistics(self) -> dict[str, int]:
        """Return psycopg_pool's statistics, including those that are zero."""
        return {"pool_available": 0, "requests_waiting": 0, "pool_size": 0} | self._pool.get_stats()

    async def _watch(self) -> None:
        """Check every second, over a connection of its own, whether the database answers."""
        connection: Connection | None = None
        try:
            while True:
                try:
                    if connection is None:
                        connection = await Connection.connect(**connection_parameters(self._settings), autocommit=True)
                    await _answers(connection)
                    if not self.up:
                        await self._pool.check()
                        self.up = True
                        log.info("the database is there")
                except (psycopg.Error, SettingsError) as error:
                    if self.up or connection is None:
                        log.warning("the database is away: %s", " ".join(str(error).split()) or type(error).__name__)
                    self.up = False
                    self._hang_up()
                    if connection is not None:
                        await connection.close()
                    connection = None
                self._suspect.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._suspect.wait(), WATCH_EVERY_S if self.up else WATCH_EVERY_S / 2)
        finally:
            if connection is not None:
                await connection.close()

    def _hang_up(self) -> None:
        """Shut the sockets of requests that wait for the database, so that they get their 503 now."""
        for connection in self._lent:
            _shut(connection)


def _shut(connection: Connection) -> None:
    """Shut a connection down under a waiting call; closing it would take its socket from the event loop."""
    with (
        contextlib.suppress(OSError, psycopg.OperationalError),
        socket.socket(fileno=os.dup(connection.fileno())) as shared,
    ):
        shared.shutdown(socket.SHUT_RDWR)


async def _answers(connection: Connection) -> None:
    """Return once the database has answered.

    Raises psycopg.OperationalError after a second without an answer; cancelling the query would wait for one.
    """
    asking = asyncio.ensure_future(connection.execute("select 1"))
    done, _ = await asyncio.wait({asking}, timeout=0.75)
    if not done:  # the answer may have arrived while this process was too busy to read it
        done, _ = await asyncio.wait({asking}, timeout=0.25)
    if not done:
        _shut(connection)
        await asyncio.wait({asking})
        asking.exception()  # retrieve the exception, so that asyncio does not log it
        raise psycopg.OperationalError("the database does not answer")
    asking.result()
