"""The smoke test: the Service answers through the API server's proxy, with the revision that was deployed.

A runner reaches no pod otherwise.
Source: https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/
"""

import json
import time
from collections.abc import Callable

from delivery.deploy.overlay import NAME
from delivery.deploy.release import Release
from delivery.errors import DeliveryError
from delivery.manifests import Render
from delivery.tools import kubectl

TIMEOUT_S = 30
ANSWER_S = 10
IN_A_ROW = 3
"""Right answers that must follow each other: an old pod may be asked once more while endpoints lag."""


class SmokeError(DeliveryError):
    """What was rolled out does not answer as it must."""


def smoke_test(release: Release, say: Callable[[str], None], check: Callable[[], None]) -> None:
    """Ask the Service for /health/ready and / until they are right.

    Raises:
        SmokeError: they were not within TIMEOUT_S; says the last answer.
    """
    end = time.monotonic() + TIMEOUT_S
    path = f"/api/v1/namespaces/{release.namespace}/services/{NAME}:{port(release)}/proxy"
    right = 0
    while right < IN_A_ROW:
        check()
        wrong = ask(path, release.commit)
        right = 0 if wrong else right + 1
        if wrong and time.monotonic() > end:
            raise SmokeError(f"The smoke test failed for {TIMEOUT_S} s: {wrong}")
        time.sleep(1 if wrong else 0.1)
    say(f"Service {NAME} is ready and shows revision {release.commit[:12]}")


def port(release: Release) -> str:
    service = Render(release.overlay, release.objects).named("Service", NAME)
    if service is None:
        raise SmokeError(f"There is no Service {NAME} to ask.")
    first = service["spec"]["ports"][0]
    return str(first.get("name") or first["port"])


def ask(path: str, commit: str) -> str:
    """Why the answers are not right; nothing when they are."""
    try:
        ready = kubectl.raw(f"{path}/health/ready", ANSWER_S)
        if ready.returncode:
            return f"/health/ready: {kubectl.complaint(ready.stderr)}"
        root = kubectl.raw(f"{path}/", ANSWER_S)
    except TimeoutError as error:
        return f"{error}."
    if root.returncode:
        return f"/: {kubectl.complaint(root.stderr)}"
    try:
        shown = json.loads(root.stdout)["revision"]
    except (ValueError, KeyError, TypeError):
        return "/ does not show a revision."
    return "" if shown == commit else f"/ shows revision {shown}, not {commit}."
