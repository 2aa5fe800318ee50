"""After a failure: decides whether the last good release comes back, and puts it back."""

from delivery.deploy import migrations, release
from delivery.deploy import plan as planning
from delivery.deploy.changes import apply_objects, give_back_adopted, remove_objects, roll_out
from delivery.deploy.lock import LostLockError
from delivery.deploy.smoke import smoke_test
from delivery.deploy.state import Deploy
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools.kubectl import UnreachableError


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
        try:
            give_back_adopted(deploy, [*(each for each in deploy.past if each.number != failed.number), record])
        except DeliveryError as trouble:
            deploy.report.step(f"What was adopted could not be given back whole: {trouble.message}")
        return "failed"
    target = good[-1]
    between = migrations.barriers([*deploy.past, failed], target.release)
    if between:
        deploy.report.step(f"Release {target.number} is not put back. {' '.join(between)} Fix it with a new commit.")
        return "failed"
    return put_back(deploy, target, record)


def put_back(deploy: Deploy, target: release.Record, failed: release.Record) -> str:
    deploy.report.step(f"Put back release {target.number}: commit {target.release.commit[:12]}")
    try:
        past = [*(each for each in deploy.past if each.number != failed.number), failed]
        planned = planning.make(target.release, past, restores=True)
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
