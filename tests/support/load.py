"""Load for a service that has faults: many clients who create tasks, each request under a key of its own."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self
from uuid import uuid4

import httpx

from tests.support.contract import Contract
from tests.support.service import NO_TLS


@dataclass
class Outcome:
    """What became of one request."""

    key: str
    started: float
    ended: float
    status: int | None
    """None where no answer came."""
    problem: str = ""
    task_id: str = ""
    retry_after: str = ""


@dataclass
class Load:
    """Clients in threads of their own, from `with` to its end; `url` says where each request goes."""

    token: str
    url: Callable[[], str]
    contract: Contract
    clients: int = 8
    outcomes: list[Outcome] = field(default_factory=list)
    undocumented: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {self.token}"}, timeout=10, verify=NO_TLS) as client:
            while not self._stop.is_set():
                outcome = self.send(client, str(uuid4()))
                self.outcomes.append(outcome)
                if outcome.status != 201:
                    time.sleep(0.1)

    def send(self, client: httpx.Client, key: str) -> Outcome:
        """Create a task under this Idempotency-Key, which is its title as well."""
        started = time.monotonic()
        try:
            response = client.post(f"{self.url()}/v1/tasks", json={"title": key}, headers={"Idempotency-Key": key})
        except httpx.TransportError as error:
            return Outcome(key, started, time.monotonic(), None, type(error).__name__)
        try:
            self.contract.check(response)
        except AssertionError as error:
            self.undocumented.append(str(error))
        body = response.json()
        ended = time.monotonic()
        if response.status_code == 201:
            return Outcome(key, started, ended, 201, task_id=body["id"])
        return Outcome(
            key, started, ended, response.status_code, body["type"], "", response.headers.get("retry-after", "")
        )

    @property
    def created(self) -> list[Outcome]:
        """The requests that were acknowledged."""
        return [outcome for outcome in self.outcomes if outcome.status == 201]

    @property
    def failed(self) -> list[Outcome]:
        """The others."""
        return [outcome for outcome in self.outcomes if outcome.status != 201]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return once `condition` holds."""
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, self.told()
            time.sleep(0.02)

    def wait_for_more(self, count: int = 200) -> None:
        """Return once so many more requests were acknowledged."""
        before = len(self.created)
        self.wait_for(lambda: len(self.created) > before + count)

    def first_created_after(self, moment: float) -> float:
        """Return when the first request that started after `moment` was acknowledged."""
        return min(outcome.ended for outcome in self.created if outcome.started > moment)

    def told(self) -> str:
        """Return the figures in a sentence."""
        kinds = Counter(f"{outcome.status or ''} {outcome.problem}".strip() for outcome in self.failed)
        return f"{len(self.outcomes)} requests, {len(self.created)} acknowledged, failed: {dict(kinds) or 'none'}"
