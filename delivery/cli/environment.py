"""The commands `fetch-secrets` and `monitoring-chart`: what an environment has before a deploy."""

from pathlib import Path

import click

from delivery.cli.arguments import Overlay
from delivery.cli.command import Command
from delivery.deploy import chart_release, secret_manager


@click.command("fetch-secrets", cls=Command)
@click.option("--project", required=True, help="Google project whose Secret Manager is asked.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to make, readable by its owner alone; remove it afterwards.",
)
@click.option(
    "--api",
    envvar="CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER",  # as gcloud has it
    default=secret_manager.API,
    help="Secret Manager's API; else CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER.",
)
def fetch_secrets_command(project: str, out: Path, api: str) -> None:
    """Fetch the secrets from Secret Manager.

    Writes one file for each secret of terraform/secrets.yaml, named as in Secret Manager. gcloud must be signed in.
    """
    names = secret_manager.fetch(project, out, api)
    click.echo(f"{len(names)} secrets of project {project} are in {out}: {', '.join(names)}.")


@click.command("monitoring-chart", cls=Command)
@click.argument("overlay", type=Overlay())
@click.option(
    "--secrets",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder made by fetch-secrets. DB_USER comes from the environment.",
)
def monitoring_chart_command(overlay: str, secrets: Path) -> None:
    """Install or upgrade the monitoring chart.

    In the cluster of the current kubeconfig. `deploy --with-chart` does the same once the deploy is not refused.
    """
    chart_release.install(overlay, chart_release.read_by_chart(secrets, overlay), say)


def say(line: str) -> None:
    click.echo(f"    {line}")
