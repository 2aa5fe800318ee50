"""What a change does beside the manifests: images, migrations, Terraform, and the deploy itself."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from delivery.migrations import FOLDER, migrations
from delivery.review import builds
from delivery.review.files import content, listed

TERRAFORM = {".tf", ".tfvars", ".hcl"}
DEPLOY = ("delivery", ".github/workflows/deploy.yml")

Paths = frozenset[PurePosixPath]


def sentences(before: Path, after: Path, changed: Paths) -> tuple[str, ...]:
    """What differs between two trees and takes effect, though no manifest says so; `changed` has no manifests."""
    ours = any((side / "delivery" / "deploy").is_dir() for side in (before, after))
    return (
        *builds.sentences(before, after, changed),
        *schema(before, after),
        *infrastructure(changed, ours=ours),
        *(() if ours else builds.unknown(after, changed)),
    )


def schema(before: Path, after: Path) -> Iterator[str]:
    old, new = migrations(before), migrations(after)
    if added := [name for name in new if name not in old]:
        numbers = [name.partition("_")[0] for name in added]
        verb = "Migration {} runs" if len(added) == 1 else "Migrations {} run"
        yield verb.format(listed(numbers, last=" and ")) + " before the new pods."
    for name in added:
        if reason := new[name]:
            yield f"{name} is marked as one that old code cannot live with: {reason.rstrip('.')}."
    for name in old:
        if name not in new:
            yield f"Migration {name} is removed, and stays applied where it was."
        elif content(before / FOLDER / name) != content(after / FOLDER / name):
            yield f"Migration {name} is edited: where it was applied, the new pods do not start."


def infrastructure(changed: Paths, *, ours: bool) -> Iterator[str]:
    """Terraform, anywhere; the deploy, where the tree has the one that asks (`ours`)."""
    if files := sorted(str(path) for path in changed if is_terraform(path)):
        applied = "no deploy applies them, " if ours else ""
        yield f"Terraform files change ({listed(files)}): {applied}terraform plan shows what they do."
    if ours and (files := sorted(str(path) for path in changed if any(path.is_relative_to(each) for each in DEPLOY))):
        yield f"The deploy itself changes ({listed(files)})."


def is_terraform(path: PurePosixPath) -> bool:
    return path.suffix in TERRAFORM or (path.parts[0] == "terraform" and path.suffix != ".md")
