"""What a deploy changes in the cluster: it applies, deletes, and waits until the pods serve."""

import time
from collections.abc import Collection

from delivery.deploy import plan as planning
from delivery.deploy import rollout, waiting
from delivery.deploy.additions import autoscaled_in, take_over
from delivery.deploy.ownership import applied_by_us, former_of
from delivery.deploy.plan import ADOPT, PRUNE, RECREATE, RESTORE, Action, Plan
from delivery.deploy.release import Key, Record, Release
from delivery.deploy.state import Deploy
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools import kubectl

GONE_S = 15
"""How long a pruned object may take to be gone before the deploy reports it and goes on."""


def apply_objects(deploy: Deploy, objects: list[Object], given: list[Object], planned: Plan) -> None:
    """Apply Namespace, Secrets and the rest in this order, over others' changes only where the plan found such.

    What the plan found that others added is taken over just before, and so removed with the apply.

    Raises:
        KubectlError: the API server refuses something; the rest may be applied.
    """
    forced = {action.key for action in planned.actions if action.force}
    recreated = {action.key for action in planned.of(RECREATE)}
    foreign = {action.key: action for action in planned.actions if action.take_over}
    autoscaled = autoscaled_in(objects)
    spaces = [each for each in objects if each["kind"] == "Namespace"]
    rest = [each for each in objects if each["kind"] != "Namespace"]
    for each in [*rest, *given]:
        if Key.of(each) in recreated:
            deploy.report.detail(f"deleting {Key.of(each)}, to create it again")
            if left := kubectl.delete([each], check=deploy.lock.check):
                raise DeliveryError(f"{Key.of(each)} is not gone: it {planning.going(left[0])}.")
    for each in [*objects, *given]:
        if Key.of(each) in foreign:
            say_taken_over(deploy, foreign[Key.of(each)])
            is_autoscaled = (each["kind"], each["metadata"]["name"]) in autoscaled
            take_over(each, autoscaled=is_autoscaled, check=deploy.lock.check)
    for batch, force in (
        ([each for each in spaces if Key.of(each) not in forced], False),
        ([each for each in spaces if Key.of(each) in forced], True),
        (given, True),  # Secret Manager is their source
        ([each for each in rest if Key.of(each) not in forced], False),
        ([each for each in rest if Key.of(each) in forced], True),
    ):
        if batch:
            kubectl.apply(batch, force=force, check=deploy.lock.check)
    deploy.report.detail(f"{len(objects) + len(given)} objects are as they should be")


def say_taken_over(deploy: Deploy, action: Action) -> None:
    if action.what == ADOPT:
        deploy.report.detail(f"adopting {action.key}: {action.reason}")
    if action.drift:
        deploy.report.detail(f"removing from {action.key} what others added: {', '.join(action.drift)}")


def remove_objects(deploy: Deploy, past: list[Record], wanted: Release) -> None:
    """Delete what recorded releases had and `wanted` has not.

    What somebody's finalizer holds is named, and goes later by itself: the release is as good without waiting for it.
    """
    live = planning.find([], past)
    for action in planning.removals(past, wanted, live):
        deploy.report.detail(f"{action.what:9}{action.key}")
        if action.what == RESTORE and action.before:
            give_back(deploy, action.before)
        if action.what == PRUNE:
            for left in kubectl.delete([live[action.key]], check=deploy.lock.check, wait_s=GONE_S):
                deploy.report.detail(f"         not gone yet: it {planning.going(left)}")


def give_back_adopted(deploy: Deploy, past: list[Record]) -> None:
    """Give back what was adopted and has not been in a good release since."""
    for key, live in planning.find([], past).items():
        former = former_of(live, past, None)
        if former and applied_by_us(live) and not kubectl.is_going(live):
            deploy.report.detail(f"{RESTORE:9}{key}")
            give_back(deploy, former)


def give_back(deploy: Deploy, former: Object) -> None:
    """Put an object back as it was before a release adopted it; one that cannot be put back stays as it is."""
    try:
        kubectl.restore(former, check=deploy.lock.check)
    except kubectl.KubectlError as refusal:
        deploy.report.detail(f"         it stays as it is: {refusal.message}")


def roll_out(deploy: Deploy, wanted: Release, unchanged: Collection[Key] = ()) -> None:
    """Wait until the new pods serve, and until everything else is ready that may be."""
    end = time.monotonic() + deploy.timeout_s
    rollout.wait(
        wanted.objects,
        deploy.namespace,
        deploy.timeout_s,
        deploy.report.detail,
        deploy.lock.check,
        unchanged=unchanged,
    )
    waiting.wait(wanted.objects, end - time.monotonic(), deploy.report.detail, deploy.lock.check)
