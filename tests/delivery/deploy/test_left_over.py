"""What a deploy finds that it did not bring, or cannot remove: it says so, and releases all the same."""

import json

import pytest

from tests.delivery.deploy.project import Project, changes
from tests.delivery.deploy.server import pods_answer

pytestmark = pytest.mark.slow

HELD = {"metadata": {"finalizers": ["example.com/hold"]}}
FREE = {"metadata": {"finalizers": None}}


def patch(project: Project, content: object) -> None:
    arguments = ("patch", "configmap", "extra", "--type=merge", f"--patch={json.dumps(content)}")
    project.cluster.kubectl(*arguments, f"--namespace={project.namespace}")


def test_a_pruned_object_that_a_finalizer_holds_keeps_no_release_from_being_good(project: Project) -> None:
    project.commit(**project.with_settings("extra", a="1"))
    project.deployed()
    patch(project, HELD)
    try:
        project.commit(**project.without("extra"))
        result = project.deploy()
        assert result.returncode == 0, result.stderr
        sentence = "is being deleted, and waits for whoever takes its finalizer off: example.com/hold"
        assert f"not gone yet: it {sentence}" in result.stdout
        project.commit()
        action = changes(project.deployed())["ConfigMap/extra"]
        assert (action["action"], action["reason"]) == ("keep", f"no longer wanted, and {sentence}")
        assert [each["state"] for each in project.history()] == ["good"] * 3
    finally:
        patch(project, FREE)


def test_an_object_that_is_wanted_and_being_deleted_is_made_again(project: Project) -> None:
    project.commit(**project.with_settings("extra", a="1"))
    project.deployed()
    patch(project, HELD)
    extra = ("configmap", "extra", f"--namespace={project.namespace}")
    project.cluster.kubectl("delete", *extra, "--wait=false")
    action = project.plan()["ConfigMap/extra"]
    assert action["action"] == "recreate"
    assert "waits for whoever takes its finalizer off: example.com/hold" in action["reason"]
    patch(project, FREE)
    project.deployed()
    assert project.cluster.get(*extra)["data"] == {"a": "1"}


def test_a_namespace_that_the_overlay_has_left_is_named(project: Project) -> None:
    project.deployed()
    old, new = project.namespace, f"{project.namespace}-new"
    project.namespace = new
    try:
        with pods_answer(project.cluster, new) as port:
            project.listen_on(port)
            project.commit(namespace=new)
            action = changes(project.deployed())[f"Namespace/{old}"]
        assert action["action"] == "keep"
        assert "was deployed there before, and its pods and load balancer still run" in action["reason"]
        selector = ("--selector=taskpulse/release", f"--namespace={old}")
        project.cluster.kubectl("delete", "configmaps", *selector)
        assert project.plan() == {}
    finally:
        project.cluster.kubectl("delete", "namespace", new, "--wait=false")


def test_uncommitted_changes_are_refused(project: Project) -> None:
    with (project.folder / "base" / "service.yaml").open("a") as file:
        file.write("# changed")
    (project.overlay / "new.yaml").touch()
    result = project.deploy()
    assert result.returncode == 1
    place = project.overlay.name
    assert f"Error: Not committed: base/service.yaml, {place}/new.yaml. The release would be named" in result.stderr
    assert project.cluster.run("get", "namespace", project.namespace).returncode == 1
