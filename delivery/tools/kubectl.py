"""The one way to the cluster: kubectl, against the current kubeconfig, patient while the API server is away."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from delivery import yaml_writer
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools import api_faults, program

MANAGER = "taskpulse-delivery"
"""Field manager of everything that a deploy applies."""

AWAY_S = 90
"""How long the API server may be away before a command gives up."""
NO_CREDENTIALS_S = 5
"""How long it may refuse our credentials: they are sometimes looked up elsewhere, and that fails for a moment."""
PAUSE_S = 1
PARTS = 4
"""Processes at a time, where a command is split."""

ESTABLISHED_S = 25
"""How long the API server may take to serve a new kind; less than a request may take."""
UNJUDGED = ".status.conditions accessor error: <nil>"

NOWHERE = "localhost:8080"
"""Where kubectl asks when no context tells it where."""

NO_CREDENTIALS = (
    "The API server does not accept your credentials; they may have expired ({})."
    " Get new ones with `gcloud auth login` and `gcloud container clusters get-credentials`,"
    " then run the same command again."
)

NO_PLUGIN = re.compile(r"exec: executable (\S+) not found")
"""The program from which kubectl gets its credentials is not there."""

REPLACE = ("replace", "--validate=false", f"--field-manager={MANAGER}", "--filename=-")

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
        UnreachableError: the API server was away for AWAY_S, or does not know us.
    """
    patience = Patience()
    while True:
        if check:
            check()
        result = once(*arguments, stdin=stdin)
        if not patience.again(result):
            return result


