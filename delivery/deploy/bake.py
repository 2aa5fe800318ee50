"""The bake: what was rolled out serves for a while, under watch, before the release is good.

It fails when a container restarts, a ready pod is so no more, the Service answers wrongly, or an alert begins to fire.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from delivery.deploy import alerts, smoke
from delivery.deploy.alerts import FIRING, NoPrometheusError
from delivery.deploy.progress import WORKLOADS
from delivery.deploy.release import Release
from delivery.deploy.rollout import Rollout, RolloutError, Trouble, is_ready, statuses
from delivery.manifests import Object, dig
from delivery.tools.kubectl import Check, KubectlError, UnreachableError

LOOK_S = 5
IN_A_ROW = 2
"""Looks that must find a trouble that may pass, such as one wrong answer, before it counts."""
BLIND_S = 120
"""How much longer the bake may last where the cluster cannot be read, or a trouble has just come up."""


class BakeError(RolloutError):
    """What was rolled out did not stay well."""


@dataclass
class Bake:
    """The bake of a release. `before` are the alerts that were active before it; None: Prometheus cannot be asked."""

    release: Release
    before: dict[str, str] | None
    say: Callable[[str], None]
    check: Check
    restarts: dict[tuple[str, str], int] = field(default_factory=dict)
    """Of each container, by pod and name, when the bake began."""
    ready: set[str] = field(default_factory=set)
    """Pods that were ready at some look."""
    suspects: dict[str, int] = field(default_factory=dict)
    """Troubles that may pass, with how many looks in a row have found each."""

    def run(self, seconds: float) -> None:
        """Watch for so long, and then until a look has seen everything.

        Raises:
            BakeError: something is not well; says what.
            UnreachableError: in the end the cluster does not say whether all is well.
        """
        began = time.monotonic()
        end = began + seconds
        is_first = True
        while True:
            self.check()
            looked = time.monotonic()
            try:
                self.look(is_first=is_first)
                if is_first:
                    watched = "restarts, readiness, answers of the Service" + (
                        "" if self.before is None else ", alerts"
                    )
                    self.say(f"watching for {seconds:.0f} s: {watched}")
                blind, is_first = "", False
            except KubectlError as error:
                blind = error.message
            if looked >= end and not blind and not self.suspects:
                self.say(f"all was well for {looked - began:.0f} s")
                return
            if looked > end + BLIND_S:
                raise UnreachableError(f"Whether the release stays well could not be read: {blind}")
            pause = min(LOOK_S, end - looked) if looked < end else LOOK_S
            time.sleep(max(0, pause - (time.monotonic() - looked)))

    def look(self, *, is_first: bool) -> None:
        """Look at everything once.

        Raises:
            BakeError: a trouble that does not pass, or that IN_A_ROW looks found.
            KubectlError: the cluster refuses to show it.
        """
        found: dict[str, Trouble] = {}
        for rollout in self.rollouts():
            for pod in rollout.look().pods:
                if "deletionTimestamp" not in pod["metadata"]:
                    self.look_at(pod, rollout, found, is_first=is_first)
        if wrong := smoke.ask(smoke.service_path(self.release), self.release.commit):
            found["Service"] = Trouble(f"While it was watched, the Service answered wrongly: {wrong}", [])
        self.look_at_alerts()
        self.suspects = {name: self.suspects.get(name, 0) + 1 for name in found}
        for name, times in self.suspects.items():
            if times >= IN_A_ROW:
                raise BakeError(found[name].sentence, found[name].lines)

    def rollouts(self) -> list[Rollout]:
        return [
            Rollout(
                f"{each['kind'].lower()}/{each['metadata']['name']}", self.release.namespace, 0, self.say, self.check
            )
            for each in self.release.objects
            if each["kind"] in WORKLOADS
        ]

    def look_at(self, pod: Object, rollout: Rollout, found: dict[str, Trouble], *, is_first: bool) -> None:
        name = pod["metadata"]["name"]
        for status in statuses(pod):
            key = (name, status["name"])
            if is_first:
                self.restarts[key] = status["restartCount"]
            if (more := status["restartCount"] - self.restarts.get(key, 0)) > 0:
                sentence = f"Pod {name}, container {status['name']}: restarted {more} times while it was watched"
                if ended := dig(status, "lastState", "terminated"):
                    sentence += f", last ended with exit status {ended['exitCode']}"
                raise BakeError(f"{sentence}.", rollout.log(name, status["name"]))
        if is_ready(pod):
            self.ready.add(name)
        elif name in self.ready:
            found[name] = Trouble(f"Pod {name} was ready and is so no more.", [])

    def look_at_alerts(self) -> None:
        """Judge alerts that were not active before; where Prometheus does not answer this time, the next look does."""
        if self.before is None:
            return
        try:
            now = alerts.active(self.release.namespace)
        except NoPrometheusError:
            return
        if new := sorted(name for name, state in now.items() if state == FIRING and name not in self.before):
            raise BakeError(f"Alerts began to fire while it was watched: {', '.join(new)}.")


def alerts_before(namespace: str, say: Callable[[str], None]) -> dict[str, str] | None:
    """The alerts that are active before a release; None, and a line that says so, if Prometheus does not answer."""
    try:
        return alerts.active(namespace)
    except NoPrometheusError as error:
        say(f"Prometheus cannot be asked, so alerts are not watched: {error.message}.")
        return None
