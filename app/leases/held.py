"""Which leases have not ended: an expired one lasts until somebody else claims its task."""

from collections.abc import Mapping
from uuid import UUID

from app.postgres.pool import Connection
from app.postgres.statements import sql

HELD = sql("leases/list_held_tokens")


async def held_tokens(connection: Connection, leases: Mapping[UUID, UUID]) -> set[UUID]:
    """Return which of these tokens, each with its task's id, are those of present leases."""
    values = {"tokens": list(leases), "ids": list(leases.values())}
    return {token for (token,) in await (await connection.execute(HELD, values)).fetchall()}
