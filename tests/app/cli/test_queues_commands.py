"""`taskpulse queues`."""

import json
from urllib.parse import quote

import httpx
import pytest

from tests.support.command import run
from tests.support.leases import claim, new_task
from tests.support.service import Service

Rules = dict[str, bool | int | None]


def rules(client: httpx.Client, label: str) -> Rules:
    """Return the rules of a label's queue."""
    found = client.get(f"/v1/queues/{quote(label, safe='').replace('.', '%2E')}").raise_for_status().json()
    return {name: found[name] for name in ("paused", "max_leases", "ready_within_s")}


def test_it_works(client: httpx.Client, service: Service) -> None:
    claim(client, new_task(client, labels=["print"]))
    new_task(client, labels=["print"])
    assert run(service, "queues", "limit", "print", "5").status == 0
    assert run(service, "queues", "pause", "print").status == 0
    assert run(service, "queues", "alert", "print", "30m").status == 0
    assert rules(client, "print") == {"paused": True, "max_leases": 5, "ready_within_s": 1800}
    heading, row = run(service, "queues", "list").output.splitlines()
    assert heading.split() == ["LABEL", "READY", "SCHEDULED", "LEASED", "QUIET", "OLDEST", "RULES"]
    assert row.split()[:5] == ["print", "1", "0", "1", "0"]
    assert row.endswith("paused, limit 5")
    shown = run(service, "queues", "show", "print").output
    assert "Max leases:    5\n" in shown
    assert "Paused:        since 2" in shown
    assert run(service, "queues", "resume", "print").status == 0
    assert run(service, "queues", "limit", "print", "none").status == 0
    assert run(service, "queues", "alert", "print", "none").status == 0
    assert rules(client, "print") == {"paused": False, "max_leases": None, "ready_within_s": None}
    assert run(service, "queues", "delete", "print") == (0, "Deleted the rules for the label print.\n", "")
    assert client.get("/v1/queues/print").status_code == 404


@pytest.mark.parametrize("label", ["a/b", "..", ".", "%2F", "ü ?#", "a\x1b[2J", "x" * 50])
def test_any_label(client: httpx.Client, service: Service, label: str) -> None:
    new_task(client, labels=[label])
    paused = run(service, "queues", "pause", "--", label)
    assert paused.status == 0, paused.errors
    assert rules(client, label)["paused"] is True
    listed = run(service, "queues", "list")
    assert [letter for letter in listed.output + paused.output if not letter.isprintable() and letter != "\n"] == []
    assert all(len(line) <= 80 for line in listed.output.splitlines())
    assert run(service, "queues", "delete", "--", label).status == 0


def test_a_rule_that_is_there_writes_nothing(client: httpx.Client, service: Service) -> None:
    assert run(service, "queues", "resume", "print").output == "The label print has no rules, so nothing changes.\n"
    assert client.get("/v1/queues/print").status_code == 404
    for _ in range(2):
        shown = run(service, "queues", "pause", "print", "--output", "json")
        assert json.loads(shown.output) == client.get("/v1/queues/print").json()
    assert client.get("/v1/queues/print").json()["updated_at"] == client.get("/v1/queues/print").json()["created_at"]


def test_json(client: httpx.Client, service: Service) -> None:
    for number in range(201):
        new_task(client, labels=[f"label-{number:03}"])
    shown = run(service, "queues", "list", "--limit", "201", "--output", "json")
    assert [each["label"] for each in json.loads(shown.output)["items"]] == [f"label-{n:03}" for n in range(201)]
    some = run(service, "queues", "list", "--limit", "200", "--output", "ndjson")
    assert len(some.output.splitlines()) == 200
    assert some.errors == "These are the first 200; there are more. --limit shows more.\n"


def test_no_queue(client: httpx.Client, service: Service) -> None:
    assert run(service, "queues", "list") == (0, "", "No label is in use.\n")
    for command in ("show", "delete"):
        refused = run(service, "queues", command, "a/b")
        assert refused.status == 1
        assert refused.errors.startswith(f"Error: {service.url}/v1/queues/a%2Fb answers 404: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pause", ""], "a label has 1 to 50 characters, not 0"),
        (["pause", "x" * 51], "a label has 1 to 50 characters, not 51"),
        (["limit", "print", "many"], "'many' is not a valid integer"),
        (["limit", "print", "-1"], "-1"),
        (["alert", "print", "soon"], "must be a number with s, m, h or d"),
        (["alert", "print", "366d"], "365d at most"),
        (["limit", "print"], "Missing argument"),
    ],
)
def test_wrong_arguments(client: httpx.Client, service: Service, arguments: list[str], said: str) -> None:
    refused = run(service, "queues", *arguments)
    assert refused.status == 2
    assert said in refused.errors
    assert client.get("/v1/queues").json()["items"] == []
