"""A deploy killed with SIGKILL: whatever is run next converges, orphans nothing, and prunes nothing too early."""

import os
import signal
from pathlib import Path

import pytest

from delivery.deploy.deploy import STEPS
from tests.delivery.deploy.kubelet import CRASHES, GOOD, REPOSITORY
from tests.delivery.deploy.project import Project

pytestmark = pytest.mark.slow

SECOND, THIRD = REPOSITORY + 64 * "2", REPOSITORY + 64 * "3"
PROGRAM = str(Path(__file__).parent / "steps.py")
HEALTHY = [step.__name__ for step in STEPS].index("smoke") + 1


def expire(project: Project) -> None:
    """Let the time of the dead holder's lock be over: a second, not DURATION_S (test_lock.py waits that out)."""
    patch = '{"spec": {"leaseDurationSeconds": 1}}'
    arguments = ("lease", "taskpulse-deploy", f"--namespace={project.namespace}", "--type=merge", f"--patch={patch}")
    project.cluster.run("patch", *arguments)


def deploy_first(project: Project) -> None:
    project.commit(**project.with_settings("first", a="1"))
    project.deployed(GOOD)
    second = project.without("first") | project.with_settings("second", a="1")
    project.commit(resources=sorted({*second["resources"]} - {"first.yaml"}))


def killed_after(project: Project, steps: int) -> None:
    process = project.start(str(steps), str(project.overlay), SECOND, str(project.secrets), program=(PROGRAM,))
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err
    expire(project)


def own_config_maps(project: Project) -> set[str]:
    return project.names("configmaps") & {"first", "second", "third"}


@pytest.mark.parametrize("steps", range(1, len(STEPS) + 1), ids=[step.__name__ for step in STEPS])
def test_the_same_commit_again_converges(project: Project, steps: int) -> None:
    deploy_first(project)
    killed_after(project, steps)
    assert ("first" in own_config_maps(project)) == (steps <= HEALTHY)
    project.deployed(SECOND)
    assert project.running() == {(SECOND, project.head())}
    assert own_config_maps(project) == {"second"}
    assert [(each["release"], each["state"]) for each in project.history()] == [(2, "good"), (1, "good")]
    assert project.plan(SECOND) == {}


@pytest.mark.parametrize("steps", range(1, len(STEPS) + 1), ids=[step.__name__ for step in STEPS])
def test_another_commit_converges(project: Project, steps: int) -> None:
    deploy_first(project)
    killed_after(project, steps)
    third = project.with_settings("third", a="1")["resources"]
    commit = project.commit(resources=[each for each in third if each != "second.yaml"])
    project.deployed(THIRD)
    assert project.running() == {(THIRD, commit)}
    assert own_config_maps(project) == {"third"}
    assert project.plan(THIRD) == {}


@pytest.mark.parametrize("line", ["==> Put back", "    deployment/taskpulse-api has rolled out"])
def test_killed_while_it_puts_back_the_next_commit_converges(project: Project, line: str) -> None:
    deploy_first(project)
    process = project.start("deploy", *project.arguments(CRASHES))
    assert process.stdout is not None
    for each in process.stdout:
        if each.startswith(line):
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    expire(project)
    third = project.with_settings("third", a="1")["resources"]
    commit = project.commit(resources=[each for each in third if each != "second.yaml"])
    project.deployed(THIRD)
    assert project.running() == {(THIRD, commit)}
    assert own_config_maps(project) == {"third"}
