"""Runs the calls of a command, and turns each way in which they fail into a sentence that says what to do."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from app.cli.errors import fail
from app.cli.options import api_key

if TYPE_CHECKING:
    from app.client.answers import NoVerdictError, RefusedError
    from app.client.api import Api

T = TypeVar("T")

REMEDIES = {
    "unauthenticated": (
        "Put a valid key into TASKPULSE_KEY or the file of --key-file. `taskpulse keys create` makes one;"
        " `make run` keeps one in .data/key."
    ),
    "forbidden": "Use a key with that scope: `taskpulse keys create --name NAME --scope SCOPE` makes one.",
    "not-found": "`taskpulse tasks list` shows ids, and `taskpulse queues list` labels.",
    "task-claimed": "`taskpulse tasks cancel ID` asks its worker to stop.",
    "task-finished": "`taskpulse tasks requeue ID` opens it again.",
    "precondition-failed": "Look at what has changed, and try again with the version that you then see.",
    "idempotency-key-reused": "Take a new --idempotency-key for each new task.",
    "too-many-queues": "`taskpulse queues delete LABEL` makes room.",
}
"""What to do about a refusal, by the name of its problem type; for the others, the API says it."""


def with_api(url: str, key_file: Path | None, work: Callable[["Api"], Awaitable[T]]) -> T:
    """Return what `work` returns, which gets a client of the API; exit with 1 and a sentence where that fails."""
    from app.client.answers import NoVerdictError, RefusedError
    from app.client.api import Api, SetupError

    key = api_key(key_file)

    async def run() -> T:
        async with Api(url, key) as api:
            return await work(api)

    try:
        return asyncio.run(run())
    except RefusedError as error:
        fail(refusal(error))
    except NoVerdictError as error:
        _fail_without_answer(url, error)
    except SetupError as error:
        fail(f"{url}: {error}")


def refusal(error: "RefusedError") -> str:
    """Return what the API refused and why, and what to do about it."""
    return " ".join(filter(None, [str(error), REMEDIES.get(error.problem)]))


def _fail_without_answer(url: str, error: "NoVerdictError") -> NoReturn:
    from app.client.answers import UnreachableError

    reason = str(error)
    reason = reason if reason.endswith((".", "?")) else f"{reason}."
    if isinstance(error, UnreachableError):
        fail(
            f"{url} cannot be reached: {reason} Is the service running there? `make run` starts one here; --url or"
            " TASKPULSE_URL names another."
        )
    later = f" Try again in {error.retry_after_s:.0f} s." if error.retry_after_s else ""
    fail(f"{url} gives no answer to this call: {reason}{later}")
