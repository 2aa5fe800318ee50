"""Waiting until objects are ready that are no workloads: gateways, routes, autoscalers, certificates, jobs and more."""

import time
from collections.abc import Callable

from delivery.deploy import readiness
from delivery.deploy.release import Key
from delivery.deploy.rollout import POLL_S, RolloutError
from delivery.manifests import Object
from delivery.tools import kubectl
from delivery.tools.kubectl import Check, KubectlError, UnreachableError


def wait(objects: list[Object], timeout_s: float, say: Callable[[str], None], check: Check) -> None:
    """Wait until each of the objects is ready that has a notion of it; `check` is called now and then and may raise.

    A read that fails is repeated until the deadline.

    Raises:
        RolloutError: one will never be ready, or it took longer than `timeout_s`; says what it lacks.
        UnreachableError: at the deadline the cluster does not say whether they are ready.
    """
    waiting = Waiting({Key.of(each): each for each in objects if readiness.may_wait(each)}, say)
    end = time.monotonic() + timeout_s
    while waiting.left:
        check()
        looked = time.monotonic()
        try:
            waiting.look()
            failure = ""
        except KubectlError as error:
            failure = error.message
            say(f"the cluster does not say what is ready ({failure}); asking again")
        if waiting.left and time.monotonic() > end:
            if failure:
                raise UnreachableError(f"Whether everything is ready could not be read: {failure}")
            raise RolloutError(f"Not ready in time. {waiting.reasons()}")
        if waiting.left:
            time.sleep(max(0, POLL_S - (time.monotonic() - looked)))


class Waiting:
    """The wait for the objects that are `left`."""

    def __init__(self, left: dict[Key, Object], say: Callable[[str], None]) -> None:
        self.left = left
        self.say = say
        self.lacks: dict[Key, str] = {}
        self.began = time.monotonic()

    def look(self) -> None:
        """Look at all of them once, and say what is new.

        Raises:
            KubectlError: they cannot be read.
            RolloutError: one will never be ready.
        """
        live = {Key.of(each): each for each in kubectl.find(self.left.values())}
        for key in list(self.left):
            lack = readiness.lack(live[key]) if key in live else readiness.Lack("it is not there")
            if lack is None:
                del self.left[key]
                if key in self.lacks:
                    self.say(f"{key} is ready after {time.monotonic() - self.began:.0f} s")
            elif lack.is_final:
                raise RolloutError(f"{key} will not be ready. {lack.sentence}")
            elif self.lacks.get(key) != lack.sentence:
                self.lacks[key] = lack.sentence
                self.say(f"{key}: {lack.sentence}")

    def reasons(self) -> str:
        """What each of them lacks, in words."""
        return " ".join(f"{key}: {self.lacks[key].rstrip('.')}." for key in self.left)
