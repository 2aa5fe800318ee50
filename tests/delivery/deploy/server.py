"""Answers in the place of the pods: as the newest one that is ready would."""

import json
from collections.abc import Container, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx

from tests.support.cluster.controlplane import Cluster
from tests.support.cluster.kubelet import UNHEALTHY, host_address


@contextmanager
def pods_answer(cluster: Cluster, namespace: str, sick: Container[str] = (UNHEALTHY,)) -> Iterator[int]:
    """Serve / and /health/ready for the pods of a namespace, where those with `sick` images are not ready.

    Gives the port.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pod = newest(client, namespace)
            unhealthy = pod["image"] in sick and self.path == "/health/ready"
            body = json.dumps({"revision": pod["revision"]}).encode()
            self.send_response(503 if unhealthy else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with cluster.client() as client:
        server = ThreadingHTTPServer((host_address(), 0), Handler)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def newest(client: httpx.Client, namespace: str) -> dict[str, str]:
    items = client.get(f"/api/v1/namespaces/{namespace}/pods").raise_for_status().json()["items"]
    pods = [each for each in items if is_ready(each)]
    pod = max(pods, key=lambda each: str(each["metadata"]["creationTimestamp"]))
    container = pod["spec"]["containers"][0]
    revision = next(each["value"] for each in container["env"] if each["name"] == "REVISION")
    return {"image": container["image"], "revision": revision}


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]
