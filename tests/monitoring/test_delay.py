"""How long it takes from a worker's last pulse to the message, with the waiting times of the real configuration."""

import itertools
import time
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from tests.monitoring.fixtures import watch

TTL_S = 30
LONGEST_S = {
    "lease time: ttl_s of the claim": TTL_S,
    "figures read from the database, and scraped": 15 + 15,
    "another worker has time to take it over, and the rule sees that none did": 30 + 15,
    "Alertmanager waits for more: groupWait": 10,
}


@pytest.mark.slow
def test_from_the_last_pulse_to_the_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for watched in watch(tmp_path, factor=1):
        task = watched.client.post("/v1/tasks", json={"title": "Feed the cat"}).json()["id"]
        claim = {"worker": "worker-7", "ttl_s": TTL_S}
        token = watched.client.post(f"/v1/tasks/{task}/claim", json=claim).json()["lease"]["token"]
        pulsed = time.time()
        answer = watched.client.post(f"/v1/tasks/{task}/pulse", json={"token": token}).raise_for_status().json()
        message = watched.message(since=pulsed, within_s=200, words=["FIRING", "TaskPulseWorkerQuiet"])
        [alert] = [each for each in prometheus_alerts(watched.stack.prometheus) if each["state"] == "firing"]
        [series] = watched.stack.query('taskpulse_leases{state="expired"}[10m]')
        moments = [
            pulsed,
            datetime.fromisoformat(answer["expires_at"]).timestamp(),
            next(at for at, value in series["values"] if value == "1"),
            datetime.fromisoformat(alert["activeAt"]).timestamp(),
            message.received,
        ]
    parts = [later - earlier for earlier, later in itertools.pairwise(moments)]
    with capsys.disabled():
        print()
        for (name, longest), part in zip(LONGEST_S.items(), parts, strict=True):
            print(f"{part:8.1f} s  {name} (at most {longest})")
        print(f"{sum(parts):8.1f} s  from the last pulse to the message (at most {sum(LONGEST_S.values())})")
    for (name, longest), part in zip(LONGEST_S.items(), parts, strict=True):
        assert -1 < part < longest + 5, name


def prometheus_alerts(prometheus: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = httpx.get(f"{prometheus}/api/v1/alerts").json()["data"]["alerts"]
    return found
