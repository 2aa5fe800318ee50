"""A message about tasks or queues links to the view of the board that shows them; others have no such link."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, quote_plus, urlsplit

import pytest
import yaml

from monitoring.local import configuration
from tests.monitoring import objects, promtool
from tests.monitoring.alerting import Alerting, labels_of

BOARD = objects.FOLDER.parent / "app" / "http" / "board"
HOSTILE = [
    "a b&c<d>,e+f/g%",
    "x&status=done#top",
    '"><script>',
    "|evil> <https://evil.example",
    "печать 🖨",
    "{{ .Value }}",
    "50%25",
    "/board",
]
ADDRESSES = {"dev": "http://localhost:8080", "main": "https://taskpulse.example.com"}


def board_urls(overlay: str) -> dict[str, set[str]]:
    """The links of each alert that has one."""
    found: dict[str, set[str]] = {}
    for group in configuration.rules(objects.overlay(overlay))["groups"]:
        for rule in group["rules"]:
            if url := rule.get("annotations", {}).get("board_url"):
                found.setdefault(rule["alert"], set()).add(url)
    return found


@pytest.mark.parametrize("name", ["dev", "main"])
def test_each_alert_about_tasks_or_queues_links_to_its_view(name: str) -> None:
    """Where the settings say: at the host of main, and at the address to which `make oncall` forwards dev's service."""
    settings = yaml.safe_load((objects.FOLDER.parent / "overlays" / name / "settings.yaml").read_text("utf-8"))
    address = f"https://{settings['host']}" if "host" in settings else settings["board"]
    assert address == ADDRESSES[name]
    label = "{{ $labels.queue | urlquery }}"
    assert board_urls(name) == {
        alert: {f"{address}/board{view.replace('LABEL', label)}"} for alert, view in objects.BOARD_VIEWS.items()
    }


def test_oncall_forwards_the_board_of_dev() -> None:
    makefile = (objects.FOLDER.parent / "Makefile").read_text("utf-8")
    port = urlsplit(ADDRESSES["dev"]).port
    dev = objects.overlay("dev")
    [service] = dev.of("Service")
    [outside] = [each["port"] for each in service["spec"]["ports"]]
    forward = f"kubectl -n {dev.namespace} port-forward svc/{service['metadata']['name']} {port}:{outside} &"
    assert forward in makefile


@pytest.mark.parametrize("alert", objects.BOARD_VIEWS)
def test_the_board_has_the_view(alert: str) -> None:
    [(_, view), *rest] = parse_qsl(urlsplit(objects.BOARD_VIEWS[alert]).query, strict_parsing=True)
    views = re.search(r"^const VIEWS = \{(.*)\}$", (BOARD / "main.js").read_text("utf-8"), re.MULTILINE)
    assert views
    assert view in re.findall(r"(\w+): \[", views[1])
    filters = re.search(r"^const FILTERS = \[(.*)\]$", (BOARD / "list.js").read_text("utf-8"), re.MULTILINE)
    assert filters
    known = {*re.findall(r'"(\w+)"', filters[1]), "sort"}
    assert {name for name, _ in rest} <= (known if view == "tasks" else set())


@pytest.mark.parametrize("alert", objects.BOARD_VIEWS)
def test_the_runbook_begins_with_the_board(alert: str) -> None:
    text = (objects.FOLDER / "runbooks" / f"{alert}.md").read_text("utf-8")
    first = text.partition("## Diagnosis\n\n")[2].partition("\n- ")[0]
    assert first.startswith("- Open the board at the message's link, or ")
    assert f"`/board{objects.BOARD_VIEWS[alert]}`" in first


def url_of(label: str) -> str:
    """The link of TaskPulseQueueLate for a label, in overlay main."""
    view = objects.BOARD_VIEWS["TaskPulseQueueLate"].replace("LABEL", quote_plus(label))
    assert dict(parse_qsl(view, strict_parsing=True))["label"] == label
    return f"{ADDRESSES['main']}/board{view}"


