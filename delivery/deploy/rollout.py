"""Waiting for new pods: until they serve, or until one of them says why it never will."""

import subprocess
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from delivery.deploy import progress
from delivery.deploy.progress import WORKLOADS
from delivery.deploy.release import Key
from delivery.errors import DeliveryError
from delivery.manifests import Object, dig
from delivery.tools import kubectl
from delivery.tools.kubectl import Check, KubectlError, UnreachableError

POLL_S = 1
STAYS_S = 2
"""How long a pod must be hopeless: a state that passes ends no rollout."""
LAST_LINES = 10

HOPELESS = {
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}
"""Reasons of a waiting container that time does not fix.

Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-states
"""


@dataclass(frozen=True)
class Trouble:
    """Why a rollout will not end well, and the last lines that the container logged."""

    sentence: str
    lines: list[str]


class RolloutError(DeliveryError):
    """The new pods do not get ready."""

    def __init__(self, sentence: str, lines: list[str] | None = None) -> None:
        super().__init__(sentence)
        self.lines = lines or []


def wait(
    objects: list[Object],
    namespace: str,
    timeout_s: float,
    say: Callable[[str], None],
    check: Check,
    *,
    unchanged: Collection[Key] = (),
) -> None:
    """Wait until every workload among `objects` has rolled out; `check` is called now and then and may raise.

    Pods of an `unchanged` one that were hopeless before are replaced: the cause may be fixed by now, and their
    back-off lasts minutes. A read that fails is repeated until the deadline, whatever the reason.

    Raises:
        RolloutError: a pod is hopeless, or it took longer than `timeout_s`.
        UnreachableError: at the deadline the cluster does not say whether it has rolled out.
    """
    end = time.monotonic() + timeout_s
    for each in objects:
        if each["kind"] in WORKLOADS:
            rollout = Rollout(f"{each['kind'].lower()}/{each['metadata']['name']}", namespace, end, say, check)
            if Key.of(each) in unchanged:
                rollout.replace_hopeless()
            rollout.wait()


@dataclass(frozen=True)
class Look:
    """What one look at a workload shows: itself, if it is there, and the pods of its newest revision."""

    workload: Object | None
    pods: list[Object]


