"""Deploys at the same moment, dead holders, and an API server that is away."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from delivery.deploy import lock
from delivery.deploy.lock import DURATION_S, NAME, Lock, LostLockError
from delivery.errors import DeliveryError
from delivery.tools import kubectl
from tests.delivery.deploy.gate import Gate
from tests.delivery.deploy.project import Project, expire, read_until
from tests.support.cluster.controlplane import BINARIES, Cluster
from tests.support.cluster.kubelet import GOOD, NEVER_READY, REPOSITORY

pytestmark = pytest.mark.slow

IMPATIENT = "from delivery import cli; from delivery.tools import kubectl; kubectl.AWAY_S = 2; cli.main()"
SECOND = REPOSITORY + 64 * "2"


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
    assert "==> Failed" not in out


@pytest.mark.alone
def test_a_lock_that_cannot_be_let_go_is_no_failure(
    gate: Gate, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubectl, "AWAY_S", 2)
    mine = Lock(namespace)
    mine.acquire(60, print)
    gate.close()
    mine.release()
    gate.open()
    (lease,) = kubectl.get("lease", NAME, f"--namespace={namespace}")
    assert lease["spec"]["holderIdentity"] == mine.identity


@pytest.fixture
def gate(cluster: Cluster, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """The way of this process to the cluster, where a lock lives for three seconds."""
    cluster.kubectl("create", "namespace", namespace)
    for name, value in (("DURATION_S", 3), ("RENEW_S", 0.5), ("OVERDUE_S", 1)):
        monkeypatch.setattr(lock, name, value)
    monkeypatch.setenv("PATH", str(BINARIES), prepend=os.pathsep)
    with Gate(cluster.kubeconfig, tmp_path) as gate:
        monkeypatch.setenv("KUBECONFIG", str(gate.kubeconfig))
        yield gate


@pytest.mark.usefixtures("gate")
def test_a_renewal_that_takes_longer_than_one_may_be_old_is_enough(
    namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an API server that takes seconds for each request: no renewal is ever new."""
    monkeypatch.setattr(lock, "DURATION_S", 300)
    monkeypatch.setattr(lock, "OVERDUE_S", 0)
    mine = Lock(namespace)
    mine.acquire(60, print)
    checks = Thread(target=mine.check, daemon=True)
    checks.start()
    checks.join(60)
    assert not checks.is_alive()
    mine.release()


@pytest.mark.alone
def test_who_was_cut_off_goes_on_only_with_a_lock_that_is_still_his(
    cluster: Cluster, gate: Gate, namespace: str
) -> None:
    mine = Lock(namespace)
    mine.acquire(60, print)
    gate.close()
    time.sleep(4)
    gate.open()
    mine.check()
    gate.close()
    taken = (
        "lease",
        NAME,
        f"--namespace={namespace}",
        "--type=merge",
        '--patch={"spec": {"holderIdentity": "another"}}',
    )
    cluster.kubectl("patch", *taken)
    time.sleep(2)
    gate.open()
    with pytest.raises(LostLockError, match="The lock was lost to another"):
        mine.check()
    mine.release()


@pytest.mark.alone
def test_a_holder_that_was_cut_off_like_all_is_not_taken_for_dead(gate: Gate, namespace: str) -> None:
    mine, theirs = Lock(namespace), Lock(namespace)
    mine.acquire(60, print)
    said: list[str] = []
    waiting = Thread(target=theirs.acquire, args=(60, said.append))
    waiting.start()
    while not said:
        time.sleep(0.1)
    gate.close()
    time.sleep(5)
    gate.open()
    time.sleep(4)
    mine.check()
    mine.release()
    waiting.join()
    theirs.release()
    assert not [line for line in said if "expired" in line]


@pytest.mark.usefixtures("gate")
@pytest.mark.alone
def test_nobody_waits_for_ever(namespace: str) -> None:
    mine = Lock(namespace)
    mine.acquire(60, print)
    with pytest.raises(DeliveryError, match=re.escape(f"{mine.identity} still holds the lock after 5 s: run this")):
        Lock(namespace).acquire(5, print)
    mine.release()


def test_an_api_server_that_stays_away_is_waited_for_no_longer_and_nothing_is_put_back(
    project: Project, tmp_path: Path
) -> None:
    project.deployed()
    commit = project.commit()
    with Gate(project.cluster.kubeconfig, tmp_path) as gate:
        project.kubeconfig = gate.kubeconfig
        process = project.start("deploy", *project.arguments(SECOND), program=("-c", IMPATIENT))
        read_until(process, "==> Roll out")
        gate.close()
        out, err = process.communicate()
    assert process.returncode == 1
    assert "The API server was away for 2 s" in err
    assert "==> Failed" not in out, "whether the release failed nobody knows"
    project.kubeconfig = project.cluster.kubeconfig
    expire(project)
    assert project.deployed(SECOND)["release"] == 2
    assert project.running() == {(SECOND, commit)}


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
