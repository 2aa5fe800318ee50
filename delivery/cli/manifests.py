"""The commands `render` and `validate`."""

import tempfile
from pathlib import Path

import click

from delivery.checkout import overlays
from delivery.cli.command import Command
from delivery.render import write
from delivery.validate import CHECKS, validate


@click.command("render", cls=Command)
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


@click.command("validate", cls=Command)
def validate_command() -> None:
    """Check the render of every overlay.

    Against the schemas of the supported Kubernetes versions, and our own rules.
    """
    with tempfile.TemporaryDirectory() as folder:
        findings = validate(write(overlays(), Path(folder)))
    for path, found in findings.items():
        for finding in found:
            click.echo(f"{path.stem}: {finding.check}: {finding.sentence}", err=True)
    if any(findings.values()):
        raise click.exceptions.Exit(1)
    click.echo(f"{', '.join(path.stem for path in findings)}: {len(CHECKS)} checks passed.")
