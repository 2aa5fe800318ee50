"""Waiting for new pods: until they serve, or until one of them says why it never will."""

import re
import subprocess
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from delivery.deploy.release import Key
from delivery.errors import DeliveryError
from delivery.manifests import Object, dig
from delivery.tools import kubectl
from delivery.tools.kubectl import Check

POLL_S = 2
LAST_LINES = 10
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")

HOPELESS = {
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}
"""Reasons of a waiting container that time does not mend.

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

    Pods of an `unchanged` one that were hopeless before are made anew: what ailed them may be mended by now, and their
    back-off lasts minutes.

    Raises:
        RolloutError: a pod is hopeless, or it took longer than `timeout_s`.
    """
    end = time.monotonic() + timeout_s
    for each in objects:
        if each["kind"] in WORKLOADS:
            rollout = Rollout(f"{each['kind'].lower()}/{each['metadata']['name']}", namespace, end, say, check)
            if Key.of(each) in unchanged:
                rollout.make_anew()
            rollout.wait()


class Rollout:
    """One workload that kubectl watches while this looks after its pods."""

    def __init__(self, workload: str, namespace: str, end: float, say: Callable[[str], None], check: Check) -> None:
        self.workload = workload
        self.namespace = f"--namespace={namespace}"
        self.end = end
        self.say = say
        self.check = check
        self.said = ""
        self.began = time.monotonic()

    def make_anew(self) -> None:
        """Delete the pods that are hopeless, so that others take their places."""
        if pods := [pod for pod in self._pods()[1] if stuck(pod)]:
            self.say(f"{self.workload}: pods that got nowhere are made anew")
            kubectl.delete(pods, check=self.check)

    def wait(self) -> None:
        suspects: set[str] = set()
        while True:
            status = self._watch()
            self.check()
            if status is True:
                self.say(f"{self.workload} has rolled out after {time.monotonic() - self.began:.0f} s")
                return
            found = {} if status else self._hopeless()
            for pod in suspects & found.keys():  # twice in a row: it was no passing state
                trouble = found[pod]()
                raise RolloutError(trouble.sentence, trouble.lines)
            suspects = set(found)
            if time.monotonic() > self.end:
                raise RolloutError(f"{self.workload} did not roll out in time. {self._state()}")

    def _watch(self) -> bool | None:
        """Watch for POLL_S: True when it has rolled out, else None."""
        arguments = ("rollout", "status", self.workload, self.namespace, f"--timeout={POLL_S}s")
        began = time.monotonic()
        result = kubectl.run(*arguments)
        if result.returncode == 0:
            return True
        line = kubectl.last_line(result.stdout) if result.stdout.strip() else ""
        if line and line != self.said:
            self.say(re.sub(r"^Waiting for ", "waiting for ", line))
            self.said = line
        time.sleep(max(0, POLL_S - (time.monotonic() - began)))
        return None

    def _pods(self) -> tuple[Object | None, list[Object]]:
        """The workload, and those of its pods that are of its newest revision."""
        kinds = f"{self.workload.partition('/')[0]}s,replicasets,pods"
        found = kubectl.get(kinds, self.namespace)
        workload = next(
            (each for each in found if f"{each['kind'].lower()}/{each['metadata']['name']}" == self.workload), None
        )
        if (
            workload is None
            or (dig(workload, "status", "observedGeneration") or 0) < workload["metadata"]["generation"]
        ):
            return workload, []
        parents = [each for each in found if each["kind"] == "ReplicaSet" and owned(each, workload)]
        newest = max(parents, key=revision, default=workload)
        return workload, [each for each in found if each["kind"] == "Pod" and owned(each, newest)]

    def _hopeless(self) -> dict[str, Callable[[], Trouble]]:
        """What is hopeless by name, each with a function that finds out why."""
        workload, pods = self._pods()
        found: dict[str, Callable[[], Trouble]] = {}
        if dig(workload, "spec", "paused"):
            resume = f"kubectl rollout resume {self.workload} {self.namespace}"
            found[self.workload] = partial(Trouble, f"{self.workload} was paused: `{resume}`.", [])
        for condition in dig(workload, "status", "conditions") or []:
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                found[self.workload] = partial(Trouble, f"No pod is made: {condition['message']}", [])
        for pod in pods:
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
        return Trouble(f"{sentence.rstrip('.')}.", self._log(pod_name, name) if ended else [])

    def _log(self, pod: str, container: str) -> list[str]:
        for which in ("--previous", "--previous=false"):
            arguments = ("logs", pod, f"--container={container}", f"--tail={LAST_LINES}", which, self.namespace)
            result: subprocess.CompletedProcess[str] = kubectl.once(*arguments)
            if result.returncode == 0 and result.stdout.strip():
                return result.stdout.strip().splitlines()
        return []

    def _state(self) -> str:
        """In words, what the pods that are not ready wait for."""
        _, pods = self._pods()
        sentences = []
        for pod in pods:
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


def stuck(pod: Object) -> Object | None:
    """The status of its first container that time does not mend."""
    status = pod.get("status", {})
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return next((each for each in containers if dig(each, "state", "waiting", "reason") in HOPELESS), None)
