"""The command line: `python -m delivery COMMAND`, from the root of a checkout."""

import os
import tempfile
from pathlib import Path

import click

from delivery.checkout import overlays
from delivery.cli.deploy import COMMANDS
from delivery.deploy import chart_release as chart
from delivery.deploy import secret_manager
from delivery.errors import DeliveryError
from delivery.render import write
from delivery.validate import CHECKS, validate


@click.group()
def main() -> None:
    """From a commit to running pods."""


@main.command("render")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="rendered",
    show_default=True,
    help="Folder for one file per overlay.",
)
def render_command(out: Path) -> None:
    """Render every overlay to a file."""
    for path in write(overlays(), out):
        click.echo(path)


@main.command("validate")
def validate_command() -> None:
    """Render every overlay and check it: schemas of the supported Kubernetes versions, and our own rules."""
    with tempfile.TemporaryDirectory() as folder:
        findings = validate(write(overlays(), Path(folder)))
    for path, found in findings.items():
        for finding in found:
            click.echo(f"{path.stem}: {finding.check}: {finding.sentence}", err=True)
    if any(findings.values()):
        raise click.exceptions.Exit(1)
    click.echo(f"{', '.join(path.stem for path in findings)}: {len(CHECKS)} checks passed.")


@main.command("review")
@click.option("--base", required=True, help="Branch or commit that the change is to be merged into.")
@click.option("--head", required=True, help="Branch or commit with the change.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="review",
    show_default=True,
    help="Folder for comment.md, summary.md, review.html and both renders.",
)
def review_command(base: str, head: str, out: Path) -> None:
    """Say what a change would do to every overlay, in words and as a diff.

    Fails where an overlay does not render at head. One that does not at the base is said alone: else no change could
    mend it.
    """
    from delivery.review.run import review

    overlays = review(base, head, out).overlays
    click.echo(out / "comment.md")
    for each in overlays:
        for where, error in (("at the base", each.error_at_base), ("at head", each.error_at_head)):
            if error:
                click.echo(f"{each.name} {where}: {error}", err=True)
    if any(each.error_at_head for each in overlays):
        raise click.exceptions.Exit(1)


@main.command("fetch-secrets")
@click.option("--project", required=True, help="Google project whose Secret Manager is asked.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to make, readable by its owner alone; remove it afterwards.",
)
def fetch_secrets_command(project: str, out: Path) -> None:
    """Fetch the secrets of terraform/secrets.yaml: one file each, named as in Secret Manager."""
    names = secret_manager.fetch(project, out)
    click.echo(f"{len(names)} secrets of project {project} are in {out}: {', '.join(names)}.")


@main.command("monitoring-chart")
@click.argument("overlay", type=click.Choice(overlays()))
@click.option(
    "--secrets",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder made by fetch-secrets. DB_USER comes from the environment.",
)
def monitoring_chart_command(overlay: str, secrets: Path) -> None:
    """Install or upgrade the monitoring chart in the cluster of the current kubeconfig."""
    chart.install(overlay, secrets)


@main.command("comment")
@click.option(
    "--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="The text."
)
@click.option("--pull-request", "number", type=click.IntRange(min=1), required=True, help="Its number.")
@click.option("--commit", required=True, help="The full name of the commit that the text speaks of.")
@click.option("--page", default="", help="URL that the comment links to.")
@click.option("--repository", envvar="GITHUB_REPOSITORY", required=True, help="OWNER/NAME; else GITHUB_REPOSITORY.")
@click.option(
    "--api", envvar="GITHUB_API_URL", default="https://api.github.com", help="GitHub's API; else GITHUB_API_URL."
)
def comment_command(*, path: Path, number: int, commit: str, page: str, repository: str, api: str) -> None:
    """Write a file into the one comment that this makes on a pull request; GITHUB_TOKEN is the token.

    A token that may not write is said, and no failure.
    """
    from delivery.review.pull_request import PullRequest, connect

    token = os.environ.get("GITHUB_TOKEN")
    if not token:
        raise DeliveryError("GITHUB_TOKEN is not set: give it a token that may write to pull requests.")
    with connect(api, token) as client:
        click.echo(PullRequest(client, repository, number).comment(path.read_text("utf-8"), commit, page))


for command in COMMANDS:
    main.add_command(command)
