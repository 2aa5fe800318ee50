"""The commands `render` and `validate`."""

from pathlib import Path

import click

from delivery import failures, settings
from delivery.cli.arguments import root_option
from delivery.cli.command import Command
from delivery.errors import DeliveryError, ToolError
from delivery.kustomizations import Kustomizations, failure, overlays
from delivery.policy import chosen
from delivery.render import render_within, write
from delivery.validate import SCHEMA_CHECKS, validate_tree


@click.command("render", cls=Command)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="rendered",
    show_default=True,
    help="Folder for one file per overlay.",
)
@root_option
def render_command(out: Path, root: Path) -> None:
    """Render every overlay to a file."""
    for path in write(rendered(root, settings.load(root)), out):
        click.echo(path)


@click.command("validate", cls=Command)
@root_option
def validate_command(root: Path) -> None:
    """Check the render of every overlay.

    Against the schemas of the supported Kubernetes versions, and the rules that delivery.yaml in the root chooses.
    """
    known = settings.load(root)
    checks = [*SCHEMA_CHECKS.values(), *chosen(known)]
    findings = validate_tree(rendered(root, known), known)
    for name, found in findings.items():
        for finding in found:
            click.echo(f"{name}: {finding.check}: {finding.sentence}", err=True)
    if left_out := Kustomizations(root).left_out:
        click.echo(f"Not looked at, as no overlay includes them: {', '.join(left_out)}.", err=True)
    if any(findings.values()):
        raise click.exceptions.Exit(1)
    click.echo(f"{', '.join(findings)}: {len(checks)} checks passed.")


def rendered(root: Path, known: settings.Settings) -> dict[str, str]:
    """What each overlay renders to; what kustomize warns of fails where every rule holds, and is shown elsewhere."""
    tree, texts = Kustomizations(root), {}
    for name in overlays(root):
        try:
            texts[name], warnings = render_within(name, tree)
        except ToolError:
            raise
        except DeliveryError as error:
            raise DeliveryError(failures.of_tree(error.message, root)) from None
        warnings = tuple(failures.of_tree(each, root) for each in warnings)
        if warnings and known.every_rule:
            raise DeliveryError(failure(name, "\n".join(warnings)))
        for each in warnings:
            click.echo(f"{name}: kustomize: {each}", err=True)
    return texts
