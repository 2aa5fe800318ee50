"""The bake: a release that does not stay well is put back before it is good, and nothing is pruned before."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from delivery.deploy import alerts, bake, smoke
from delivery.deploy.bake import Bake, BakeError
from delivery.deploy.release import Release
from delivery.deploy.rollout import Look, Rollout
from delivery.tools.kubectl import KubectlError
from tests.delivery.deploy.project import Project, read_until
from tests.support.cluster.controlplane import Cluster, wait
from tests.support.cluster.kubelet import GOOD, LOG, REPOSITORY, host_address

SECOND = REPOSITORY + 64 * "2"
RESTARTED = {
    "name": "api",
    "restartCount": 1,
    "lastState": {"terminated": {"exitCode": 3}},
    "ready": True,
    "image": SECOND,
    "imageID": "",
}
WATCHES = "    watching for 300 s: "


@pytest.mark.slow
def test_it_works(project: Project) -> None:
    result = project.deploy(GOOD, "--bake=3s")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    steps = [line for line in lines if line.startswith("==> ")]
    assert steps[-5:-1] == ["==> Smoke test", "==> Bake", "==> Prune", "==> Release 1 is good"]
    assert any(line.startswith("    all was well for ") for line in lines)


@pytest.mark.slow
def test_a_container_that_restarts_is_put_back(project: Project) -> None:
    project.commit(**project.with_settings("extra", a="1"))
    project.deployed()
    first = project.head()
    project.commit(**project.without("extra"))
    process = project.start("deploy", *project.arguments(SECOND), "--bake=300s")
    read_until(process, WATCHES)
    pods = project.cluster.get("pods", f"--namespace={project.namespace}")["items"]
    name = next(each["metadata"]["name"] for each in pods if each["spec"]["containers"][0]["image"] == SECOND)
    status = json.dumps({"status": {"containerStatuses": [RESTARTED]}})
    patch = ("patch", "pod", name, f"--namespace={project.namespace}", "--subresource=status", f"--patch={status}")
    project.cluster.kubectl(*patch)
    out, err = process.communicate()
    assert process.returncode == 1
    assert f"Pod {name}, container api: restarted 1 times while it was watched, last ended with exit status 3." in err
    assert f"| {LOG.splitlines()[0]}\n" in out
    assert "Release 1 runs again." in out
    assert project.running() == {(GOOD, first)}
    assert "extra" in project.names("configmaps")


@pytest.mark.slow
def test_answers_that_turn_wrong_are_put_back(project: Project) -> None:
    project.deployed()
    project.commit()
    process = project.start("deploy", *project.arguments(SECOND), "--bake=300s")
    read_until(process, WATCHES)
    project.sick.add(SECOND)
    _, err = process.communicate()
    assert process.returncode == 1
    assert "While it was watched, the Service answered wrongly: /health/ready: " in err
    assert [each["state"] for each in project.history()] == ["put back", "good"]


class Prometheus:
    """Stands in for Prometheus in its namespace; `alerts` are those that are active."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []

    def fire(self, name: str, namespace: str) -> None:
        labels = {"alertname": name, "namespace": namespace}
        self.alerts.append({"labels": labels, "state": "firing"})


