"""Changes what was read, and only that: entity tags see to it that no change of somebody else is lost."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.client.answers import RefusedError

T = TypeVar("T")

TRIES = 10
"""Somebody else may change the same in between this often."""


async def change(attempt: Callable[[], Awaitable[T]], *, again: bool = True) -> T:
    """Return what `attempt` returns, which reads, and then writes if what it read is still there.

    After a 412 it begins again, unless `again` is false. Raises what `attempt` raises.
    """
    for _ in range(TRIES - 1):
        try:
            return await attempt()
        except RefusedError as error:
            if error.status != 412 or not again:
                raise
    return await attempt()


def if_match(version: int) -> dict[str, str]:
    """Return the header that lets only this version be changed."""
    return {"If-Match": f'"{version}"'}
