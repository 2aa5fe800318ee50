"""A stand-in for the controller of gateways: it says that all is well with them and with their routes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import httpx

from tests.support.cluster.controlplane import Cluster

API = "/apis/gateway.networking.k8s.io/v1"
POLL_S = 0.3


@contextmanager
def gateways_work(cluster: Cluster, namespace: str, address: str = "127.0.0.1") -> Iterator[None]:
    """Take up each Gateway and HTTPRoute of a namespace for as long as the block lasts; gateways get `address`."""
    over = Event()

    def work() -> None:
        with cluster.client() as client:
            while not over.wait(POLL_S):
                for kind in ("gateways", "httproutes"):
                    found = client.get(f"{API}/namespaces/{namespace}/{kind}").raise_for_status().json()
                    for each in found["items"]:
                        write(client, kind, each, status_of(each, found["kind"].removesuffix("List"), address))

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def write(client: httpx.Client, kind: str, each: dict[str, Any], status: dict[str, Any]) -> None:
    """Write a status that says something new."""
    if without_times(each.get("status")) == without_times(status):
        return
    metadata = each["metadata"]
    path = f"{API}/namespaces/{metadata['namespace']}/{kind}/{metadata['name']}/status"
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = client.patch(path, json={"status": status}, headers=headers)
    assert answer.status_code in {200, 404, 409}, answer.text  # it may be deleted just now


def without_times(status: Any) -> Any:
    return json.loads(json.dumps(status), object_hook=lambda found: found | {"lastTransitionTime": ""})


def status_of(each: dict[str, Any], kind: str, address: str) -> dict[str, Any]:
    generation = each["metadata"]["generation"]
    if kind == "Gateway":
        conditions = [condition(name, generation) for name in ("Accepted", "Programmed")]
        return {"conditions": conditions, "addresses": [{"type": "IPAddress", "value": address}]}
    conditions = [condition(name, generation) for name in ("Accepted", "ResolvedRefs")]
    controller = "example.com/stand-in"
    parents = [
        {"parentRef": parent, "controllerName": controller, "conditions": conditions}
        for parent in each["spec"]["parentRefs"]
    ]
    return {"parents": parents}


def condition(name: str, generation: int, status: str = "True", reason: str = "Good") -> dict[str, Any]:
    return {
        "type": name,
        "status": status,
        "reason": reason,
        "message": reason,
        "observedGeneration": generation,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def program(cluster: Cluster, route: dict[str, Any], **conditions: tuple[str, str]) -> None:
    """Give conditions of a route a status and a reason."""
    for parent in route["status"]["parents"]:
        parent["conditions"] = [
            condition(each["type"], each["observedGeneration"], *conditions[each["type"]])
            if each["type"] in conditions
            else each
            for each in parent["conditions"]
        ]
    with cluster.client() as client:
        write(client, "httproutes", route | {"status": None}, route["status"])