@pytest.mark.slow
def test_a_label_of_any_kind_reaches_the_board_as_it_is(tmp_path: Path) -> None:
    [rule] = objects.alerts()["TaskPulseQueueLate"]
    series, expected = [], []
    for label in HOSTILE:
        told = label.replace("\\", "\\\\").replace('"', '\\"')
        labels = f'namespace="taskpulse",job="taskpulse-api",queue="{told}"'
        series += [
            {"series": f"taskpulse_queue_oldest_ready_seconds{{{labels}}}", "values": "4200x20"},
            {"series": f"taskpulse_queue_ready_within_seconds{{{labels}}}", "values": "3600x20"},
        ]
        annotations = rule["annotations"] | {"board_url": url_of(label)}
        for template, text in (
            ("{{ $labels.queue }}", label),
            ("{{ $labels.namespace }}", "taskpulse"),
            ("{{ $value | humanizeDuration }}", "10m 0s"),
        ):
            annotations["description"] = annotations["description"].replace(template, text)
        labelled = {"namespace": "taskpulse", "job": "taskpulse-api", "queue": label, **rule["labels"]}
        expected.append({"exp_labels": labelled, "exp_annotations": annotations})
    late = {"alertname": "TaskPulseQueueLate", "eval_time": "5m", "exp_alerts": expected}
    test = {"name": "late", "interval": "15s", "input_series": series, "alert_rule_test": [late]}
    promtool.check([test], tmp_path, interval="15s", rules=("taskpulse-queues",))


def links(text: str) -> dict[str, list[str]]:
    """The links of a message in Slack, by their words (https://docs.slack.dev/messaging/formatting-message-text)."""
    found: dict[str, list[str]] = {}
    for url, words in re.findall(r"<(http[^|>]*)\|([^>]*)>", text):
        found.setdefault(words, []).append(url)
    return found


def annotations(alert: str, **more: str) -> dict[str, str]:
    address = f"https://pages.example.com/{alert}"
    return {"summary": "It is.", "description": "So.", "runbook_url": address, "dashboard_url": address, **more}


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2])
def test_one_view_of_all_alerts_is_linked_once_beside_the_other_links(number: int, alertmanager: Alerting) -> None:
    [rule] = objects.alerts()["TaskPulseQueuePaused"]
    url = rule["annotations"]["board_url"]
    for queue in ["print", "scan"][:number]:
        alertmanager.post(labels_of(rule, queue=queue), annotations=annotations("paused", board_url=url))
    told = ["FIRING", "(2 alerts)"] if number > 1 else ["FIRING"]
    text = alertmanager.message(*told, "TaskPulseQueuePaused in").text
    assert links(text)["Board"] == [url]
    assert text.count("*It is.*") == number
    assert f"|What to do> · <{url}|Board> · <" in text


@pytest.mark.slow
def test_alerts_with_a_view_each_are_linked_each(alertmanager: Alerting) -> None:
    [rule] = objects.alerts()["TaskPulseQueueLate"]
    for label in HOSTILE:
        alertmanager.post(labels_of(rule, queue=label), annotations=annotations("late", board_url=url_of(label)))
    text = alertmanager.message("FIRING", f"({len(HOSTILE)} alerts)", "TaskPulseQueueLate in").text
    assert sorted(links(text)["Board"]) == sorted(map(url_of, HOSTILE))
    assert "|What to do> · <https://pages.example.com/late|Dashboard>" in text


@pytest.mark.slow
def test_a_message_about_the_service_has_no_link_to_the_board(alertmanager: Alerting) -> None:
    rule = objects.alerts()["TaskPulseDatabaseDown"][0]
    alertmanager.post(labels_of(rule), annotations=annotations("down"))
    text = alertmanager.message("FIRING", "TaskPulseDatabaseDown in").text
    assert "|What to do> · <https://pages.example.com/down|Dashboard>" in text
    assert "|Board>" not in text
    assert "no value" not in text
