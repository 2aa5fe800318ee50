"""The command line: `python -m delivery COMMAND`, from the root of a checkout."""

import tempfile
from pathlib import Path

import click

from delivery.checkout import overlays
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
    """Say what a change would do to every overlay, in words and as a diff."""
    from delivery.review.run import review

    failures = [
        f"{each.name} {where}: {error}"
        for each in review(base, head, out).overlays
        for where, error in (("at the base", each.error_at_base), ("at head", each.error_at_head))
        if error
    ]
    click.echo(out / "comment.md")
    for failure in failures:
        click.echo(failure, err=True)
    if failures:
        raise click.exceptions.Exit(1)
