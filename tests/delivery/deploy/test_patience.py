"""One look is not enough to give up, and one right answer none to be content with."""

import time
from functools import partial
from itertools import count

import pytest

from delivery.deploy import smoke
from delivery.deploy.release import Release
from delivery.deploy.rollout import Look, Rollout, RolloutError, Trouble
from delivery.errors import DeliveryError

HOPELESS = {"pod": partial(Trouble, "Pod pod: CrashLoopBackOff.", [])}
SERVICE = {"kind": "Service", "metadata": {"name": "taskpulse-api"}, "spec": {"ports": [{"name": "http"}]}}
RELEASE = Release("dev", "n", "c0ffee", "image", [SERVICE], {})


DEPLOYMENT = {"kind": "Deployment", "metadata": {"name": "any", "generation": 1}, "spec": {"replicas": 1}}


def rollout(monkeypatch: pytest.MonkeyPatch, *looks: dict[str, partial[Trouble]]) -> Rollout:
    """One that has rolled out after these looks at its pods, each a second after the one before."""
    found = Rollout("deployment/any", "n", 1_000, print, lambda: None)
    status = {"observedGeneration": 1, "updatedReplicas": 1, "replicas": 1}
    done = {**DEPLOYMENT, "status": status | {"availableReplicas": 1}}
    shown = [Look({**DEPLOYMENT, "status": status}, []) for _ in looks] + [Look(done, [])]
    monkeypatch.setattr(time, "sleep", lambda _: None)
    seconds = count()
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds) / 2)
    monkeypatch.setattr(found, "look", iter(shown).__next__)
    left = iter(looks)
    monkeypatch.setattr(found, "hopeless", lambda _: next(left))
    return found


def test_a_state_that_passes_ends_no_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    rollout(monkeypatch, HOPELESS, {}, HOPELESS, HOPELESS).wait()


def test_a_state_that_stays_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RolloutError, match="Pod pod: CrashLoopBackOff"):
        rollout(monkeypatch, HOPELESS, HOPELESS, HOPELESS).wait()


def test_right_answers_must_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as an old pod is asked now and then, the new ones are not all there is."""
    answers = iter(["", "", "/ shows revision 01d, not c0ffee.", "", "", "", "never asked"])
    monkeypatch.setattr(smoke, "ask", lambda *_: next(answers))
    smoke.smoke_test(RELEASE, print, lambda: None)
    assert list(answers) == ["never asked"]


def test_a_wrong_answer_in_the_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoke, "TIMEOUT_S", 0)
    monkeypatch.setattr(smoke, "ask", lambda *_: "/ shows revision 01d, not c0ffee.")
    with pytest.raises(DeliveryError, match="The smoke test failed for 0 s: / shows revision 01d, not c0ffee"):
        smoke.smoke_test(RELEASE, print, lambda: None)
