"""The plan of what runs: whether somebody changed it by hand, which is told in Slack."""

import json

import pytest

from monitoring.local.receivers import SlackWebhook
from tests.delivery.deploy.project import Project
from tests.delivery.deploy.test_slack import CHANNEL, tell_slack
from tests.support.cluster.controlplane import free_ports

pytestmark = pytest.mark.slow


def test_it_works(project: Project) -> None:
    (port,) = free_ports(1)
    with SlackWebhook(port) as webhook:
        tell_slack(project, webhook.url)
        project.deployed()
        command = ("plan", str(project.overlay), "--alert-on-drift")
        same = project.delivery(*command)
        assert same.returncode == 0, same.stderr
        assert "Plan: nothing to change" in same.stdout
        assert webhook.messages == []

        scaled = ("patch", "service", "taskpulse-api", f"--namespace={project.namespace}", "--type=merge")
        project.cluster.kubectl(*scaled, '--patch={"spec": {"sessionAffinity": "ClientIP"}}')
        result = project.delivery(*command)
    assert result.returncode == 1
    assert "Changed by hand: Service/taskpulse-api." in result.stderr
    (message,) = webhook.messages
    assert (message.channel, message.color) == (CHANNEL, "warning")
    assert message.title == f"CHANGED BY HAND · {project.overlay}"
    assert message.text.startswith("Service/taskpulse-api: changed since the last deploy by kubectl")
    assert message.text.endswith("The next deploy undoes it.")


def test_a_commit_that_was_not_deployed_is_no_drift(project: Project) -> None:
    project.deployed()
    project.commit(**project.with_settings("extra", a="1"))
    result = project.delivery("plan", str(project.overlay), "--alert-on-drift", "--output=json")
    assert result.returncode == 0, result.stderr
    actions = {each["action"] for each in json.loads(result.stdout)["plan"]}
    assert actions == {"create", "unchanged"}  # the pods of the commit that runs are the same


def test_nothing_is_planned_without_an_image_where_nothing_runs(project: Project) -> None:
    result = project.delivery("plan", str(project.overlay))
    assert result.returncode == 1
    assert "is recorded: say with --image what is to run." in result.stderr
