"""GET /v1/limits, and what happens beyond the bounds that it shows."""

import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.keys import admin as keys
from app.settings import Settings, SettingsError
from tests.support.contract import Contract, problem
from tests.support.service import NO_TLS, Service, fresh_database
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("limits")

BOUNDS = {
    "HEAVY_CALLS_PER_KEY": "2",
    "HEAVY_CALLS": "3",
    "LONG_POLLS_PER_KEY": "2",
    "LONG_POLLS": "3",
    "EVENT_STREAMS_PER_KEY": "2",
    "EVENT_STREAMS": "3",
}
CLAIM = b'{"worker":"w","ttl_s":60,"labels":["none"]}'
OPEN = {
    "heavy_calls": ("GET /v1/tasks", ["Accept: application/x-ndjson"], b""),
    "long_polls": ("POST /v1/tasks/claim", ["Prefer: wait=30", "Content-Type: application/json"], CLAIM),
    "event_streams": ("GET /v1/events", [], b""),
}
"""What counts for each bound: an export that nobody reads, a claim that waits, a stream."""


@pytest.fixture(scope="module")
def bounded(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with low bounds, and more tasks than the buffers of a connection hold."""
    with Service(fresh_database(postgres), tmp_path_factory.mktemp("limits") / "log", BOUNDS) as running:
        with psycopg.connect(running.conninfo, autocommit=True) as connection:
            connection.execute(
                "insert into tasks (title, description, payload, status, finished_at)"
                " select 'large', repeat('d', 10000), json_build_object('a', repeat('x', 16000)), 'done', now()"
                " from generate_series(1, 500)"
            )
        yield running


def in_use(service: Service, key: str, bound: str) -> int:
    """Return what /v1/limits says."""
    answer = httpx.get(f"{service.url}/v1/limits", headers={"Authorization": f"Bearer {key}"}, verify=NO_TLS)
    answer.raise_for_status()
    [found] = [each["in_use"] for each in answer.json()["items"] if each["name"] == bound]
    return int(found)


@contextlib.contextmanager
def opened(service: Service, key: str, bound: str, number: int) -> Iterator[None]:
    """Open so many of what counts, read nothing of their answers, and hang up at the end."""
    line, headers, body = OPEN[bound]
    head = [f"{line} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", f"Content-Length: {len(body)}", *headers]
    before = in_use(service, key, bound)
    with contextlib.ExitStack() as sockets:
        for _ in range(number):
            connected = sockets.enter_context(socket.socket())
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connected.connect(("127.0.0.1", service.port))
            connected.sendall("\r\n".join([*head, "", ""]).encode() + body)
        eventually(lambda: in_use(service, key, bound) == before + number)
        yield
    eventually(lambda: in_use(service, key, bound) == before)


def one_more(service: Service, contract: Contract, key: str, bound: str) -> httpx.Response:
    """Send what counts once more, and return its answer without reading it unless it is an error."""
    line, headers, body = OPEN[bound]
    method, path = line.split()
    fields = dict(header.split(": ") for header in headers) | {"Authorization": f"Bearer {key}"}
    with (
        httpx.Client(base_url=service.url, verify=NO_TLS, timeout=60) as client,
        client.stream(method, path, headers=fields, content=body) as response,
    ):
        if response.status_code >= 400:
            response.read()
            contract.check(response)
        return response


def test_it_works(client: httpx.Client) -> None:
    answer = client.get("/v1/limits").json()
    defaults = Settings()
    shown = {each["name"]: (each["per_key"], each["per_process"], each["in_use"]) for each in answer["items"]}
    assert shown == {
        "heavy_calls": (defaults.heavy_calls_per_key, defaults.heavy_calls, 0),
        "long_polls": (defaults.long_polls_per_key, defaults.long_polls, 0),
        "event_streams": (defaults.event_streams_per_key, defaults.event_streams, 0),
        "body_bytes": (defaults.body_bytes_per_key, defaults.body_bytes, 0),
        "answer_bytes": (None, defaults.answer_bytes, 0),
    }


@pytest.mark.parametrize("bound", OPEN)
def test_a_key_that_overdoes_it_gets_a_429_and_others_do_not(bounded: Service, contract: Contract, bound: str) -> None:
    other = keys.create(bounded.settings, "other", ("read", "work"), None)
    refused = bounded.metric("taskpulse_refused_total", reason=f"{bound}_per_key") or 0
    with opened(bounded, bounded.key, bound, 2):
        answer = one_more(bounded, contract, bounded.key, bound)
        assert bound in problem(answer, 429, "limit-reached")["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert in_use(bounded, other, bound) == 0
        assert bounded.metric("taskpulse_bound_in_use", bound=f"{bound}_per_key") == 2
        with opened(bounded, other, bound, 1):
            assert bounded.metric("taskpulse_bound_in_use", bound=bound) == 3
            answer = one_more(bounded, contract, other, bound)
            assert bound in problem(answer, 503, "overloaded")["detail"]
    assert bounded.metric("taskpulse_refused_total", reason=f"{bound}_per_key") == refused + 1
    assert bounded.metric("taskpulse_bound", bound=f"{bound}_per_key") == 2


def test_a_claim_that_does_not_wait_is_no_long_poll(bounded: Service) -> None:
    headers = {"Authorization": f"Bearer {bounded.key}", "Content-Type": "application/json"}
    with opened(bounded, bounded.key, "long_polls", 2):
        claim = httpx.post(f"{bounded.url}/v1/tasks/claim", headers=headers, content=CLAIM, timeout=60, verify=NO_TLS)
        assert claim.status_code == 204


@pytest.mark.parametrize(("name", "value"), [("LONG_POLLS", "0"), ("ANSWER_BYTES", "1000"), ("HEAVY_CALLS", "many")])
def test_a_wrong_bound_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} must be a whole number from "):
        Settings.from_environment({name: value})


WAITING = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock' and query like %s
"""


LOCKED = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@contextlib.contextmanager
def locked(service: Service, table: str) -> Iterator[Any]:
    """Lock a table, so that statements that need it wait; yield what counts those that wait and hold a text."""
    with (
        psycopg.connect(service.conninfo) as holder,
        psycopg.connect(service.conninfo, autocommit=True) as watcher,
    ):
        holder.execute(f"lock table {table} in access exclusive mode".encode())
        yield lambda text: (watcher.execute(WAITING, (f"%{text}%",)).fetchone() or (0,))[0]
        holder.rollback()


def test_slow_statements_of_a_key_leave_connections_to_others(client: httpx.Client, service: Service) -> None:
    """A history waits for its table; twenty of them wait for two of ten connections, and a read finds one at once."""
    task = client.post("/v1/tasks", json={"title": "x"}).json()["id"]
    waiting, seen = "measured", set[int]()

    def history() -> int:
        headers = {"Authorization": f"Bearer {service.key}"}
        with httpx.Client(base_url=service.url, headers=headers, timeout=60, verify=NO_TLS) as mine:
            return mine.get(f"/v1/tasks/{task}/history").status_code

    with ThreadPoolExecutor(20) as pool:
        with locked(service, "history") as waiters:
            calls = [pool.submit(history) for _ in range(20)]
            eventually(lambda: waiters(waiting) == 2)
            for _ in range(10):
                assert client.get(f"/v1/tasks/{task}").status_code == 200
                seen.add(waiters(waiting))
        assert {call.result() for call in calls} <= {200, 429, 503}
    assert max(seen) <= 2


@pytest.mark.parametrize("keyed", [False, True], ids=["a patch", "an Idempotency-Key"])
def test_calls_of_a_key_that_wait_for_a_lock_leave_connections_to_others(
    client: httpx.Client, service: Service, *, keyed: bool
) -> None:
    """Of twenty changes of one task, seven wait for its lock; the others, and calls of their key, wait in line."""
    task = client.post("/v1/tasks", json={"title": "x"}).json()["id"]
    mine = keys.create(service.settings, "mine", ("write", "work"), None)
    headers = {"Authorization": f"Bearer {mine}"} | ({"Idempotency-Key": "one"} if keyed else {})
    claim = {"worker": "w", "ttl_s": 60}
    seen = set[int]()
    eventually(lambda: client.get("/v1/tasks", headers=headers).status_code == 403)  # the key is known by then

    def change() -> int:
        with httpx.Client(base_url=service.url, headers=headers, timeout=60, verify=NO_TLS) as own:
            if keyed:
                return own.post(f"/v1/tasks/{task}/claim", json=claim).status_code
            return own.patch(f"/v1/tasks/{task}", json={"status": "cancelled"}).status_code

    with ThreadPoolExecutor(20) as pool, psycopg.connect(service.conninfo) as holder:
        holder.execute("select from tasks where id = %s for update", (task,))
        with psycopg.connect(service.conninfo, autocommit=True) as watcher:
            calls = [pool.submit(change) for _ in range(20)]
            eventually(lambda: len(watcher.execute(LOCKED).fetchall()) == 7)
            for _ in range(10):
                assert client.get(f"/v1/tasks/{task}").status_code == 200
                seen.add(len(watcher.execute(LOCKED).fetchall()))
        holder.rollback()
        assert {call.result() for call in calls} <= {200, 409, 429, 503}
    assert max(seen) <= 7


def test_looks_for_work_of_a_key_leave_connections_to_others(client: httpx.Client, service: Service) -> None:
    """Of twenty claims that wait for work with different labels, two look for some at the same time."""
    task = client.post("/v1/tasks", json={"title": "x"}).json()["id"]
    waiting, seen = "recursive stopped", set[int]()

    def claim(number: int) -> int:
        headers = {"Authorization": f"Bearer {service.key}", "Prefer": "wait=1"}
        wanted = {"worker": "w", "ttl_s": 60, "labels": [f"none{number}"]}
        with httpx.Client(base_url=service.url, headers=headers, timeout=60, verify=NO_TLS) as mine:
            return mine.post("/v1/tasks/claim", json=wanted).status_code

    with ThreadPoolExecutor(20) as pool:
        with locked(service, "leases") as waiters:
            calls = [pool.submit(claim, number) for number in range(20)]
            eventually(lambda: waiters(waiting) == 2)
            for _ in range(10):
                assert client.get(f"/v1/tasks/{task}").status_code == 200
                seen.add(waiters(waiting))
        assert {call.result() for call in calls} <= {204, 503}
    assert max(seen) <= 2


def test_unknown_keys_share_one_connection(service: Service) -> None:
    def ask(number: int) -> int:
        headers = {"Authorization": f"Bearer tp_{number:012x}_{'0' * 64}"}
        return httpx.get(f"{service.url}/v1/tasks", headers=headers, timeout=60, verify=NO_TLS).status_code

    seen = set[int]()
    with ThreadPoolExecutor(20) as pool:
        with locked(service, "api_keys") as waiters:
            calls = [pool.submit(ask, number) for number in range(60)]
            eventually(lambda: waiters("api_keys") == 1)
            while not all(call.done() for call in calls[:30]):
                seen.add(waiters("from api_keys"))
        assert {call.result() for call in calls} <= {401, 503}
    assert max(seen, default=0) <= 2  # one that is being cancelled, and the next


def test_an_export_that_nobody_reads_counts_until_it_ends(bounded: Service) -> None:
    assert in_use(bounded, bounded.key, "answer_bytes") == 0
    with opened(bounded, bounded.key, "heavy_calls", 2):
        eventually(lambda: in_use(bounded, bounded.key, "answer_bytes") > 0)
    eventually(lambda: in_use(bounded, bounded.key, "answer_bytes") == 0)
