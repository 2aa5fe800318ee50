"""A deploy killed with SIGKILL: whatever is run next converges, orphans nothing, and prunes nothing too early."""

import os
import signal
from pathlib import Path

import pytest

from delivery.deploy.steps import STEPS
from tests.delivery.deploy.project import Project, expire, read_until
from tests.support.cluster.kubelet import CRASHES, GOOD, NEVER_READY, REPOSITORY

pytestmark = pytest.mark.slow

SECOND, THIRD = REPOSITORY + 64 * "2", REPOSITORY + 64 * "3"
PROGRAM = str(Path(__file__).parent / "steps.py")
HEALTHY = [step.__name__ for step in STEPS].index("bake") + 1


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


@pytest.mark.parametrize(
    ("step", "config_maps", "states"),
    [
        ("record", {"first"}, ["good"]),
        ("apply", {"first"}, ["started", "good"]),
        ("prune", {"first", "second"}, ["started", "good"]),
        ("mark_good", {"second"}, ["started", "good"]),
    ],
)
def test_no_step_changes_anything_without_the_lock(
    project: Project, step: str, config_maps: set[str], states: list[str]
) -> None:
    deploy_first(project)
    count = [each.__name__ for each in STEPS].index(step)
    arguments = (str(count), str(project.overlay), SECOND, str(project.secrets), "lost")
    process = project.start(*arguments, program=(PROGRAM,))
    _, err = process.communicate()
    assert "LostLockError: The lock was lost to another." in err
    assert own_config_maps(project) == config_maps
    assert [each["state"] for each in project.history()] == states


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
    read_until(process, line)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    expire(project)
    third = project.with_settings("third", a="1")["resources"]
    commit = project.commit(resources=[each for each in third if each != "second.yaml"])
    project.deployed(THIRD)
    assert project.running() == {(THIRD, commit)}
    assert own_config_maps(project) == {"third"}


def test_told_to_end_it_lets_the_lock_go_and_says_what_to_do(project: Project) -> None:
    project.deployed()
    project.commit()
    process = project.start("deploy", *project.arguments(NEVER_READY))
    read_until(process, "==> Roll out")
    process.terminate()
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith("Error: Interrupted. What was reached stays; run the same command again")
    lease = project.cluster.get("lease", "taskpulse-deploy", f"--namespace={project.namespace}")
    assert lease["spec"]["holderIdentity"] == ""
    assert [(each["release"], each["state"]) for each in project.history()] == [(2, "started"), (1, "good")]
