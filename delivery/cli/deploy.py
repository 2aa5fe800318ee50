"""The commands `deploy`, `history` and `rollback`."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import click

from delivery import addresses, chart, secrets
from delivery.checkout import ROOT
from delivery.cli.arguments import Duration
from delivery.cli.command import Command, in_words
from delivery.deploy import chart_release, freeze, release, slack, steps
from delivery.deploy import overlay as overlays
from delivery.deploy.commits import head, refuse_uncommitted
from delivery.deploy.ownership import taken_by
from delivery.deploy.release import Record, Release
from delivery.deploy.report import Report, as_json, summary
from delivery.deploy.state import Deploy
from delivery.errors import ArgumentError, DeliveryError
from delivery.manifests import Object
from delivery.tools import kubectl

image_option = click.option("--image", required=True, help="NAME@sha256:DIGEST of the image to run.")
secrets_option = click.option(
    "--secrets",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with a file for each secret of terraform/secrets.yaml. DB_USER comes from the environment.",
)
commit_option = click.option("--commit", help="Commit that is deployed, which `/` shows.  [default: git HEAD]")
older_option = click.option(
    "--allow-older", is_flag=True, help="Also a commit older than what runs, or without a marked migration."
)
timeout_option = click.option(
    "--timeout", type=Duration(), default="10m", show_default=True, help="For the lock, and for new pods."
)
bake_option = click.option(
    "--bake",
    type=Duration(),
    default="60s",
    show_default=True,
    help="How long the new pods must stay well before the release is good; 0s: not at all.",
)
chart_option = click.option(
    "--with-chart", is_flag=True, help="Bring the monitoring chart too, after all refusals. Needs --secrets."
)
output_option = click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.command("deploy", cls=Command)
@click.argument("overlay")
@image_option
@secrets_option
@commit_option
@older_option
@timeout_option
@bake_option
@chart_option
@output_option
def deploy_command(
    *,
    overlay: str,
    image: str,
    folder: Path | None,
    commit: str | None,
    timeout: float,
    bake: float,
    output: str,
    allow_older: bool,
    with_chart: bool,
) -> None:
    """Deploy an image; roll back if it does not work.

    Changes the cluster of the current kubeconfig. OVERLAY is a name under overlays/, or a path to a folder with a
    kustomization.
    """
    if with_chart and folder is None:
        raise click.UsageError("--with-chart needs --secrets: the chart's pods read some of them.")
    report = Report(as_json=output == "json")

    def prepare() -> Deploy:
        report.step(f"Render and validate {overlay}")
        wanted = overlays.prepare(overlay, image, commit or head())
        refuse_uncommitted(overlays.folder_of(overlay), wanted.commit)
        report.detail(f"{len(wanted.objects)} objects in namespace {wanted.namespace}")
        given = secrets_of(folder, wanted.namespace, report)
        deploy = Deploy(wanted.namespace, lambda _: wanted, report, timeout, bake, given, allow_older, allow_older)
        if with_chart and folder:
            deploy.chart_secrets = chart_secrets(folder, wanted.overlay)
            report.secret |= secrets.values_of(deploy.chart_secrets)
        return deploy

    run(prepare, report, f"Deploy to {overlay}")


@click.command("rollback", cls=Command)
@click.argument("overlay")
@click.argument("releases", type=click.IntRange(min=1), required=False)
@click.option("--to", "number", type=click.IntRange(min=1), help="Number of the release, as `history` shows it.")
@timeout_option
@bake_option
@output_option
def rollback_command(
    *, overlay: str, releases: int | None, number: int | None, timeout: float, bake: float, output: str
) -> None:
    """Bring back an earlier good release.

    Without RELEASES, the one before the release that runs now; with it, so many before. After a rollback, the next one
    goes further back. The image and the manifests both come back.
    """
    if releases and number:
        raise click.UsageError("Give RELEASES or --to, not both.")
    report = Report(as_json=output == "json")

    def wanted(past: list[Record]) -> Record:
        return release.numbered(past, number) if number else release.earlier(past, releases or 1)

    def prepare() -> Deploy:
        namespace = overlays.namespace_of(overlay)
        known = release.records(namespace)
        if other := taken_by(known, overlays.folder_of(overlay).name):
            raise DeliveryError(f"Overlay {other} was deployed to namespace {namespace} last: roll that one back.")
        target = wanted(known)

        def choose(past: list[Record]) -> Release:
            if wanted(past).number != target.number:
                raise DeliveryError("Another deploy came first: look at `delivery history` and decide again.")
            return target.release

        deploy = Deploy(namespace, choose, report, timeout, bake, may_be_older=True)
        deploy.restores = target.origin
        left = [record for record in known if record.state != release.PUT_BACK][-1]
        deploy.note = f"rollback from release {left.number} to release {target.origin}"
        return deploy

    run(prepare, report, f"Rollback of {overlay}")


@click.command("history", cls=Command)
@click.argument("overlay")
@output_option
def history_command(overlay: str, output: str) -> None:
    """List the releases in the cluster, newest first."""
    namespace = overlays.namespace_of(overlay)
    past = release.records(namespace)[::-1]
    if frozen := freeze.read(namespace):
        click.echo(f"Namespace {namespace} {frozen.sentence()}", err=output == "json")
    if output == "json":
        click.echo(json.dumps([record.as_json() for record in past], indent=2))
        return
    for record in past:
        facts = (
            f"{record.number:4}",
            f"{record.state:7}",
            record.time,
            record.release.commit[:12],
            record.release.image,
        )
        click.echo("  ".join([*facts, record.note]).rstrip())
    if not past:
        click.echo(f"Nothing was ever deployed to {overlay}.")


def secrets_of(folder: Path | None, namespace: str, report: Report) -> list[Object]:
    """The Secrets to apply; those of a namespace that is not ours and not there are left out, which is said."""
    given = secrets.load(folder, namespace, os.environ) if folder else []
    report.secret = secrets.values_of(given)
    for place in sorted({each["metadata"]["namespace"] for each in given} - {namespace}):
        if not kubectl.get("namespace", place):
            report.detail(f"There is no namespace {place}, so its Secrets are left out.")
            given = [each for each in given if each["metadata"]["namespace"] != place]
    return given


def chart_secrets(folder: Path, overlay: str) -> list[Object]:
    """The Secrets that the monitoring chart reads.

    Raises:
        ArgumentError: the chart has no values for the overlay.
        DeliveryError: no digest is pinned, an address in the settings cannot be used, a secret is missing or wrong,
            or DB_USER is not set.
    """
    if overlay not in (known := chart.environments(ROOT)):
        raise ArgumentError(f"--with-chart: the chart has values for {', '.join(known)}, not for {overlay}.")
    chart.refuse_unpinned(chart.pin(ROOT))
    addresses.check(ROOT, overlay)
    return chart_release.read_by_chart(folder, overlay)


def run(prepare: Callable[[], Deploy], report: Report, heading: str) -> None:
    """Prepare and run a deploy, and say at the end what came of it wherever that is read."""
    began = time.monotonic()
    deploy, error = None, None
    try:
        deploy = prepare()
        steps.run(deploy)
        report.step(f"Done in {time.monotonic() - began:.0f} s")
    except DeliveryError as failure:
        error = masked(failure, report)
    except OSError as failure:  # it says nothing about the release
        error = DeliveryError(in_words(failure))
        if deploy and deploy.outcome == "failed":
            deploy.outcome = "unfinished"
    except KeyboardInterrupt:
        error = DeliveryError(
            "Interrupted. What was reached stays; run the same command again, and it continues from there."
        )
        if deploy and deploy.outcome == "failed":
            deploy.outcome = "unfinished"
    reason = error.message if error else ""
    if deploy:
        slack.tell_end(deploy, heading, reason)
    conclude(deploy, report, heading, reason, time.monotonic() - began)
    if error:
        raise error


def masked(error: DeliveryError, report: Report) -> DeliveryError:
    """The same error without the values of Secrets."""
    kind = ArgumentError if isinstance(error, ArgumentError) else DeliveryError
    return kind(report.mask(error.message))


def conclude(deploy: Deploy | None, report: Report, heading: str, reason: str, seconds: float) -> None:
    """Tell the end of a deploy; there is none where it could not even be prepared."""
    record = deploy.record if deploy else None
    plan = deploy.plan if deploy else None
    outcome = deploy.outcome if deploy else "refused"
    result = {
        "result": outcome,
        "reason": reason,
        "release": record.number if record else None,
        "commit": record.release.commit if record else None,
        "image": record.release.image if record else None,
        "namespace": deploy.namespace if deploy else None,
        "seconds": round(seconds, 1),
        "plan": as_json(plan),
    }
    if report.as_json:
        click.echo(json.dumps(result, indent=2))
    known = facts(record.release if record else None, reason)
    summary(f"{heading}: {outcome}", [*known, ("seconds", f"{seconds:.0f}")], plan, report.lines)


def facts(wanted: Release | None, reason: str) -> list[tuple[str, str]]:
    """What the summary says first, as far as it is known."""
    found = [("namespace", wanted.namespace), ("commit", wanted.commit), ("image", wanted.image)] if wanted else []
    return [*found, *([("reason", reason)] if reason else [])]
