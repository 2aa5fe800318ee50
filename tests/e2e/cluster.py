"""The cluster of the current kubeconfig, as the tests look at it."""

import json
import subprocess
import time
from collections.abc import Collection
from typing import Any

from delivery.tools.program import find

PATIENCE_S = 300


class Cluster:
    """kubectl, in the namespace of the test."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run kubectl, whatever its exit status."""
        command = [find("kubectl"), f"--namespace={self._namespace}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def kubectl(self, *arguments: str) -> str:
        """Output of kubectl, which must succeed."""
        result = self.run(*arguments)
        assert result.returncode == 0, f"kubectl {' '.join(arguments)}: {result.stderr}"
        return result.stdout

    def service_address(self) -> str:
        """The Service's address inside the cluster."""
        service = json.loads(self.kubectl("get", "service", "taskpulse-api", "--output=json"))
        return str(service["spec"]["clusterIP"])

    def pods(self) -> dict[str, int]:
        """Names of the service's pods, those that end as well, with how often their containers were restarted."""
        found: list[dict[str, Any]] = json.loads(
            self.kubectl("get", "pods", "--selector=app.kubernetes.io/name=taskpulse-api", "--output=json")
        )["items"]
        return {
            pod["metadata"]["name"]: sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))
            for pod in found
        }

    def wait_for_pods(self, number: int, without: Collection[str] = ()) -> None:
        """Return once there are so many pods, and none of `without`."""
        end = time.monotonic() + PATIENCE_S
        while len(pods := self.pods()) != number or pods.keys() & set(without):
            assert time.monotonic() < end, self.state()
            time.sleep(1)
        self.kubectl("wait", "--for=condition=Ready", "pod", *pods, f"--timeout={PATIENCE_S}s")

    def state(self) -> str:
        """What a person would look at when something is wrong."""
        looks = (
            ("get", "pods", "--output=wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", "--selector=app.kubernetes.io/name=taskpulse-api", "--all-containers", "--prefix", "--tail=20"),
        )
        return "\n".join(self.run(*look).stdout for look in looks)
