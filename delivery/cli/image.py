"""The commands `find-image` and `push-image`: an image is built once for each tree, and goes from `dev` to `main`."""

import os
from pathlib import Path

import click

from delivery import tree_image
from delivery.cli.command import Command

folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The image as files, an OCI image layout.",
)


@click.command("find-image", cls=Command)
@click.argument("repositories", nargs=-1, required=True)
@folder_option
def find_image_command(repositories: tuple[str, ...], folder: Path) -> None:
    """Find the image of this tree, and pull it.

    The first of REPOSITORIES that has it counts. In GitHub Actions, the output `image` of the step is what was found;
    where no repository has it, it is empty, and nothing is written.
    """
    found = tree_image.find(repositories, folder)
    give("image", found)
    click.echo(f"{found} is the image of this tree." if found else "No image of this tree is there: it must be built.")


@click.command("push-image", cls=Command)
@click.argument("repository")
@folder_option
def push_image_command(repository: str, folder: Path) -> None:
    """Push the image of this tree, tagged with the tree.

    In GitHub Actions, the output `digest` of the step is its digest.
    """
    digest = tree_image.push(folder, repository)
    give("digest", digest)
    click.echo(f"{repository}@{digest} is pushed.")


def give(name: str, value: str) -> None:
    """Set an output of a step of GitHub Actions."""
    if path := os.environ.get("GITHUB_OUTPUT"):
        with Path(path).open("a", encoding="utf-8") as outputs:
            outputs.write(f"{name}={value}\n")
