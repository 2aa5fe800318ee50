"""The smoke test from outside: through the addresses that clients use, where they can be reached from here."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme

from delivery.deploy import front_door
from delivery.deploy.front_door import ClosedError, Door, ask_until_right, doors
from delivery.deploy.smoke import SmokeError
from tests.delivery.deploy.project import Project, read_until
from tests.support.cluster.controlplane import free_ports
from tests.support.cluster.gateway import gateways_work

HOST = "taskpulse.example.com"
COMMIT = 40 * "a"


class Front:
    """What is behind the door: it shows a revision, and counts who asked for which name."""

    def __init__(self) -> None:
        self.revision = COMMIT
        self.status = 200
        self.asked: set[tuple[str, str]] = set()
        self.port = 0


@contextmanager
def front(certificate: trustme.LeafCert | None = None) -> Iterator[Front]:
    state = Front()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.add((self.headers["Host"], self.path))
            body = json.dumps({"revision": state.revision}).encode()
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    state.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """Who signs certificates that this machine trusts."""
    found = trustme.CA()
    found.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return found


def pass_by(door: Door) -> None:
    ask_until_right(door, COMMIT, lambda: None)


def test_it_works(authority: trustme.CA) -> None:
    with front(authority.issue_cert(HOST)) as behind:
        pass_by(Door("https", HOST, behind.port, "127.0.0.1"))
    assert behind.asked == {(HOST, "/health/ready"), (HOST, "/")}


def test_it_works_without_tls() -> None:
    with front() as behind:
        pass_by(Door("http", "127.0.0.1", behind.port, "127.0.0.1"))
    assert {path for _, path in behind.asked} == {"/health/ready", "/"}


def test_a_door_without_a_way_to_it_is_closed() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ClosedError, match="refused"):
        pass_by(Door("https", HOST, port, "127.0.0.1"))


def test_a_door_that_does_not_answer_in_time_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_door, "CONNECT_S", 0.2)
    with pytest.raises(ClosedError):
        pass_by(Door("http", HOST, 80, "192.0.2.1"))  # of TEST-NET-1, which nothing routes


@pytest.mark.parametrize(
    ("status", "revision", "said"),
    [
        (502, COMMIT, r"/health/ready answers 502\."),
        (200, "other", r"/ shows revision other, not a{40}\."),
    ],
)
def test_wrong_answers_are_a_failure(monkeypatch: pytest.MonkeyPatch, status: int, revision: str, said: str) -> None:
    monkeypatch.setattr(front_door, "TIMEOUT_S", 0)
    with front() as behind:
        behind.status, behind.revision = status, revision
        with pytest.raises(SmokeError, match=f"did not answer rightly for 0 s: {said}"):
            pass_by(Door("http", HOST, behind.port, "127.0.0.1"))


def test_a_certificate_for_another_name_is_a_failure(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_door, "TIMEOUT_S", 0)
    certificate = authority.issue_cert("other.example.com")
    with front(certificate) as behind, pytest.raises(SmokeError, match="certificate is not valid for 'taskpulse"):
        pass_by(Door("https", HOST, behind.port, "127.0.0.1"))


GATEWAY = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "front"},
    "spec": {
        "listeners": [
            {"name": "http", "port": 80, "protocol": "HTTP"},
            {"name": "https", "port": 8443, "protocol": "HTTPS", "hostname": "*.example.com"},
            {"name": "tcp", "port": 5432, "protocol": "TCP"},
        ]
    },
    "status": {"addresses": [{"type": "IPAddress", "value": "192.0.2.7"}]},
}
TO_SERVICE = [{"backendRefs": [{"name": "taskpulse-api", "port": 80}]}]
REDIRECT = [{"filters": [{"type": "RequestRedirect"}]}]


def route(rules: list[Any], **more: Any) -> dict[str, Any]:
    return {"kind": "HTTPRoute", "spec": {"parentRefs": [{"name": "front", **more}], "rules": rules}}


def service(annotations: dict[str, str], *addresses: dict[str, str]) -> dict[str, Any]:
    return {
        "kind": "Service",
        "metadata": {"name": "taskpulse-api", "annotations": annotations},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        "status": {"loadBalancer": {"ingress": list(addresses)}},
    }


@pytest.mark.parametrize(
    ("objects", "live", "found"),
    [
        ([route(TO_SERVICE, sectionName="https")], [GATEWAY], ["https://192.0.2.7:8443"]),
        ([route(TO_SERVICE)], [GATEWAY], ["http://192.0.2.7", "https://192.0.2.7:8443"]),
        ([route(REDIRECT)], [GATEWAY], []),
        ([route(TO_SERVICE)], [], []),
        ([route(TO_SERVICE)], [GATEWAY | {"status": {}}], []),
        ([], [service({}, {"ip": "192.0.2.9"})], ["http://192.0.2.9"]),
        ([], [service({}, {"hostname": "lb.example.com"})], ["http://lb.example.com"]),
        ([], [service({})], []),
        ([], [service({"networking.gke.io/load-balancer-type": "Internal"}, {"ip": "10.0.0.9"})], []),
    ],
)
def test_doors(objects: list[Any], live: list[Any], found: list[str]) -> None:
    named = {(each["kind"], each["metadata"]["name"]): each for each in live}
    assert [str(each) for each in doors(objects, named)] == found


def test_a_route_is_asked_by_its_own_name() -> None:
    named = route(TO_SERVICE, sectionName="https")
    named["spec"]["hostnames"] = [HOST]
    assert list(doors([named], {("Gateway", "front"): GATEWAY})) == [Door("https", HOST, 8443, "192.0.2.7")]


def listen(project: Project, port: int) -> None:
    """Deploy main, whose gateway listens on this port for HTTPS."""
    change = [{"op": "replace", "path": "/spec/listeners/1/port", "value": port}]
    patch = {"target": {"kind": "Gateway"}, "patch": json.dumps(change)}
    project.commit(resources=["../overlays/main"], patches=[*project.kustomization["patches"], patch])


@pytest.mark.slow
def test_main_is_tested_through_its_gateway(project: Project, authority: trustme.CA) -> None:
    with front(authority.issue_cert(HOST)) as behind, gateways_work(project.cluster, project.namespace):
        listen(project, behind.port)
        behind.revision = project.head()
        result = project.deploy()
        assert result.returncode == 0, result.stderr
        assert f"    https://{HOST}:{behind.port} is ready and shows revision {project.head()[:12]}" in result.stdout
    assert behind.asked == {(HOST, "/health/ready"), (HOST, "/")}


@pytest.mark.slow
def test_a_gateway_that_cannot_be_reached_is_said(project: Project) -> None:
    (port,) = free_ports(1)
    with gateways_work(project.cluster, project.namespace):
        listen(project, port)
        result = project.deploy()
    assert result.returncode == 0, result.stderr
    assert f"    https://{HOST}:{port} cannot be reached from here, so it is not tested: " in result.stdout


@pytest.mark.slow
def test_main_is_not_good_while_its_gateway_leads_elsewhere(project: Project, authority: trustme.CA) -> None:
    with front(authority.issue_cert(HOST)) as behind, gateways_work(project.cluster, project.namespace):
        listen(project, behind.port)
        behind.status = 404
        process = project.start("deploy", *project.arguments())
        read_until(process, "    Service taskpulse-api is ready")
        assert [each["state"] for each in project.history()] == ["started"]
        behind.status, behind.revision = 200, project.head()
        _, err = process.communicate()
    assert process.returncode == 0, err
