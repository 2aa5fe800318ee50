"""The commands `review` and `comment`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from delivery.cli.arguments import root_option
from delivery.cli.command import Command
from delivery.errors import DeliveryError

if TYPE_CHECKING:
    from delivery.review.acceptances import Text


def github_options(required: bool) -> Callable[[Any], Any]:
    """Options that say where a repository is on GitHub."""
    repository = click.option(
        "--repository", envvar="GITHUB_REPOSITORY", required=required, help="OWNER/NAME; else GITHUB_REPOSITORY."
    )
    api = click.option(
        "--api", envvar="GITHUB_API_URL", default="https://api.github.com", help="GitHub's API; else GITHUB_API_URL."
    )
    return lambda command: repository(api(command))


@click.command("review", cls=Command)
@click.option("--base", required=True, help="Branch or commit that the change is to be merged into.")
@click.option("--head", required=True, help="Branch or commit with the change.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="review",
    show_default=True,
    help="Folder for comment.md, summary.md, review.html and both renders.",
)
@root_option
@click.option(
    "--pull-request",
    "number",
    type=click.IntRange(min=1),
    envvar="PULL_REQUEST",
    help="Its number, to read from its text which warnings are accepted; else PULL_REQUEST.",
)
@github_options(required=False)
def review_command(
    *, base: str, head: str, out: Path, root: Path, number: int | None, repository: str | None, api: str
) -> None:
    """Show what a change does to every overlay.

    Writes it in words and as a diff. Fails if an overlay does not render at head. An overlay that does not render at
    the base is only reported: otherwise no change could fix it. With --pull-request, GITHUB_TOKEN holds a token that
    may read pull requests.
    """
    from delivery.review.run import review

    text = read_text(number, repository, api) if number else None
    overlays = review(base, head, out, root, text).overlays
    click.echo(out / "comment.md")
    for each in overlays:
        for where, error in (("at the base", each.error_at_base), ("at head", each.error_at_head)):
            if error:
                click.echo(f"{each.name} {where}: {error}", err=True)
    if any(each.error_at_head for each in overlays):
        raise click.exceptions.Exit(1)


def read_text(number: int, repository: str | None, api: str) -> "Text":
    """The text of a pull request; where it cannot be read, the review goes on without it, and says why."""
    from delivery.review import pull_request_text
    from delivery.review.acceptances import Text
    from delivery.review.github import Repository, connect

    token = os.environ.get("GITHUB_TOKEN")
    if not token or not repository:
        return Text(error=f"{'GITHUB_REPOSITORY' if token else 'GITHUB_TOKEN'} is not set.")
    with connect(api, token) as client:
        return pull_request_text.read(Repository(client, repository), number)


@click.command("comment", cls=Command)
@click.option(
    "--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="The text."
)
@click.option("--pull-request", "number", type=click.IntRange(min=1), required=True, help="Its number.")
@click.option("--commit", required=True, help="The full name of the commit that the text speaks of.")
@click.option("--page", default="", help="URL that the comment links to.")
@github_options(required=True)
def comment_command(*, path: Path, number: int, commit: str, page: str, repository: str, api: str) -> None:
    """Create or edit the review's comment on a pull request.

    GITHUB_TOKEN holds the token. If the token is read-only, the command says so and exits with 0.
    """
    from delivery.review.github import Repository, connect
    from delivery.review.pull_request import PullRequest

    token = os.environ.get("GITHUB_TOKEN")
    if not token:
        raise DeliveryError("GITHUB_TOKEN is not set: give it a token that may write to pull requests.")
    with connect(api, token) as client:
        click.echo(PullRequest(Repository(client, repository), number).comment(path.read_text("utf-8"), commit, page))
