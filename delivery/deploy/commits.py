"""Which commit is older: asked of git."""

from pathlib import Path

from delivery.checkout import OVERLAYS, ROOT
from delivery.errors import DeliveryError
from delivery.tools.git import git

RENDERED = ("base", "monitoring", OVERLAYS, "app/postgres/migrations")
"""What a release is made of, besides its overlay."""
SHOWN = 5


def head() -> str:
    """The commit that is checked out.

    Raises:
        DeliveryError: this is no git checkout.
    """
    result = git(ROOT, "rev-parse", "HEAD")
    if result.returncode:
        raise DeliveryError("There is no git commit here to name the release by: give one with --commit.")
    return result.stdout.strip()


def refuse_uncommitted(overlay: Path, commit: str) -> None:
    """Refuse to deploy files under the name of the commit that is checked out where it does not hold them.

    Of another commit, and without git, nobody can tell.

    Raises:
        DeliveryError: a file that the overlay in this folder may be made of is not as it was committed.
    """
    if git(ROOT, "rev-parse", "HEAD").stdout.strip() != commit:
        return
    folders = [folder for folder in (overlay, *(ROOT / name for name in RENDERED)) if folder.is_relative_to(ROOT)]
    result = git(ROOT, "status", "--porcelain", "--", *(str(folder) for folder in folders if folder.exists()))
    if result.returncode == 0 and result.stdout:
        changed = [line[3:] for line in result.stdout.splitlines()]
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        raise DeliveryError(
            f"Not committed: {', '.join(changed[:SHOWN])}{more}. The release would be named {commit[:12]}, which lacks"
            " these changes: commit them first, or put them aside with `git stash --include-untracked`."
        )


def is_older(commit: str, running: str) -> bool:
    """Whether `commit` is an ancestor of `running`; no where git, with its whole history, does not know both.

    Raises:
        DeliveryError: the checkout is shallow, so nobody can tell.
    """
    if commit == running:
        return False
    result = git(ROOT, "merge-base", "--is-ancestor", commit, running)
    if result.returncode > 1 and git(ROOT, "rev-parse", "--is-shallow-repository").stdout.strip() == "true":
        raise DeliveryError(
            f"Whether {commit[:12]} is older than {running[:12]}, which runs, cannot be told from a shallow checkout:"
            " fetch the whole history (fetch-depth: 0), or say --allow-older."
        )
    return result.returncode == 0
