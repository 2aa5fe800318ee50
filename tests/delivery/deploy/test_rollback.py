"""Rollbacks by hand, and the history they go by."""

import json

import pytest

from tests.delivery.deploy.project import Project, read_until
from tests.support.cluster.kubelet import GOOD, REPOSITORY

pytestmark = pytest.mark.slow

SECOND, THIRD = REPOSITORY + 64 * "2", REPOSITORY + 64 * "3"
MARKED = "-- old code cannot live with this: statuses were renamed\nselect 1;\n"


NONE_BEFORE = (
    "Error: There is no good release 3 before the one that runs: 0 are recorded."
    " `delivery history` lists all, and --to names one of them.\n"
)


def rollback(project: Project, *arguments: str) -> tuple[int, str, str]:
    result = project.delivery("rollback", str(project.overlay), *arguments)
    return result.returncode, result.stdout, result.stderr


def test_it_works_two_releases_back(project: Project) -> None:
    first = project.commit(**project.with_settings("first", a="1"))
    project.deployed(GOOD)
    project.commit(**project.without("first"))
    project.deployed(SECOND)
    project.commit(**project.with_settings("third", a="1"))
    project.deployed(THIRD)
    status, _, err = rollback(project, "2")
    assert (status, err) == (0, "")
    assert project.running() == {(GOOD, first)}
    assert "first" in project.names("configmaps")
    assert "third" not in project.names("configmaps")
    newest = project.history()[0]
    note = "rollback from release 3 to release 1"
    assert (newest["release"], newest["state"], newest["note"], newest["restores"]) == (4, "good", note, 1)


def test_one_release_back_is_the_default(project: Project) -> None:
    first = project.head()
    project.deployed(GOOD)
    project.commit()
    project.deployed(SECOND)
    assert rollback(project)[0] == 0
    assert project.running() == {(GOOD, first)}


def test_one_after_the_other_goes_further_back_and_to_a_number_forward_again(project: Project) -> None:
    commits = []
    for image in (GOOD, SECOND, THIRD):
        commits.append(project.commit())
        project.deployed(image)
    assert rollback(project)[0] == 0
    assert project.running() == {(SECOND, commits[1])}
    assert rollback(project)[0] == 0
    assert project.running() == {(GOOD, commits[0])}
    assert rollback(project)[2].startswith("Error: There is no good release 1 before the one that runs: 0 are")
    status, _, err = rollback(project, "--to=3")
    assert (status, err) == (0, "")
    assert project.running() == {(THIRD, commits[2])}
    notes = [each["note"] for each in project.history()]
    assert notes[:3] == [f"rollback from release {one} to release {two}" for one, two in ((5, 3), (4, 1), (3, 2))]
    for number, sentence in ((3, "Release 3 runs already."), (9, "There is no release 9. The good ones")):
        assert sentence in rollback(project, f"--to={number}")[2]
    assert "Give RELEASES or --to, not both." in rollback(project, "1", "--to=1")[2]


def test_there_must_be_such_a_release(project: Project) -> None:
    project.deployed()
    status, _, err = rollback(project, "3")
    assert (status, err) == (1, NONE_BEFORE)


def test_it_stops_at_a_marked_migration(project: Project) -> None:
    project.deployed(GOOD)
    (project.folder / "app" / "postgres" / "migrations" / "9999_rename.sql").write_text(MARKED)
    second = project.commit()
    project.deployed(SECOND)
    status, _, err = rollback(project)
    assert status == 1
    assert "Code without migration 9999_rename.sql cannot live with it: statuses were renamed." in err
    assert project.running() == {(SECOND, second)}


def test_a_deploy_that_came_first_is_not_undone_unseen(project: Project) -> None:
    project.deployed(GOOD)
    project.commit()
    project.deployed(SECOND)
    hold(project, "another")
    process = project.start("rollback", str(project.overlay))
    read_until(process, "    waiting for another")
    record = project.cluster.get("configmap", "taskpulse-release-2", f"--namespace={project.namespace}")
    record["metadata"] = {"name": "taskpulse-release-3", "labels": {"taskpulse/release": "3"}}
    record["data"]["commit"] = 40 * "3"
    project.cluster.kubectl("create", f"--namespace={project.namespace}", "--filename=-", stdin=json.dumps(record))
    hold(project, "")
    _, err = process.communicate()
    assert err == "Error: Another deploy came first: look at `delivery history` and decide again.\n"
    assert process.returncode == 1


def hold(project: Project, holder: str) -> None:
    """Give the lock to `holder`."""
    patch = json.dumps({"spec": {"holderIdentity": holder}})
    arguments = ("lease", "taskpulse-deploy", f"--namespace={project.namespace}", "--type=merge", f"--patch={patch}")
    project.cluster.kubectl("patch", *arguments)


def test_history_is_a_table_for_people(project: Project) -> None:
    empty = project.delivery("history", str(project.overlay))
    assert empty.stdout == f"Nothing was ever deployed to {project.overlay}.\n"
    project.deployed()
    (line,) = project.delivery("history", str(project.overlay)).stdout.splitlines()
    assert line.split()[:2] == ["1", "good"]
    assert line.split()[3:] == [project.head()[:12], GOOD]
