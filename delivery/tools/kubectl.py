"""The one way to the cluster: kubectl, against the current kubeconfig, patient while the API server is away."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from typing import Any

from delivery import yaml_writer
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools import program

MANAGER = "taskpulse-delivery"
"""Field manager of everything that a deploy applies."""

AWAY_S = 90
"""How long the API server may be away before a command gives up."""
PAUSE_S = 1

ESTABLISHED_S = 25
"""How long the API server may take to serve a new kind; less than a request may take."""
UNJUDGED = ".status.conditions accessor error: <nil>"

_AWAY = re.compile(
    r"was refused - did you|connection refused|connection reset|connection lost|closed network connection|"
    r"i/o timeout|handshake timeout|operation timed out|request timed out|request canceled|deadline exceeded|"
    r"network is unreachable|no route to host|failure in name resolution|unexpected EOF|: EOF|"
    r"etcdserver: |too many requests|apiserver not ready|the server is currently unable|server is shutting down",
    re.IGNORECASE,
)

WEBHOOK = "failed calling webhook"
"""Another's webhook is away, and the API server is not."""

NOWHERE = "localhost:8080"
"""Where kubectl asks when no context tells it where."""

Check = Callable[[], None]
"""Called before the cluster is changed, and before that is tried again; raises where the lock was lost."""


class KubectlError(DeliveryError):
    """kubectl, or the API server behind it, refused something."""


class UnreachableError(DeliveryError):
    """The API server has been away for longer than a deploy waits."""


def once(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run kubectl once, whatever its exit status."""
    return program.run("kubectl", "--request-timeout=30s", *arguments, stdin=stdin)


def raw(path: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Ask for a path of the API server once; without --request-timeout, which the path would end in.

    Raises:
        TimeoutError: no answer came within `timeout_s`.
    """
    return program.run("kubectl", "get", f"--raw={path}", timeout_s=timeout_s)


def run(*arguments: str, stdin: str | None = None, check: Check | None = None) -> subprocess.CompletedProcess[str]:
    """Run kubectl, whatever its exit status; again and again while the API server, or a webhook behind it, is away.

    Raises:
        UnreachableError: the API server was away for AWAY_S.
    """
    end = time.monotonic() + AWAY_S
    while True:
        if check:
            check()
        result = once(*arguments, stdin=stdin)
        if result.returncode == 0 or not _AWAY.search(result.stderr):
            return result
        if NOWHERE in result.stderr:
            refuse_no_context()
        if time.monotonic() > end:
            if WEBHOOK in result.stderr:
                return result
            raise UnreachableError(
                f"The API server was away for {AWAY_S} s ({last_line(result.stderr)})."
                " Run the same command again when it is back; it goes on from what is there."
            )
        time.sleep(PAUSE_S)


def refuse_no_context() -> None:
    """Raise DeliveryError where no context is chosen: that is nothing to wait for."""
    if once("config", "current-context").returncode:
        raise DeliveryError(
            "kubectl has no current context, so there is no cluster to ask: point KUBECONFIG at a kubeconfig,"
            " or choose a context with `kubectl config use-context`."
        )


def output(*arguments: str, stdin: str | None = None, check: Check | None = None) -> str:
    """Output of kubectl, which must succeed.

    Raises:
        KubectlError: it does not; says what kubectl said.
        UnreachableError: the API server is away.
    """
    result = run(*arguments, stdin=stdin, check=check)
    if result.returncode:
        raise KubectlError(complaint(result.stderr))
    return result.stdout


def get(*arguments: str, stdin: str | None = None) -> list[Object]:
    """The objects that `kubectl get` finds; those that are not there are left out."""
    text = output("get", *arguments, "--ignore-not-found", "--output=json", stdin=stdin)
    return listed(text)


def apply(
    objects: Iterable[Object], *, dry_run: bool = False, force: bool = False, check: Check | None = None
) -> list[Object]:
    """Apply objects server-side as MANAGER; return what they are now, or would be.

    Raises:
        KubectlError: one is refused; the others may have been applied.
    """
    arguments = ["apply", "--server-side", f"--field-manager={MANAGER}", "--filename=-", "--output=json"]
    arguments += ["--dry-run=server"] if dry_run else []
    arguments += ["--force-conflicts"] if force else []
    return listed(output(*arguments, stdin=as_yaml(objects), check=check))


def establish(definitions: str) -> None:
    """Apply CustomResourceDefinitions, and wait until the API server serves their kinds.

    Raises:
        KubectlError: one is refused, or is not served within ESTABLISHED_S.
    """
    options = ["--server-side", "--force-conflicts", f"--field-manager={MANAGER}"]
    output("apply", *options, "--filename=-", stdin=definitions)
    established = ["--for=condition=Established", f"--timeout={ESTABLISHED_S}s"]
    end = time.monotonic() + ESTABLISHED_S
    while (result := run("wait", *established, "--filename=-", stdin=definitions)).returncode:
        # `wait` gives up at once on an object that is so new that its list of conditions is null
        if UNJUDGED not in result.stderr or time.monotonic() > end:
            raise KubectlError(complaint(result.stderr))
        time.sleep(PAUSE_S)


def delete(objects: Iterable[Object], *, check: Check) -> None:
    """Delete objects and wait until they are gone; those that are gone already do not matter."""
    text = as_yaml(stub(each) for each in objects)
    if text:
        arguments = ("delete", "--filename=-", "--ignore-not-found", "--timeout=120s", "--output=name")
        output(*arguments, stdin=text, check=check)


def listed(text: str) -> list[Object]:
    if not text.strip():
        return []
    found: Any = json.loads(text)
    items: list[Object] = found["items"] if found["kind"] == "List" else [found]
    return items


def stub(each: Object) -> Object:
    """As much of an object as says which it is."""
    metadata = {name: each["metadata"][name] for name in ("name", "namespace") if name in each["metadata"]}
    return {"apiVersion": each["apiVersion"], "kind": each["kind"], "metadata": metadata}


def as_yaml(objects: Iterable[Object]) -> str:
    return yaml_writer.dump_all(objects)


def complaint(text: str) -> str:
    """What kubectl complains of, without its advice and warnings."""
    lines = [line.removeprefix("error: ") for line in text.splitlines() if not line.startswith("Warning: ")]
    return " ".join("\n".join(lines).partition("\nPlease review the fields above")[0].split()) or "kubectl failed."


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
