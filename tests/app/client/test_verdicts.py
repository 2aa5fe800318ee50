"""Which answers are verdicts of the API, and that anything else is tried again."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.client import backoff
from app.client.answers import RefusedError
from app.client.api import Api, AwayError
from app.client.backoff import Backoff, seconds
from app.client.key import Key
from app.client.work import Claims
from tests.support.answers import NO_VERDICTS, no_verdict
from tests.support.leases import new_task
from tests.support.proxy import Fault, Proxy, problem
from tests.support.service import Service


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_PAUSE_S", 0.01)


def claim(service: Service, proxy: Proxy, key: Key | None = None, **options: Any) -> Any:
    """Claim a task through the proxy, as workers do."""

    async def call() -> Any:
        async with Api(proxy.url, key or Key(service.key)) as api:
            body = {"worker": "w1", "ttl_s": 60}
            return await api.call("POST", "tasks/claim", answer=Claims, json=body, **options)

    return asyncio.run(call())


def test_what_is_no_verdict_is_tried_again(client: httpx.Client, service: Service) -> None:
    client.post("/v1/tasks/batch", json={"tasks": [{"title": "Work"}] * 2 * len(NO_VERDICTS)}).raise_for_status()

    async def claim_all(proxy: Proxy) -> None:
        async with Api(proxy.url, Key(service.key)) as api:
            for name in NO_VERDICTS:
                proxy.faults, proxy.seen = [no_verdict(name, "")], []
                claims = await api.call("POST", "tasks/claim", answer=Claims, json={"worker": "w1", "ttl_s": 60})
                assert len(claims.items) == 1, name
                assert len(proxy.seen) == 2, name

    with Proxy(service.port) as proxy:
        asyncio.run(claim_all(proxy))


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "invalid-request"), (401, "unauthenticated"), (403, "forbidden"), (404, "not-found"), (409, "lease-lost")],
)
def test_a_verdict_is_final(service: Service, status: int, name: str) -> None:
    with Proxy(service.port, [Fault("", "answer", answer=problem(status, name))]) as proxy:
        with pytest.raises(
            RefusedError, match=f"^{proxy.url}/v1/tasks/claim answers {status}: as the test says"
        ) as refused:
            claim(service, proxy)
        assert (refused.value.status, refused.value.problem) == (status, name)
        assert len(proxy.seen) == 1


def test_an_answer_that_hangs_or_is_slow_is_not_waited_for(client: httpx.Client, service: Service) -> None:
    new_task(client)
    with Proxy(service.port, [Fault("", "hang"), Fault("", "slow", delay_s=60)]) as proxy:
        assert claim(service, proxy, within_s=0.2).items
        assert [line.partition(": ")[2] for line in proxy.seen] == ["hang", "slow", "passed"]


def test_patience_ends(service: Service) -> None:
    with Proxy(service.port, [Fault("", "cut", times=1000)]) as proxy, pytest.raises(AwayError):
        claim(service, proxy, patience_s=0.1)


def test_a_key_that_was_accepted_is_tried_again(client: httpx.Client, service: Service) -> None:
    new_task(client)
    key = Key(service.key)
    key.accepted = True
    with Proxy(service.port, [Fault("", "answer", times=3, answer=problem(401, "unauthenticated"))]) as proxy:
        assert claim(service, proxy, key).items


def test_a_401_reads_the_key_again(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    new_task(client)
    file = tmp_path / "key"
    file.write_text(service.key + "\n")
    with Proxy(service.port) as proxy:
        assert claim(service, proxy, Key("tp_000000000000_old", file)).items
        assert len(proxy.seen) == 2


@pytest.mark.parametrize(
    "spoil", [Path.unlink, lambda file: file.write_text(" "), lambda file: file.write_bytes(b"\xff")]
)
def test_a_key_file_that_is_just_being_replaced_changes_nothing(tmp_path: Path, spoil: Callable[[Path], Any]) -> None:
    file = tmp_path / "key"
    file.write_text("tp_2")
    key = Key("tp_1", file)
    assert key.reread()
    spoil(file)
    assert not key.reread()
    assert key.text == "tp_2"


def test_pauses_grow_and_differ_and_honour_retry_after() -> None:
    pauses = [Backoff() for _ in range(20)]
    for tries in range(12):
        longest = min(backoff.FIRST_PAUSE_S * 2**tries, backoff.LONGEST_PAUSE_S)
        round_of_pauses = [pause.next() for pause in pauses]
        assert all(0.5 * longest <= pause <= 1.5 * longest for pause in round_of_pauses)
        assert len(set(round_of_pauses)) > 1
    assert 30 <= Backoff().next(30) <= 33
    assert Backoff().next(86_400) <= 1.1 * backoff.LONGEST_RETRY_AFTER_S


def test_retry_after_is_a_number_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < seconds(soon) <= 100
    assert seconds(format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)) == 0
    assert [seconds(text) for text in ("7", "007", "-1", "1.5", "soon", "", None, "٣")] == [7, 7, 0, 0, 0, 0, 0, 0]
    assert seconds(f"Mon, 01 Jan 2024 00:00:00 +{'9' * 30}") == 0
