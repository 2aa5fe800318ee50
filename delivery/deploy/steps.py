"""The steps of a deploy. Each can be done again: killed anywhere, the same command run once more converges."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from delivery import secrets
from delivery.deploy import live_secrets, migrations, release, rollout
from delivery.deploy import plan as planning
from delivery.deploy.commits import is_older
from delivery.deploy.lock import Lock, LostLockError
from delivery.deploy.plan import NOTHING, PRUNE, RECREATE, REFUSE, Plan
from delivery.deploy.release import Key, Record, Release
from delivery.deploy.report import Report
from delivery.deploy.smoke import smoke_test
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools import kubectl
from delivery.tools.kubectl import UnreachableError


@dataclass
class Deploy:
    """A deploy under way. `choose` says what to release once the records are known and the lock is held."""

    namespace: str
    choose: Callable[[list[Record]], Release]
    report: Report
    timeout_s: float
    secrets: list[Object] = field(default_factory=list)
    may_be_older: bool = False
    may_lack_migrations: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        self.lock = Lock(self.namespace)
        self.past: list[Record] = []
        self.plan: Plan | None = None
        self.record: Record | None = None
        self.outcome = "refused"

    @property
    def begun(self) -> Record:
        if self.record is None:
            raise RuntimeError("the steps are out of order")
        return self.record

    @property
    def planned(self) -> Plan:
        if self.plan is None:
            raise RuntimeError("the steps are out of order")
        return self.plan

    @property
    def release(self) -> Release:
        return self.begun.release

    def run(self) -> None:
        """Take every step; on failure put the last good release back.

        Raises:
            DeliveryError: it failed, or was refused; says why and what runs now.
        """
        try:
            for step in STEPS:
                step(self)
        except DeliveryError as failure:
            if self.outcome == "failed":
                self.outcome = "unfinished"  # what a recovery leaves that breaks off
                self.outcome = recover(self, failure)
            raise
        finally:
            self.lock.release()


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


def apply_objects(deploy: Deploy, objects: list[Object], given: list[Object], planned: Plan) -> None:
    """Apply Namespace, Secrets and the rest in this order, over others' changes only where the plan found such.

    Raises:
        KubectlError: the API server refuses something; the rest may be applied.
    """
    forced = {action.key for action in planned.actions if action.force}
    recreated = {action.key for action in planned.of(RECREATE)}
    spaces = [each for each in objects if each["kind"] == "Namespace"]
    rest = [each for each in objects if each["kind"] != "Namespace"]
    for each in rest:
        if Key.of(each) in recreated:
            deploy.report.detail(f"deleting {Key.of(each)}, to make it anew")
            kubectl.delete([each], check=deploy.lock.check)
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


def remove_objects(deploy: Deploy, past: list[Record], wanted: Release) -> None:
    """Delete what recorded releases had and `wanted` has not."""
    live = planning.find([], past)
    for action in planning.removals(past, wanted.owned(), live):
        deploy.report.detail(f"{action.what:9}{action.key}")
        if action.what == PRUNE:
            kubectl.delete([live[action.key]], check=deploy.lock.check)


def roll_out(deploy: Deploy, wanted: Release, unchanged: Collection[Key] = ()) -> None:
    rollout.wait(
        wanted.objects,
        deploy.namespace,
        deploy.timeout_s,
        deploy.report.detail,
        deploy.lock.check,
        unchanged=unchanged,
    )


def recover(deploy: Deploy, failure: DeliveryError) -> str:
    """Do what can be done about `failure`, and return what came of it."""
    if isinstance(failure, LostLockError | UnreachableError):
        return "unfinished"
    failed = deploy.begun
    deploy.report.step(f"Failed: {failure.message}")
    for line in getattr(failure, "lines", []):
        deploy.report.detail(f"| {line}")
    if failed.state == release.GOOD:
        deploy.report.step("Nothing is put back: this is the last good release itself.")
        return "failed"
    record = failed.ended(release.FAILED, deploy.report.mask(failure.message))
    release.write(record, deploy.lock.check)
    good = [each for each in release.good(deploy.past) if each.number != failed.number]
    if not good:
        deploy.report.step("Nothing is put back: no release was good before. What there is stays, to look at.")
        return "failed"
    target = good[-1]
    between = migrations.barriers([*deploy.past, failed], target.release)
    if between:
        deploy.report.step(f"Release {target.number} is not put back. {' '.join(between)} Mend it with a new commit.")
        return "failed"
    return put_back(deploy, target, record)


def put_back(deploy: Deploy, target: release.Record, failed: release.Record) -> str:
    deploy.report.step(f"Put back release {target.number}: commit {target.release.commit[:12]}")
    try:
        past = [*(each for each in deploy.past if each.number != failed.number), failed]
        planned = planning.make(target.release, past)
        deploy.report.plan(planned)
        none: list[Object] = []  # values of Secrets are kept nowhere, so what was applied stays
        apply_objects(deploy, target.release.objects, none, planned)
        roll_out(deploy, target.release)
        smoke_test(target.release, deploy.report.detail, deploy.lock.check)
        remove_objects(deploy, past, target.release)
    except DeliveryError as trouble:
        deploy.report.step(f"Release {target.number} could not be put back whole: {trouble.message}")
        return "failed"
    release.write(failed.ended(release.PUT_BACK, failed.note), deploy.lock.check)
    deploy.report.step(f"Release {target.number} runs again.")
    return "rolled back"
