"""The command `plan`."""

import json
from pathlib import Path

import click

from delivery.cli.command import Command
from delivery.cli.deploy import commit_option, facts, masked, older_option, output_option, secrets_of, secrets_option
from delivery.deploy import freeze, release, slack, steps
from delivery.deploy import overlay as overlays
from delivery.deploy.commits import head
from delivery.deploy.freeze import Freeze
from delivery.deploy.plan import ADOPT, REFUSE, Plan
from delivery.deploy.release import Release
from delivery.deploy.report import Report, as_json, summary
from delivery.errors import ArgumentError, DeliveryError
from delivery.manifests import Object


@click.command("plan", cls=Command)
@click.argument("overlay")
@click.option("--image", help="NAME@sha256:DIGEST of the image to run; else the image and the commit that run.")
@secrets_option
@commit_option
@older_option
@click.option("--alert-on-drift", is_flag=True, help="Fail, and tell Slack, if somebody changed something by hand.")
@output_option
def plan_command(
    *,
    overlay: str,
    image: str | None,
    folder: Path | None,
    commit: str | None,
    output: str,
    allow_older: bool,
    alert_on_drift: bool,
) -> None:
    """Show what a deploy would change, and change nothing.

    Asks the cluster of the current kubeconfig. OVERLAY is a name under overlays/, or a path to a folder with a
    kustomization.
    """
    report = Report(as_json=output == "json")
    wanted, planned, error, frozen = None, None, None, None
    try:
        wanted = wanted_release(overlay, image, commit)
        given = secrets_of(folder, wanted.namespace, report)
        past = release.records(wanted.namespace)
        planned = steps.make_plan(
            wanted, past, given, report, may_be_older=allow_older, may_lack_migrations=allow_older
        )
        report.plan(planned)
        if frozen := freeze.in_force(wanted.namespace):
            report.detail(f"Namespace {wanted.namespace} {frozen.sentence()} A deploy would be refused until then.")
        if planned.of(REFUSE):
            error = DeliveryError("A deploy would be refused.")
        elif alert_on_drift:
            error = alert(overlay, wanted, planned, report)
    except DeliveryError as refusal:
        error = masked(refusal, report)
    reason = error.message if error else ""
    if report.as_json:
        click.echo(json.dumps(answer(wanted, planned, frozen, reason), indent=2))
    summary(f"Plan for {overlay}", facts(wanted, reason), planned, report.lines)
    if error:
        raise error


def wanted_release(overlay: str, image: str | None, commit: str | None) -> Release:
    """What is planned: the image that is given, or what runs, with the manifests of this checkout.

    Raises:
        DeliveryError: no image is given, and nothing runs.
    """
    if image:
        return overlays.prepare(overlay, image, commit or head())
    if commit:
        raise ArgumentError("--commit needs --image: without one, both are those that run.")
    running = release.good(release.records(overlays.namespace_of(overlay)))
    if not running:
        raise DeliveryError(f"No good release of {overlay} is recorded: say with --image what is to run.")
    return overlays.prepare(overlay, running[-1].release.image, running[-1].release.commit)


def alert(overlay: str, wanted: Release, planned: Plan, report: Report) -> DeliveryError | None:
    """Tell Slack of what was changed by hand, and return the error to end with; None where nothing was."""
    drifted = [action for action in planned.actions if action.drift and action.what != ADOPT]
    if not drifted:
        return None
    slack.tell(wanted, slack.drift_message(overlay, drifted), [], report.detail)
    return DeliveryError(f"Changed by hand: {', '.join(str(action.key) for action in drifted)}.")


def answer(wanted: Release | None, planned: Plan | None, frozen: Freeze | None, reason: str) -> Object:
    """The plan for programs."""
    return {
        "namespace": wanted.namespace if wanted else None,
        "reason": reason,
        "frozen_until": freeze.in_utc(frozen.until) if frozen else None,
        "plan": as_json(planned),
    }
