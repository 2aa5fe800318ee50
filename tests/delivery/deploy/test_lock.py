"""Deploys at the same moment, dead holders, and an API server that is away."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from delivery.deploy import kubectl
from delivery.deploy.lock import DURATION_S, NAME, Lock
from tests.cluster.controlplane import BINARIES, Cluster
from tests.delivery.deploy.gate import Gate
from tests.delivery.deploy.kubelet import GOOD, NEVER_READY, REPOSITORY
from tests.delivery.deploy.project import Project

pytestmark = pytest.mark.slow

SECOND = REPOSITORY + 64 * "2"


def read_until(process: subprocess.Popen[str], start: str) -> None:
    assert process.stdout is not None
    assert any(line.startswith(start) for line in process.stdout)


def test_of_two_deploys_one_waits_and_both_end_right(project: Project) -> None:
    project.deployed(GOOD)
    project.commit()
    processes = [project.start("deploy", *project.arguments(image)) for image in (GOOD, SECOND)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    waited = ["    waiting for " in out.partition("==> Plan")[0] for out, _ in outputs]
    assert sorted(waited) == [False, True]
    last = (GOOD, SECOND)[waited.index(True)]
    assert project.running() == {(last, project.head())}
    history = project.history()
    assert [(each["release"], each["state"]) for each in history] == [(3, "good"), (2, "good"), (1, "good")]
    assert history[0]["image"] == last


def test_the_lock_of_a_dead_holder_expires_and_who_held_it_is_said(project: Project) -> None:
    project.deployed()
    project.commit()
    first = project.start("deploy", *project.arguments())
    read_until(first, "==> Apply")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    began = time.monotonic()
    result = project.deploy()
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - began > DURATION_S
    assert f"process {first.pid} (" in result.stdout
    assert f"has not been heard of for {DURATION_S} s: its lock has expired" in result.stdout


def test_a_deploy_whose_lock_was_taken_touches_nothing_more(project: Project) -> None:
    project.deployed()
    project.commit()
    process = project.start("deploy", *project.arguments(NEVER_READY))
    read_until(process, "==> Roll out")
    patch = '{"spec": {"holderIdentity": "somebody else"}}'
    arguments = ("lease", "taskpulse-deploy", f"--namespace={project.namespace}", "--type=merge", f"--patch={patch}")
    project.cluster.kubectl("patch", *arguments)
    out, err = process.communicate()
    assert process.returncode == 1
    assert "The lock was lost to somebody else." in err
    assert "Put back" not in out


def test_a_lock_that_cannot_be_let_go_is_no_failure(
    deploy_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubectl, "AWAY_S", 2)
    monkeypatch.setenv("PATH", str(BINARIES), prepend=os.pathsep)
    with Gate(deploy_cluster.kubeconfig, tmp_path) as gate:
        monkeypatch.setenv("KUBECONFIG", str(gate.kubeconfig))
        lock = Lock("default")
        lock.acquire(60, print)
        gate.close()
        lock.release()
        gate.open()
        (lease,) = kubectl.get("lease", NAME, "--namespace=default")
    assert lease["spec"]["holderIdentity"] == lock.identity


@pytest.mark.parametrize("step", ["==> Plan", "==> Apply", "==> Roll out", "==> Smoke test"])
def test_the_api_server_may_be_away_for_ten_seconds(project: Project, tmp_path: Path, step: str) -> None:
    project.deployed()
    commit = project.commit()
    with Gate(project.cluster.kubeconfig, tmp_path) as gate:
        project.kubeconfig = gate.kubeconfig
        process = project.start("deploy", *project.arguments(SECOND))
        read_until(process, step)
        gate.close()
        time.sleep(10)
        gate.open()
        out, err = process.communicate()
    assert process.returncode == 0, out + err
    project.kubeconfig = project.cluster.kubeconfig
    assert project.running() == {(SECOND, commit)}
