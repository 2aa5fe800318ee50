"""The command line: `python -m delivery COMMAND`, from the root of a checkout."""

import tempfile
from pathlib import Path

import click

from delivery import chart, secret_manager
from delivery.checkout import overlays
from delivery.deploy.commands import COMMANDS
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


for command in COMMANDS:
    main.add_command(command)
