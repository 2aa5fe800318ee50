"""What two trees come to: each overlay's comparison, and the files that tell it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

from delivery.chart import merge
from delivery.errors import DeliveryError
from delivery.manifests import Object, dig
from delivery.review import chart, refusals, trees
from delivery.review.comment import COMMENT_LIMIT, SUMMARY_LIMIT, markdown
from delivery.review.compare import Compared, Side, compare, secrets
from delivery.review.model import Review
from delivery.review.page import page


def compare_trees(
    before: trees.Tree, after: trees.Tree, changed: frozenset[PurePosixPath]
) -> tuple[list[Compared], tuple[str, ...]]:
    """Each overlay's comparison, and sentences about all of them."""
    same = chart.same(before.folder, after.folder)
    rendered = [] if same else [before, after]
    notes = tuple(dict.fromkeys(note for tree in rendered if (note := chart.unavailable(tree.folder))))
    old, new = trees.render_both(before, after, changed, charts=not same and not notes)
    asked = refusals.asked(before, after)
    with ThreadPoolExecutor(1) as pool:
        schemas = pool.submit(refusals.misfits, old, new)
        held = secrets([*old.values(), *new.values()])
        compared = [
            compare(
                name,
                Side(old.get(name), base_routes(name, before.folder)),
                Side(new.get(name), base_routes(name, after.folder), asked.after.image),
                notes if name.startswith(chart.PREFIX) and old.get(name) != new.get(name) else warned(new.get(name)),
                held,
            )
            for name in sorted(old.keys() | new.keys())
        ]
        try:
            misfits, about = schemas.result(), asked.notes
        except DeliveryError as error:
            misfits, about = {}, (*asked.notes, f"Not checked against the schemas: {error.message}")
        except (OSError, *refusals.MISSHAPEN):  # what kubeconform says is not what it should be
            misfits, about = {}, (*asked.notes, "Not checked against the schemas: kubeconform fails.")
    told = []
    for each in compared:
        name = each.review.name
        sides = old.get(name), new.get(name)
        found = refusals.refusals(name, sides, each.parsed, asked, misfits.get(name, ([], [])))
        told.append(replace(each, review=replace(each.review, refusals=found)))
    return told, about


def warned(rendered: trees.Rendered | None) -> tuple[str, ...]:
    return tuple(f"kustomize: {each}" for each in rendered.warnings) if rendered else ()


def base_routes(name: str, folder: Path) -> Object:
    """Alertmanager's configuration in the chart's values for an overlay; empty where it has none or it is no YAML."""
    merged: Object = {}
    try:
        for values in chart.load_values(name, folder).values():
            found = dig(values, "alertmanager", "config")
            merged = merge(merged, found) if isinstance(found, dict) else merged
    except DeliveryError:
        return {}  # said where the chart is rendered
    return merged


def write(result: Review, compared: list[Compared], out: Path) -> None:
    files = {
        "comment.md": markdown(result, COMMENT_LIMIT),
        "summary.md": markdown(result, SUMMARY_LIMIT),
        "review.html": page(result),
    }
    for each in compared:
        for side, text in (("base", each.before), ("head", each.after)):
            if text:
                files[f"{side}/{each.review.name}.yaml"] = text
    try:
        for name, text in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text, "utf-8", newline="")
    except OSError as error:
        raise DeliveryError(f"Cannot write to {out}: {error.strerror}. Choose another folder with --out.") from None
