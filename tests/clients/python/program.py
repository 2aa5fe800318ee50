"""What a program does with the client that openapi-python-client makes: `program.py URL KEY`."""

import json
import sys
import threading
from collections.abc import Iterator

from task_pulse_client import AuthenticatedClient
from task_pulse_client.api.leases import claim_tasks, complete_task, pulse_task
from task_pulse_client.api.tasks import create_task, get_task_history, list_tasks, update_task
from task_pulse_client.models.action import Action
from task_pulse_client.models.changed_fields import ChangedFields
from task_pulse_client.models.claim_many import ClaimMany
from task_pulse_client.models.claimed_tasks import ClaimedTasks
from task_pulse_client.models.completion import Completion
from task_pulse_client.models.heartbeat import Heartbeat
from task_pulse_client.models.history import History
from task_pulse_client.models.new_task import NewTask
from task_pulse_client.models.priority import Priority
from task_pulse_client.models.problem_details import ProblemDetails
from task_pulse_client.models.pulse import Pulse
from task_pulse_client.models.status import Status
from task_pulse_client.models.task import Task
from task_pulse_client.models.task_event import TaskEvent
from task_pulse_client.models.task_page import TaskPage
from task_pulse_client.models.task_patch import TaskPatch

TASKS = 7


def follow(client: AuthenticatedClient, seen: list[TaskEvent], done: threading.Event) -> None:
    """Collect events until a task is completed; the generator has no reader of streams, so httpx reads it."""
    with client.get_httpx_client().stream("GET", "/v1/events", params={"after": "0"}) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                seen.append(TaskEvent.from_dict(json.loads(line[6:])))
                if seen[-1].action is Action.COMPLETED:
                    done.set()
                    return


def create(client: AuthenticatedClient) -> list[Task]:
    """Create tasks; the same key gives the same task."""
    made: list[Task] = []
    for number in range(TASKS):
        body = NewTask(title=f"Task {number}", priority=Priority.HIGH, labels=["client"])
        task = create_task.sync(client=client, body=body, idempotency_key=f"python-{number}")
        again = create_task.sync(client=client, body=body, idempotency_key=f"python-{number}")
        assert isinstance(task, Task)
        assert isinstance(again, Task)
        assert task.id == again.id
        made.append(task)
    return made


def walk(client: AuthenticatedClient) -> Iterator[Task]:
    """Yield all tasks of all pages."""
    page = list_tasks.sync(client=client, status=[Status.OPEN], overdue=False, count=True, limit=2)
    while True:
        assert isinstance(page, TaskPage)
        yield from page.items
        if page.next_cursor is None:
            return
        page = list_tasks.sync(
            client=client, status=[Status.OPEN], overdue=False, count=True, limit=2, cursor=page.next_cursor
        )


def change(client: AuthenticatedClient, task: Task) -> None:
    """Change a task, then be refused, as another version was meant."""
    first = update_task.sync_detailed(
        task.id, client=client, body=TaskPatch(assignee="ada"), if_match=f'"{task.version}"'
    )
    assert isinstance(first.parsed, Task)
    assert first.headers["etag"] == f'"{first.parsed.version}"'
    second = update_task.sync(task.id, client=client, body=TaskPatch(assignee="grace"), if_match=f'"{task.version}"')
    assert isinstance(second, ProblemDetails)
    assert (second.status, second.type_) == (412, "/problems/precondition-failed")


def work(client: AuthenticatedClient) -> Task:
    """Claim a task, send a pulse and complete it."""
    claimed = claim_tasks.sync(client=client, body=ClaimMany(worker="python", ttl_s=60, labels=["client"]))
    assert isinstance(claimed, ClaimedTasks)
    task, lease = claimed.items[0].task, claimed.items[0].lease
    beat = pulse_task.sync(task.id, client=client, body=Pulse(token=lease.token, progress=50))
    assert isinstance(beat, Heartbeat)
    assert not beat.cancel_requested
    done = complete_task.sync(task.id, client=client, body=Completion(token=lease.token, result={"rows": 3}))
    assert isinstance(done, Task)
    assert done.status is Status.DONE
    return done


def main(url: str, key: str) -> None:
    """Do all of it."""
    with AuthenticatedClient(base_url=url, token=key) as client:
        seen: list[TaskEvent] = []
        completed = threading.Event()
        threading.Thread(target=follow, args=(client, seen, completed), daemon=True).start()
        made = create(client)
        assert {task.id for task in walk(client)} >= {task.id for task in made}
        change(client, made[0])
        done = work(client)
        assert completed.wait(60)
        assert {event.action for event in seen} >= {Action.CREATED, Action.UPDATED, Action.CLAIMED, Action.COMPLETED}
        history = get_task_history.sync(done.id, client=client)
        assert isinstance(history, History)
        after = history.items[-1].after
        assert isinstance(after, ChangedFields)
        assert (after.status, after.result) == (Status.DONE, {"rows": 3})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
