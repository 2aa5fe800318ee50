"""Changing the cluster: applying what was planned, and deleting what only earlier releases had."""

from delivery.deploy import plan
from delivery.deploy.plan import Plan
from delivery.deploy.release import Key, Record, Release
from delivery.deploy.report import Say
from delivery.manifests import Object
from delivery.tools import kubectl
from delivery.tools.kubectl import Check


def apply(objects: list[Object], secrets: list[Object], planned: Plan, say: Say, check: Check) -> None:
    """Apply Namespace, Secrets and the rest in this order, over others' changes only where the plan found such.

    Raises:
        KubectlError: the API server refuses something; the rest may be applied.
    """
    forced = {action.key for action in planned.actions if action.force}
    recreated = {action.key for action in planned.of(plan.RECREATE)}
    spaces = [each for each in objects if each["kind"] == "Namespace"]
    rest = [each for each in objects if each["kind"] != "Namespace"]
    for each in rest:
        if Key.of(each) in recreated:
            say(f"deleting {Key.of(each)}, to make it anew")
            kubectl.delete([each], check=check)
    for batch, force in (
        ([each for each in spaces if Key.of(each) not in forced], False),
        ([each for each in spaces if Key.of(each) in forced], True),
        (secrets, True),  # Secret Manager is their source
        ([each for each in rest if Key.of(each) not in forced], False),
        ([each for each in rest if Key.of(each) in forced], True),
    ):
        if batch:
            kubectl.apply(batch, force=force, check=check)
    say(f"{len(objects) + len(secrets)} objects are as they should be")


def remove(past: list[Record], wanted: Release, say: Say, check: Check) -> None:
    """Delete what recorded releases had and `wanted` has not."""
    live = plan.find([], past)
    for action in plan.removals(past, wanted.owned(), live):
        say(f"{action.what:9}{action.key}")
        if action.what == plan.PRUNE:
            kubectl.delete([live[action.key]], check=check)
