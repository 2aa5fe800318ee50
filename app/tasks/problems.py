"""Why a call about a task is refused."""

from uuid import UUID

from app.problems import Problem


def task_not_found(task_id: UUID) -> Problem:
    """Return the problem for a task that does not exist."""
    return Problem("not-found", f"There is no task {task_id}.")


def task_claimed(live_for_s: int) -> Problem:
    """Return the problem for a change that has to wait for a lease, which stays live for `live_for_s` more seconds."""
    detail = "A worker holds the task; ask it to stop by setting the status to cancelled, or wait."
    return Problem("task-claimed", detail, retry_after_s=live_for_s)


def not_open(status: str) -> Problem:
    """Return the problem for a change of `run_after` while the task has this status."""
    name = "task-claimed" if status == "in_progress" else "task-finished"
    return Problem(name, f"run_after can be changed only while the task is open; it is {status}.")


def unique_key_held() -> Problem:
    """Return the problem for a change after which two unfinished tasks would have one unique key."""
    return Problem("unique-key-held", "Another unfinished task has the same unique_key.")


def precondition_failed() -> Problem:
    """Return the problem for a change based on a version that is no longer the current one."""
    return Problem("precondition-failed", "The task has another version than If-Match asks for.")
