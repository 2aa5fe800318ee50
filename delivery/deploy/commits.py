"""Which commit is older: asked of git."""

from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.tools.git import git


def head() -> str:
    """The commit that is checked out.

    Raises:
        DeliveryError: this is no git checkout.
    """
    result = git(ROOT, "rev-parse", "HEAD")
    if result.returncode:
        raise DeliveryError("There is no git commit here to name the release by: give one with --commit.")
    return result.stdout.strip()


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
