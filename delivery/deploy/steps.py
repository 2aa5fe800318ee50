"""The steps of a deploy. Each can be done again: killed anywhere, the same command run once more converges."""

from collections.abc import Callable

from delivery import secrets
from delivery.deploy import chart_release, freeze, live_secrets, migrations, release
from delivery.deploy import plan as planning
from delivery.deploy.bake import Bake, alerts_before
from delivery.deploy.changes import apply_objects, remove_objects, roll_out
from delivery.deploy.commits import is_older
from delivery.deploy.plan import ADOPT, NOTHING, REFUSE, Plan
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
    refuse_frozen(deploy)
    deploy.past = release.records(deploy.namespace)
    wanted = deploy.choose(deploy.past)
    deploy.record = release.next_record(deploy.past, wanted, deploy.restores)
    deploy.plan = make_plan(
        wanted,
        deploy.past,
        deploy.secrets,
        deploy.report,
        may_be_older=deploy.may_be_older,
        may_lack_migrations=deploy.may_lack_migrations,
        may_lack_kinds=deploy.chart_secrets is not None,
        restores=bool(deploy.restores),
    )
    deploy.report.plan(deploy.plan)
    deploy.record = deploy.record.adopting([each.before for each in deploy.plan.of(ADOPT) if each.before])
    refuse([f"{action.key}: {action.reason}" for action in deploy.plan.of(REFUSE)])


def chart(deploy: Deploy) -> None:
    """Bring the monitoring chart, now that nothing is refused, and before anything of the service changes."""
    if deploy.chart_secrets is None:
        return
    deploy.report.step("Monitoring chart")
    deploy.outcome = "unfinished"  # the service is as it was, so there is nothing to put back
    chart_release.install(deploy.release.overlay, deploy.chart_secrets, deploy.report.detail)


def record(deploy: Deploy) -> None:
    """Record what this release will own before any of it is there, so that nothing is ever orphaned."""
    record = deploy.begun
    deploy.report.step(f"Release {record.number}: commit {record.release.commit[:12]}, image {record.release.image}")
    if record.state != release.GOOD:
        release.write(record, deploy.lock.check)
    deploy.outcome = "failed"  # from here on there is something to put back
    if deploy.bake_s:
        deploy.alerts = alerts_before(deploy.namespace, deploy.report.detail)


def apply(deploy: Deploy) -> None:
    deploy.report.step("Apply")
    apply_objects(deploy, deploy.release.objects, deploy.secrets, deploy.planned)


def wait(deploy: Deploy) -> None:
    deploy.report.step("Roll out")
    roll_out(deploy, deploy.release, unchanged={action.key for action in deploy.planned.of(NOTHING)})


def smoke(deploy: Deploy) -> None:
    from delivery.deploy.front_door import ask_from_outside

    deploy.report.step("Smoke test")
    smoke_test(deploy.release, deploy.report.detail, deploy.lock.check)
    ask_from_outside(deploy.release, deploy.report.detail, deploy.lock.check)


def bake(deploy: Deploy) -> None:
    """Watch the new release for a while, before anything that the old one needs is gone."""
    if deploy.bake_s:
        deploy.report.step("Bake")
        Bake(deploy.release, deploy.alerts, deploy.report.detail, deploy.lock.check).run(deploy.bake_s)


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
    chart,
    record,
    apply,
    wait,
    smoke,
    bake,
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
    may_lack_kinds: bool = False,
    restores: bool = False,
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
    made = planning.make(wanted, past, may_lack_kinds=may_lack_kinds, restores=restores)
    left = planning.left_behind(wanted, release.namespaces_of(wanted.overlay))
    return report.masked(Plan([*live_secrets.changes(given, wanted.overlay), *made.actions, *left]))


def refuse_frozen(deploy: Deploy) -> None:
    """Refuse a deploy in a freeze; a rollback, which takes back what is bad, is only told of it.

    Raises:
        DeliveryError: it is frozen.
    """
    found = freeze.in_force(deploy.namespace)
    if found and deploy.restores:
        deploy.report.detail(f"namespace {deploy.namespace} {found}; a rollback is possible all the same")
    elif found:
        raise DeliveryError(
            f"Refused. Namespace {deploy.namespace} {found.sentence()} Deploy after that, or end the freeze first:"
            " `delivery unfreeze OVERLAY`."
        )


def refuse(sentences: list[str]) -> None:
    if sentences:
        raise DeliveryError("Refused. " + " ".join(sentences))