class Rollout:
    """The wait for one workload and its pods."""

    def __init__(self, workload: str, namespace: str, end: float, say: Callable[[str], None], check: Check) -> None:
        self.workload = workload
        self.namespace = f"--namespace={namespace}"
        self.end = end
        self.say = say
        self.check = check
        self.said = ""
        self.began = time.monotonic()

    def replace_hopeless(self) -> None:
        """Delete the pods that are hopeless, so that others take their places; none where they cannot be read."""
        try:
            pods = [pod for pod in self.look().pods if stuck(pod)]
        except KubectlError:
            return
        if pods:
            self.say(f"{self.workload}: pods that got nowhere are replaced")
            kubectl.delete(pods, check=self.check)

    def wait(self) -> None:
        since: dict[str, float] = {}
        while True:
            self.check()
            began = time.monotonic()
            try:
                look, failure = self.look(), ""
            except KubectlError as error:
                look, failure = None, error.message
                self._say(f"the cluster does not say how far it is ({failure}); asking again")
            if look:
                waits_for = missing(look)
                if not waits_for:
                    self.say(f"{self.workload} has rolled out after {time.monotonic() - self.began:.0f} s")
                    return
                self._say(waits_for)
                found = self.hopeless(look)
                since = {name: since.get(name, began) for name in found}
                for name, first in since.items():
                    if began - first >= STAYS_S:
                        trouble = found[name]()
                        raise RolloutError(trouble.sentence, trouble.lines)
            if time.monotonic() > self.end:
                if look is None:
                    raise UnreachableError(f"Whether {self.workload} has rolled out could not be read: {failure}")
                raise RolloutError(f"{self.workload} did not roll out in time. {state(look)}")
            time.sleep(max(0, POLL_S - (time.monotonic() - began)))

    def _say(self, line: str) -> None:
        """Say a line unless it is the one that was said last."""
        if line != self.said:
            self.say(line)
            self.said = line

    def look(self) -> Look:
        kinds = f"{self.workload.partition('/')[0]}s,replicasets,pods"
        found = kubectl.get(kinds, self.namespace)
        workload = next(
            (each for each in found if f"{each['kind'].lower()}/{each['metadata']['name']}" == self.workload), None
        )
        if (
            workload is None
            or (dig(workload, "status", "observedGeneration") or 0) < workload["metadata"]["generation"]
        ):
            return Look(workload, [])
        parents = [each for each in found if each["kind"] == "ReplicaSet" and owned(each, workload)]
        newest = max(parents, key=revision, default=workload)
        return Look(workload, [each for each in found if each["kind"] == "Pod" and owned(each, newest)])

    def hopeless(self, look: Look) -> dict[str, Callable[[], Trouble]]:
        """What is hopeless by name, each with a function that finds out why."""
        workload = look.workload
        found: dict[str, Callable[[], Trouble]] = {}
        if dig(workload, "spec", "paused"):
            resume = f"kubectl rollout resume {self.workload} {self.namespace}"
            found[self.workload] = partial(Trouble, f"{self.workload} was paused: `{resume}`.", [])
        for condition in dig(workload, "status", "conditions") or []:
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                found[self.workload] = partial(Trouble, f"No pod is made: {condition['message']}", [])
        for pod in look.pods:
            if container := stuck(pod):
                found[pod["metadata"]["name"]] = partial(self._explain, pod, container)
        return found

    def _explain(self, pod: Object, container: Object) -> Trouble:
        waiting = container["state"]["waiting"]
        pod_name, name = pod["metadata"]["name"], container["name"]
        sentence = f"Pod {pod_name}, container {name}: {waiting['reason']}"
        if ended := dig(container, "lastState", "terminated"):
            sentence += (
                f", restarted {container['restartCount']} times, last ended with exit status {ended['exitCode']}"
            )
        elif message := waiting.get("message"):
            sentence += f": {message}"
        return Trouble(f"{sentence.rstrip('.')}.", self.log(pod_name, name) if ended else [])

    def log(self, pod: str, container: str) -> list[str]:
        """The last lines of a container that ended, or else of the one that runs."""
        for which in ("--previous", "--previous=false"):
            arguments = ("logs", pod, f"--container={container}", f"--tail={LAST_LINES}", which, self.namespace)
            result: subprocess.CompletedProcess[str] = kubectl.once(*arguments)
            if result.returncode == 0 and result.stdout.strip():
                return result.stdout.strip().splitlines()
        return []


def missing(look: Look) -> str:
    """What the rollout still waits for; "" once it is complete."""
    return progress.missing(look.workload) if look.workload else "waiting for it to be there"


def state(look: Look) -> str:
    """In words, what the pods that are not ready wait for."""
    sentences = []
    for pod in look.pods:
        conditions = {each["type"]: each for each in dig(pod, "status", "conditions") or []}
        for kind in ("PodScheduled", "Initialized", "Ready"):
            condition = conditions.get(kind, {})
            if condition.get("status") == "False":
                why = condition.get("message") or condition.get("reason", "no reason given")
                sentences.append(f"Pod {pod['metadata']['name']}: {why}.")
                break
    return " ".join(sentences)


def owned(each: Object, owner: Object) -> bool:
    references = each["metadata"].get("ownerReferences", [])
    return any(reference["uid"] == owner["metadata"]["uid"] for reference in references)


def revision(replica_set: Object) -> int:
    annotations = replica_set["metadata"].get("annotations", {})
    return int(annotations.get("deployment.kubernetes.io/revision", 0))


def is_ready(pod: Object) -> bool:
    conditions = {each["type"]: each["status"] for each in dig(pod, "status", "conditions") or []}
    return conditions.get("Ready") == "True"


def statuses(pod: Object) -> list[Object]:
    """The status of each of its containers, in the order in which they start."""
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def stuck(pod: Object) -> Object | None:
    """The status of its first container that time does not fix."""
    return next((each for each in statuses(pod) if dig(each, "state", "waiting", "reason") in HOPELESS), None)
