"""The steps of a deploy. Each can be done again: killed anywhere, the same command run once more converges."""

from collections.abc import Callable

from delivery import secrets
from delivery.deploy import live_secrets, migrations, release
from delivery.deploy import plan as planning
from delivery.deploy.changes import apply_objects, remove_objects, roll_out
from delivery.deploy.commits import is_older
from delivery.deploy.plan import NOTHING, REFUSE, Plan
from delivery.deploy.recovery import recover
from delivery.deploy.release import Record, Release
from delivery.deploy.report import Report
from delivery.deploy.smoke import smoke_test
from delivery.deploy.state import Deploy
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools import kubectl


def run(deploy: Deploy) -> None:
    """Take every step; on failure put the last good release back.

    Raises:
        DeliveryError: it failed, or was refused; says why and what runs now.
    """
    try:
        for step in STEPS:
            step(deploy)
    except DeliveryError as failure:
        if deploy.outcome == "failed":
            deploy.outcome = "unfinished"  # what a recovery leaves that breaks off
            deploy.outcome = recover(deploy, failure)
        raise
    finally:
        deploy.lock.release()


def take_lock(deploy: Deploy) -> None:
    """Hold the lock of the namespace, which is made first: it is where the lock lives."""
    deploy.report.step(f"Lock ({deploy.lock.identity})")
    made = kubectl.get("namespace", deploy.namespace)
    if not made:
        wanted = deploy.choose([])
        there = live_secrets.with_live(wanted.objects, deploy.secrets, deploy.namespace)
        refuse(live_secrets.missing_secrets(wanted.objects, there, deploy.namespace))
        kubectl.apply(each for each in wanted.objects if each["kind"] == "Namespace")
    deploy.lock.acquire(deploy.timeout_s, deploy.report.detail)


def plan(deploy: Deploy) -> None:
    """Say what will happen, and refuse what must not."""
    deploy.report.step("Plan")
    deploy.past = release.records(deploy.namespace)
    wanted = deploy.choose(deploy.past)
    deploy.record = release.next_record(deploy.past, wanted)
    deploy.plan = make_plan(
        wanted,
        deploy.past,
        deploy.secrets,
        deploy.report,
        may_be_older=deploy.may_be_older,
        may_lack_migrations=deploy.may_lack_migrations,
    )
    deploy.report.plan(deploy.plan)
    refuse([f"{action.key}: {action.reason}" for action in deploy.plan.of(REFUSE)])


def record(deploy: Deploy) -> None:
    """Record what this release will own before any of it is there, so that nothing is ever orphaned."""
    record = deploy.begun
    deploy.report.step(f"Release {record.number}: commit {record.release.commit[:12]}, image {record.release.image}")
    if record.state != release.GOOD:
        release.write(record, deploy.lock.check)
    deploy.outcome = "failed"  # from here on there is something to put back


def apply(deploy: Deploy) -> None:
    deploy.report.step("Apply")
    apply_objects(deploy, deploy.release.objects, deploy.secrets, deploy.planned)


def wait(deploy: Deploy) -> None:
    deploy.report.step("Roll out")
    roll_out(deploy, deploy.release, unchanged={action.key for action in deploy.planned.of(NOTHING)})


def smoke(deploy: Deploy) -> None:
    deploy.report.step("Smoke test")
    smoke_test(deploy.release, deploy.report.detail, deploy.lock.check)


def prune(deploy: Deploy) -> None:
    """Delete what only earlier releases had, now that no pod of theirs is left to miss it."""
    deploy.outcome = "unfinished"  # what runs is healthy: no reason to put anything back
    deploy.report.step("Prune")
    remove_objects(deploy, deploy.past, deploy.release)


def mark_good(deploy: Deploy) -> None:
    record = deploy.begun
    deploy.report.step(f"Release {record.number} is good")
    if record.state != release.GOOD:
        deploy.record = record.ended(release.GOOD, deploy.note)
        release.write(deploy.record, deploy.lock.check)
    others = [each for each in deploy.past if each.number != record.number]
    release.forget([*others, deploy.begun], deploy.lock.check)
    deploy.outcome = "deployed"


STEPS: tuple[Callable[[Deploy], None], ...] = (
    take_lock,
    plan,
    record,
    apply,
    wait,
    smoke,
    prune,
    mark_good,
)
"""In this order; the render goes before, when the release is prepared."""


def make_plan(
    wanted: Release,
    past: list[Record],
    given: list[Object],
    report: Report,
    *,
    may_be_older: bool,
    may_lack_migrations: bool,
) -> Plan:
    """The plan for `wanted` with the Secrets `given`, after the refusals that no dry run tells.

    From now on `report` masks what is in the Secrets that pods read: their last lines may hold it.

    Raises:
        DeliveryError: it is older than what runs, lacks a marked migration, pods need a Secret that is not there, or
            the manifests are too large to be recorded.
    """
    running = release.good(past)[-1:]
    if running and not may_be_older and is_older(wanted.commit, running[0].release.commit):
        raise DeliveryError(
            f"Commit {wanted.commit[:12]} is older than {running[0].release.commit[:12]}, which runs:"
            " to go back, use `delivery rollback`, or say --allow-older."
        )
    if not may_lack_migrations:
        refuse(migrations.barriers(past, wanted))
    release.next_record(past, wanted).as_object()
    there = live_secrets.with_live(wanted.objects, given, wanted.namespace)
    report.secret |= secrets.values_of(there)
    refuse(live_secrets.missing_secrets(wanted.objects, there, wanted.namespace))
    return report.masked(Plan([*live_secrets.changes(given), *planning.make(wanted, past).actions]))


def refuse(sentences: list[str]) -> None:
    if sentences:
        raise DeliveryError("Refused. " + " ".join(sentences))
