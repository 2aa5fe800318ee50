"""A reader of event streams for tests."""

import json
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any, Self

import httpx

from tests.support.service import NO_TLS, Service


@dataclass(frozen=True)
class Got:
    """One block of a stream."""

    id: str
    event: str
    data: Any
    at: float


class EventReader:
    """Follows a stream in a thread of its own, from `with` to its end."""

    def __init__(self, url: str, key: str, *, after: str | None = None, **params: Any) -> None:
        self.blocks: list[Got] = []
        self.comments = 0
        self.status = 0
        self.last_id = after if after not in (None, "0") else ""
        self.ended = threading.Event()
        self._begun = threading.Event()
        headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
        headers |= {"Last-Event-ID": self.last_id} if self.last_id else {}
        params |= {"after": "0"} if after == "0" else {}
        timeout = httpx.Timeout(20, read=60)
        self._client = httpx.Client(base_url=url, headers=headers, timeout=timeout, verify=NO_TLS)
        self._params = params
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._begun.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            with_suppressed_shutdown(self._socket)
        self._thread.join(10)
        self._client.close()

    def _read(self) -> None:
        try:
            with self._client.stream("GET", "/v1/events", params=self._params) as response:
                self.status = response.status_code
                self._socket = response.extensions["network_stream"].get_extra_info("socket")
                if self.status != 200:
                    self._begun.set()
                    return
                fields: dict[str, str] = {}
                for line in response.iter_lines():
                    if line.startswith(":"):
                        self.comments += 1
                    elif line:
                        name, _, value = line.partition(": ")
                        fields[name] = value
                    else:
                        self._dispatch(fields)
                        fields = {}
        except httpx.TransportError:
            pass
        finally:
            self._begun.set()
            self.ended.set()

    def _dispatch(self, fields: dict[str, str]) -> None:
        self.last_id = fields.get("id", self.last_id)
        if "data" in fields:
            got = Got(self.last_id, fields.get("event", "message"), json.loads(fields["data"]), time.monotonic())
            self.blocks.append(got)
        self._begun.set()

    @property
    def ids(self) -> list[tuple[int, int]]:
        """Transaction and sequence of each event that came."""
        return [order(got.id) for got in self.blocks if got.event == "message"]

    def wait_for(self, count: int, seconds: float = 60) -> list[Got]:
        """Return the blocks once there are so many."""
        deadline = time.monotonic() + seconds
        while len(self.blocks) < count:
            assert time.monotonic() < deadline, f"{len(self.blocks)} of {count} blocks came"
            time.sleep(0.005)
        return self.blocks


def order(event_id: str) -> tuple[int, int]:
    """Return transaction and sequence of an id."""
    _, transaction, sequence = event_id.split("-")
    return int(transaction), int(sequence)


def sent_up_to(service: Service) -> float:
    """Return the moment before which every change was handed to the readers, in seconds since 1970."""
    moment = service.metric("taskpulse_events_sent_up_to_timestamp_seconds")
    assert moment is not None
    return moment


def lag_s(service: Service) -> float:
    """Return what the alert on late events looks at."""
    return time.time() - sent_up_to(service)


def with_suppressed_shutdown(connected: socket.socket) -> None:
    """Hang up, whatever state the connection is in."""
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