@contextmanager
def answering(cluster: Cluster) -> Iterator[Prometheus]:
    prometheus = Prometheus()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"status": "success", "data": {"alerts": prometheus.alerts}}).encode()
            self.send_response(200 if self.path == "/api/v1/alerts" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((host_address(), 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    port = server.server_address[1]
    name = "monitoring-prometheus"
    labels = {"app": name}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}}
    ports = [{"port": 9090, "targetPort": port}]
    items: list[Any] = [
        pod | {"spec": {"containers": [{"name": "prometheus", "image": GOOD}]}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": labels, "ports": ports},
        },
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    cluster.kubectl("create", "namespace", "monitoring")
    try:
        account = ("get", "serviceaccount", "default", "--namespace=monitoring")
        wait(cluster.kubeconfig.parent, "the ServiceAccount", lambda: cluster.run(*account).returncode == 0)
        cluster.kubectl("create", "--namespace=monitoring", "--filename=-", stdin=text)
        raw = ("get", f"--raw={alerts.PATH}")
        wait(cluster.kubeconfig.parent, "Prometheus", lambda: cluster.run(*raw).returncode == 0)
        yield prometheus
    finally:
        cluster.remove_namespaces("monitoring")
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow
@pytest.mark.xdist_group("overlays")
def test_an_alert_that_begins_to_fire_is_put_back_and_one_that_fired_before_is_not(project: Project) -> None:
    with answering(project.cluster) as prometheus:
        prometheus.fire("TaskPulseTargetDown", project.namespace)
        prometheus.fire("TaskPulseErrors", "elsewhere")
        prometheus.fire("NodeDown", project.namespace)
        result = project.deploy(GOOD, "--bake=3s")
        assert result.returncode == 0, result.stderr
        project.commit()
        process = project.start("deploy", *project.arguments(SECOND), "--bake=300s")
        read_until(process, WATCHES)
        prometheus.fire("TaskPulseErrors", project.namespace)
        _, err = process.communicate()
    assert process.returncode == 1
    assert "Alerts began to fire while it was watched: TaskPulseErrors." in err


@pytest.mark.slow
def test_without_prometheus_it_says_that_alerts_are_not_watched(project: Project) -> None:
    result = project.deploy(GOOD, "--bake=1s")
    assert result.returncode == 0, result.stderr
    assert "Prometheus cannot be asked, so alerts are not watched: " in result.stdout


def pod(name: str = "one", *, ready: bool = True, restarts: int = 0) -> dict[str, Any]:
    condition = {"type": "Ready", "status": str(ready)}
    status = {"conditions": [condition], "containerStatuses": [{"name": "api", "restartCount": restarts}]}
    return {"metadata": {"name": name}, "status": status}


class Watched:
    """A bake of one Deployment that sees these pods, look after look; a KubectlError is raised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *looks: list[dict[str, Any]] | KubectlError) -> None:
        self.left = list(looks)
        self.said: list[str] = []
        deployment = {"kind": "Deployment", "metadata": {"name": "any"}}
        self.bake = Bake(Release("dev", "n", "c", "i", [deployment], {}), None, self.said.append, lambda: None)
        monkeypatch.setattr(Rollout, "look", lambda _: self.look())
        monkeypatch.setattr(Rollout, "log", lambda *_: [])
        monkeypatch.setattr(smoke, "service_path", lambda _: "")
        monkeypatch.setattr(smoke, "ask", lambda *_: "")
        monkeypatch.setattr(bake, "LOOK_S", 0)

    def look(self) -> Look:
        shown = self.left.pop(0)
        if isinstance(shown, KubectlError):
            raise shown
        return Look({}, shown)


def test_a_pod_that_stays_unready_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, [pod()], [pod(ready=False)], [pod(ready=False)])
    with pytest.raises(BakeError, match="Pod one was ready and is so no more"):
        watched.bake.run(60)


def test_a_pod_that_is_unready_once_and_a_new_one_that_is_not_ready_yet_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new = pod("new", ready=False)
    watched = Watched(monkeypatch, [pod()], [pod(ready=False), new], [pod(), new], [pod(), new])
    for number in range(4):
        watched.bake.look(is_first=number == 0)
    assert watched.bake.suspects == {}


def test_looks_after_the_end_are_as_far_apart_as_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    away = KubectlError("an error on the server")
    watched = Watched(monkeypatch, away, [pod()], [pod(ready=False)], [pod()])
    pauses: list[float] = []
    monkeypatch.setattr(bake, "LOOK_S", 60)
    monkeypatch.setattr(time, "sleep", pauses.append)
    watched.bake.run(0)  # the cluster cannot be read
    watched.bake.run(0)  # a trouble has just come up
    assert pauses == [pytest.approx(60, abs=10)] * 2
    assert watched.left == []


def test_restarts_from_before_do_not_count_and_a_last_look_always_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    away = KubectlError("an error on the server")
    watched = Watched(monkeypatch, away, [pod(restarts=1)], away, [pod(restarts=1)])
    watched.bake.run(0)
    assert watched.left == [away, [pod(restarts=1)]]
    watched = Watched(monkeypatch, [pod(restarts=1)], away, [pod(restarts=2)])
    watched.bake.look(is_first=True)
    with pytest.raises(KubectlError):
        watched.bake.look(is_first=False)
    with pytest.raises(BakeError, match="restarted 1 times"):
        watched.bake.look(is_first=False)
