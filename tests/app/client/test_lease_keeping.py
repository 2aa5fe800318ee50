"""How `work` keeps its lease, and its key, when the API is slow, answers get lost, or a key is replaced."""

import signal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from app.keys import admin as keys
from tests.support.client_process import ClientProcess
from tests.support.leases import claim, new_task, read
from tests.support.proxy import Fault, Proxy
from tests.support.service import Service
from tests.support.waiting import Until, eventually

UNTIL_HEALED = 1_000_000


def test_pulses_that_are_slow_are_answered(
    client: httpx.Client, service: Service, database: psycopg.Connection, tmp_path: Path
) -> None:
    """A pulse that takes longer than the time to the next one is not given up."""
    task_id, script, seen = new_task(client), Until(tmp_path), set[Any]()

    def pulsed_twice() -> bool:
        seen.add(database.execute("select expires_at from leases where task_id = %s", [task_id]).fetchone())
        return len(seen - {None}) > 2

    slow = Fault("/pulse$", "slow", times=UNTIL_HEALED, delay_s=1.7)
    with Proxy(service.port, [slow]) as proxy, ClientProcess(service, tmp_path, proxy.url) as process:
        process.start("work", "--ttl", "3", "--", *script.command)
        script.wait_until_begun()
        eventually(pulsed_twice)
        script.end()
        eventually(lambda: read(client, task_id)["status"] == "done")
        assert process.stop(signal.SIGTERM) == 0


def test_a_lease_that_was_lost_before_its_answer_came_starts_nothing(
    client: httpx.Client, service: Service, database: psycopg.Connection, tmp_path: Path
) -> None:
    task_id, begun = new_task(client), tmp_path / "begun"
    faults = [Fault("/claim$", "lose"), Fault("/claim$", "cut", times=UNTIL_HEALED)]
    with Proxy(service.port, faults) as proxy, ClientProcess(service, tmp_path, proxy.url) as process:
        process.start("work", "--ttl", "1", "--", "sh", "-c", f"cat >> {begun}")
        expired = "select from leases where expires_at < clock_timestamp()"
        eventually(lambda: database.execute(expired).fetchall())
        rival = claim(client, task_id, "w2")["lease"]
        proxy.faults = []
        other = new_task(client)
        eventually(lambda: read(client, other)["status"] == "done")
        assert process.stop(signal.SIGTERM) == 0
    assert task_id not in begun.read_text()
    client.post(f"/v1/tasks/{task_id}/complete", json={"token": rival["token"]}).raise_for_status()


def test_a_lease_that_ran_out_before_its_answer_came_is_renewed(
    client: httpx.Client, service: Service, database: psycopg.Connection, tmp_path: Path
) -> None:
    task_id = new_task(client)
    faults = [Fault("/claim$", "lose"), Fault("/claim$", "cut", times=UNTIL_HEALED)]
    with Proxy(service.port, faults) as proxy, ClientProcess(service, tmp_path, proxy.url) as process:
        process.start("work", "--ttl", "1", "--", "true")
        expired = "select from leases where expires_at < clock_timestamp()"
        eventually(lambda: database.execute(expired).fetchall())
        proxy.faults = []
        eventually(lambda: read(client, task_id)["status"] == "done")
        assert process.stop(signal.SIGTERM) == 0
    assert read(client, task_id)["fence"] == 1


@pytest.mark.slow
def test_a_key_can_be_replaced_while_a_worker_runs(client: httpx.Client, service: Service, tmp_path: Path) -> None:
    """The old key is revoked before the new one is in the file; both ends of a task fall into that time."""
    scopes = ("read", "write", "work")
    old, new = (keys.create(service.settings, name, scopes, None) for name in ("old", "new"))
    file, script = tmp_path / "key", Until(tmp_path)
    file.write_text(old)
    task_id = new_task(client)
    with ClientProcess(service, tmp_path) as process:
        process.start("work", "--ttl", "60", "--key-file", str(file), "--", *script.command)
        script.wait_until_begun()
        keys.revoke(service.settings, old.split("_")[1])
        refused = {"Authorization": f"Bearer {old}"}
        eventually(lambda: client.get("/v1/tasks", headers=refused).status_code == 401)
        script.end()
        eventually(lambda: process.said("trying again"))
        file.write_text(new)
        eventually(lambda: read(client, task_id)["status"] == "done")
        another = new_task(client)
        eventually(lambda: read(client, another)["status"] == "done")
        assert process.stop(signal.SIGTERM) == 0
