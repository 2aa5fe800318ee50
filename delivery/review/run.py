"""The review of a pull request, from two refs to files."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from delivery.chart import FOLDER
from delivery.checkout import ROOT
from delivery.review import trees

if TYPE_CHECKING:
    from delivery.review.acceptances import Text
    from delivery.review.model import Review


def review(base: str, head: str, out: Path, root: Path = ROOT, text: "Text | None" = None) -> "Review":
    """Compare `head` with where it left `base`, and write everything to the folder `out`.

    Lines in the `text` of a pull request accept warnings.

    Raises:
        DeliveryError: a ref names no commit, or the folder cannot be written to.
    """
    base_commit = trees.commit(root, base, "--base")
    head_commit = trees.commit(root, head, "--head")
    fork = trees.merge_base(root, base_commit, head_commit)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        changed = trees.differing(root, fork, head_commit)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(import_module, "delivery.review.outcome")  # while git writes the files
            before = trees.lay_out(root, fork, folder / "base")
            after = trees.lay_out(root, head_commit, folder / "head", before, changed)
        from delivery.review import acceptances, beside, outcome, unseen
        from delivery.review.model import Review

        compared, about = outcome.compare_trees(before, after, changed)
        missed = unseen.changes(before.kustomizations, after.kustomizations, changed)
        shown = missed | before.kustomizations.files | after.kustomizations.files
        others = frozenset(path for path in changed - shown if not path.is_relative_to(FOLDER))
        also = beside.sentences(before.folder, after.folder, others)
        notes = (*unseen.sentences(missed, after.kustomizations), *about)
    result = Review(base_commit, head_commit, fork, tuple(each.review for each in compared), also, notes, bool(missed))
    result = acceptances.apply(result, text) if text else result
    outcome.write(result, compared, out)
    return result