class Patience:
    """Decides whether a command that failed is run again, and pauses before that."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def renew(self) -> None:
        """Wait as long as at first: there was progress."""
        self.began = time.monotonic()

    def again(self, result: subprocess.CompletedProcess[str]) -> bool:
        """Whether to run it again, after a pause; no where it succeeded, or failed for good.

        Raises:
            UnreachableError: the API server was away for AWAY_S, or does not know us, or kubectl cannot say who we are.
        """
        if result.returncode == 0:
            return False
        waited_s = time.monotonic() - self.began
        if missing := NO_PLUGIN.search(result.stderr):
            raise UnreachableError(
                f"kubectl gets its credentials from {missing[1]}, which is not installed here. Install it, as with"
                " `gcloud components install gke-gcloud-auth-plugin`, then run the same command again."
            )
        if api_faults.lacks_credentials(result.stderr):
            if waited_s > NO_CREDENTIALS_S:
                raise UnreachableError(NO_CREDENTIALS.format(last_line(result.stderr)))
        elif not api_faults.is_passing(result.stderr):
            return False
        elif NOWHERE in result.stderr:
            refuse_no_context()
        if waited_s > AWAY_S:
            if api_faults.is_judged(result.stderr):
                return False
            raise UnreachableError(
                f"The API server was away for {AWAY_S} s ({last_line(result.stderr)})."
                " Run the same command again when it is back; it goes on from what is there."
            )
        time.sleep(PAUSE_S)
        return True


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


def get(*arguments: str) -> list[Object]:
    """The objects that `kubectl get` finds; those that are not there are left out."""
    return listed(output("get", *arguments, "--ignore-not-found", "--output=json"))


def find(objects: Iterable[Object], *options: str) -> list[Object]:
    """Those of `objects` that are in the cluster, as they are there.

    Where some requests fail, only the objects that have not come yet are asked for again.

    Raises:
        KubectlError: one cannot be read.
        UnreachableError: the API server is away.
    """
    left = {which(each): stub(each) for each in objects}
    found: list[Object] = []
    patience = Patience()
    while left:
        arguments = ("get", "--filename=-", "--ignore-not-found", "--output=json", *options)
        result = once(*arguments, stdin=as_yaml(left.values()))
        come = listed(result.stdout)
        for each in come:
            left.pop(which(each), None)
        found += come
        if come:
            patience.renew()
        if not patience.again(result):
            if result.returncode:
                raise KubectlError(complaint(result.stderr))
            break
    return found


def apply(
    objects: Iterable[Object], *, dry_run: bool = False, force: bool = False, check: Check | None = None
) -> list[Object]:
    """Apply objects server-side as MANAGER; return what they are now, or would be.

    Fields that the API server does not know are refused in a dry run only.

    Raises:
        KubectlError: one is refused; the others may have been applied.
        UnreachableError: the API server is away.
    """
    arguments = ["apply", "--server-side", f"--field-manager={MANAGER}", "--filename=-", "--output=json"]
    arguments += ["--dry-run=server", "--show-managed-fields"] if dry_run else ["--validate=false"]
    arguments += ["--force-conflicts"] if force else []
    return split(arguments, list(objects), check)


def try_replace(each: Object) -> Object:
    """What an object would become if it were written whole, whatever version of it is there.

    Raises:
        KubectlError: the API server refuses it.
        UnreachableError: the API server is away.
    """
    return listed(output(*REPLACE, "--dry-run=server", "--output=json", stdin=as_yaml([any_version(each)])))[0]


def any_version(each: Object) -> Object:
    metadata = {name: value for name, value in each["metadata"].items() if name != "resourceVersion"}
    return {**each, "metadata": metadata}


def restore(each: Object, *, check: Check) -> None:
    """Make an object that is there what it was before, its managers included.

    By a patch, because `kubectl replace` rewrites the annotation by which `kubectl apply` knows what it applied.

    Raises:
        KubectlError: the API server refuses it.
        UnreachableError: the API server is away.
    """
    wanted = {name: value for name, value in any_version(each).items() if name != "status"}
    for live in find([each], "--show-managed-fields"):
        there = {name: value for name, value in any_version(live).items() if name != "status"}
        options = ("--type=merge", f"--field-manager={MANAGER}", "--patch-file=/dev/stdin", "--output=name")
        target = (resource(each), *([f"--namespace={place}"] if (place := each["metadata"].get("namespace")) else []))
        output("patch", *target, *options, stdin=json.dumps(merge_patch(there, wanted)), check=check)


def merge_patch(before: Object, after: Object) -> Object:
    """The JSON merge patch (RFC 7396) that makes `after` of `before`."""
    patch: Object = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if value != old:
            patch[name] = merge_patch(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return patch


def replaced(each: Object, *, check: Check) -> bool:
    """Write an object whole, unless somebody wrote it since it was read: its resourceVersion sees to that.

    Raises:
        KubectlError: the API server refuses it.
        UnreachableError: the API server is away.
    """
    result = run(*REPLACE, "--output=name", stdin=as_yaml([each]), check=check)
    if result.returncode and not any(reason in result.stderr for reason in ("(Conflict)", "(NotFound)")):
        raise KubectlError(complaint(result.stderr))
    return result.returncode == 0


def split(arguments: list[str], objects: list[Object], check: Check | None) -> list[Object]:
    """Run an idempotent command on all objects at once; where a request fails in passing, on smaller and smaller parts.

    The more requests a command sends, the likelier one fails; with fewer, each part succeeds before long.
    """
    if len(objects) > 1:
        if check:
            check()
        result = once(*arguments, stdin=as_yaml(objects))
        if result.returncode == 0:
            return listed(result.stdout)
        if not api_faults.is_passing(result.stderr) and not api_faults.lacks_credentials(result.stderr):
            raise KubectlError(complaint(result.stderr))
        if len(objects) <= PARTS:
            return [one for each in objects for one in split(arguments, [each], check)]
        with ThreadPoolExecutor(PARTS) as pool:
            parts = pool.map(lambda part: split(arguments, part, check), (objects[n::PARTS] for n in range(PARTS)))
            return [each for part in parts for each in part]
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


def delete(objects: Iterable[Object], *, check: Check, wait_s: float = 120) -> list[Object]:
    """Delete objects, and wait until they are gone; those that are gone already do not matter.

    Returns those that are still there after `wait_s`, because somebody's finalizer holds them.

    Raises:
        KubectlError: one may not be deleted.
        UnreachableError: the API server is away.
    """
    left = [stub(each) for each in objects]
    if not left:
        return []
    arguments = ("delete", "--filename=-", "--ignore-not-found", "--wait=false", "--output=name")
    output(*arguments, stdin=as_yaml(left), check=check)
    end = time.monotonic() + wait_s
    while (there := [each for each in find(left) if is_going(each)]) and time.monotonic() < end:
        time.sleep(PAUSE_S)
    return there


def is_going(each: Object) -> bool:
    """Whether an object is being deleted; one of the same name that is not was made after it."""
    return "deletionTimestamp" in each["metadata"]


def listed(text: str) -> list[Object]:
    if not text.strip():
        return []
    found: Any = json.loads(text)
    items: list[Object] = found["items"] if found["kind"] == "List" else [found]
    return items


def which(each: Object) -> tuple[str, str, str, str]:
    """What tells an object from all others: group, kind, namespace and name."""
    metadata = each["metadata"]
    return each["apiVersion"].rpartition("/")[0], each["kind"], metadata.get("namespace", ""), metadata["name"]


def resource(each: Object) -> str:
    """An object as an argument of kubectl: `configmap/NAME`, `gateway.gateway.networking.k8s.io/NAME`."""
    group, kind, _, name = which(each)
    return f"{'.'.join(filter(None, [kind.lower(), group]))}/{name}"


def stub(each: Object) -> Object:
    """As much of an object as says which it is."""
    metadata = {name: each["metadata"][name] for name in ("name", "namespace") if name in each["metadata"]}
    return {"apiVersion": each["apiVersion"], "kind": each["kind"], "metadata": metadata}


def as_yaml(objects: Iterable[Object]) -> str:
    return yaml_writer.dump_all(objects)


def complaint(text: str) -> str:
    """What kubectl complains of, without its advice and warnings."""
    lines = [
        line.removeprefix("error: ")
        for line in api_faults.verdict(text).splitlines()
        if not line.startswith("Warning: ")
    ]
    return " ".join("\n".join(lines).partition("\nPlease review the fields above")[0].split()) or "kubectl failed."


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
