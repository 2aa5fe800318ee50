"""Example tasks for `make run-monitoring`: some in progress, one quiet, one overdue, one failed, and a queue."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

TTL_S = 10
FINISHED = 100


class Worker:
    """Does one task after another, by `pace` per cent a step; `title` and `label` are those of its tasks."""

    def __init__(self, client: httpx.Client, name: str, label: str, title: str, pace: float) -> None:
        self._client = client
        self._name = name
        self._label = label
        self._title = title
        self._pace = pace
        self._numbers = itertools.count(1)
        self._task = ""
        self._token = ""
        self._progress = 0.0

    def step(self) -> None:
        """Do a piece of the work; a task that somebody changed on the board meanwhile is left or claimed again.

        Raises httpx.HTTPStatusError when the service fails.
        """
        try:
            self._work()
        except httpx.HTTPStatusError as error:
            if error.response.status_code not in {404, 409}:
                raise
            self._token = ""
            if not self._is_open():
                self._task = ""

    def _work(self) -> None:
        if not self._task:
            self._task = created(self._client, title=f"{self._title} {next(self._numbers)}", labels=[self._label])
        path = f"/v1/tasks/{self._task}"
        if not self._token:
            lease = call(self._client, f"{path}/claim", worker=self._name, ttl_s=TTL_S)["lease"]
            self._token, self._progress = lease["token"], 0.0
        self._progress += self._pace
        if self._progress >= FINISHED:
            call(self._client, f"{path}/complete", token=self._token)
            self._task = self._token = ""
            return
        note = f"page {self._progress:.0f} of {FINISHED}"
        answer = call(self._client, f"{path}/pulse", token=self._token, progress=self._progress, note=note)
        if answer["cancel_requested"]:
            call(self._client, f"{path}/release", token=self._token)
            self._task = self._token = ""

    def _is_open(self) -> bool:
        answer = self._client.get(f"/v1/tasks/{self._task}")
        return answer.status_code == 200 and answer.json()["status"] == "open"


class Examples:
    """Creates the examples; `quiet` is the id of the task whose worker will not be heard from again."""

    def __init__(self, client: httpx.Client) -> None:
        self.quiet = created(client, title="Count the stars", labels=["night"])
        call(client, f"/v1/tasks/{self.quiet}/claim", worker="night-shift", ttl_s=5)
        yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        created(client, title="Send the monthly report", labels=["mail"], due_at=yesterday, priority="high")
        failing = created(client, title="Import the price list", labels=["import"], max_attempts=1)
        token = call(client, f"/v1/tasks/{failing}/claim", worker="importer", ttl_s=TTL_S)["lease"]["token"]
        call(client, f"/v1/tasks/{failing}/fail", token=token, error="The price list has no column `price`.")
        rules = {"paused": False, "max_leases": 2, "ready_within_s": 3600}
        client.put("/v1/queues/print", json=rules).raise_for_status()
        for number in range(1, 4):
            created(client, title=f"Print poster {number}", labels=["print"])
        self._workers = [
            Worker(client, "day-shift", "day", "Sort the letters, pile", 20),
            Worker(client, "scanner-1", "scan", "Scan book", 2),
            Worker(client, "scanner-2", "scan-fast", "Scan leaflet", 7),
        ]

    def step(self) -> None:
        """Let each worker that lives do a piece of its work."""
        for worker in self._workers:
            worker.step()


def created(client: httpx.Client, **task: Any) -> str:
    """Create a task and return its id."""
    identity: str = call(client, "/v1/tasks", **task)["id"]
    return identity


def call(client: httpx.Client, path: str, **body: Any) -> Any:
    """POST a body and return the answer.

    Raises httpx.HTTPStatusError.
    """
    return client.post(path, json=body).raise_for_status().json()
