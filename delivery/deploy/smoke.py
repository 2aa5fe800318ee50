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
from delivery.tools import api_faults, kubectl
from delivery.tools.kubectl import PAUSE_S

TIMEOUT_S = 30
ANSWER_S = 10
IN_A_ROW = 3
"""Right answers that must follow each other: an old pod may be asked once more while endpoints lag."""
TRIES = 5
"""How often a path is asked for before a failure that may be the API server's own counts as the Service's."""


NO_PODS = "no endpoints available for service"


class SmokeError(DeliveryError):
    """What was rolled out does not answer as it must."""


def smoke_test(release: Release, say: Callable[[str], None], check: Callable[[], None]) -> None:
    """Ask the Service for /health/ready and / until they are right.

    Raises:
        SmokeError: they were not within TIMEOUT_S; says the last answer.
    """
    end = time.monotonic() + TIMEOUT_S
    path = service_path(release)
    right = 0
    while right < IN_A_ROW:
        check()
        wrong = ask(path, release.commit)
        right = 0 if wrong else right + 1
        if wrong and time.monotonic() > end:
            raise SmokeError(f"The smoke test failed for {TIMEOUT_S} s: {wrong}")
        time.sleep(1 if wrong else 0.1)
    say(f"Service {NAME} is ready and shows revision {release.commit[:12]}")


def service_path(release: Release) -> str:
    """Where the API server passes requests on to the Service."""
    return f"/api/v1/namespaces/{release.namespace}/services/{NAME}:{port(release)}/proxy"


def port(release: Release) -> str:
    service = Render(release.overlay, release.objects).named("Service", NAME)
    if service is None:
        raise SmokeError(f"There is no Service {NAME} to ask.")
    first = service["spec"]["ports"][0]
    return str(first.get("name") or first["port"])


def ask(path: str, commit: str) -> str:
    """Why the answers are not right; nothing when they are."""
    _, wrong = read(f"{path}/health/ready")
    if wrong:
        return f"/health/ready: {wrong}"
    text, wrong = read(f"{path}/")
    if wrong:
        return f"/: {wrong}"
    return wrong_revision(text, commit)


def wrong_revision(text: str | bytes, commit: str) -> str:
    """Why `/` is not that of the commit; "" where it is."""
    try:
        shown = json.loads(text)["revision"]
    except (ValueError, KeyError, TypeError):
        return "/ does not show a revision."
    return "" if shown == commit else f"/ shows revision {shown}, not {commit}."


def read(path: str) -> tuple[str, str]:
    """What a path answers, and why it does not.

    kubectl prints the same for a 500 of the service and one of the API server before it. So only one that lasts counts.
    """
    wrong = ""
    for _ in range(TRIES):
        try:
            result = kubectl.raw(path, ANSWER_S)
        except TimeoutError as error:
            wrong = f"{error}."
        else:
            if result.returncode == 0:
                return result.stdout, ""
            wrong = kubectl.complaint(result.stderr)
            if not api_faults.is_passing(result.stderr) or NO_PODS in result.stderr:
                break
        time.sleep(PAUSE_S)
    return "", wrong
