"""The review as GitHub's Markdown: what happens in a table, what is dangerous in words, then every diff."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from delivery.review.markdown import code, fence, prose
from delivery.review.model import VERBS, Change, OverlayReview, Review

MARKER = "<!-- taskpulse review -->"  # by which the one comment is found again
COMMENT_LIMIT = 65_000  # bytes of UTF-8; GitHub refuses more than 65,536 characters
SUMMARY_LIMIT = 1_000_000  # bytes; GitHub drops a job summary of more than 1 MiB
SHORT = 25  # lines of a diff that is open from the start
MOST_IMAGES = 5  # in a cell
MOST_ROWS = 50  # in the table, and of sentences of one sort
MOST_SAID = 12_000  # bytes of the table, of errors, and of sentences of one sort

DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")

MARKS = {"created": "+", "changed": "~", "recreated": "±", "deleted": "-"}


@dataclass(frozen=True)
class Block:
    """The same change in one overlay or several."""

    overlays: tuple[str, ...]
    change: Change


def markdown(review: Review, limit: int) -> str:
    """The review in at most `limit` bytes of UTF-8: whole objects are left out, and it says how many."""
    blocks = grouped(review)
    head = list(opening(review, blocks))
    room = limit - size("\n\n".join(head)) - 500  # for the sentence about what is left out
    shown, left = [], 0
    for block in blocks:
        text = diff(block)
        if size(text) + 2 <= room:
            shown.append(text)
            room -= size(text) + 2
        else:
            left += 1
    if shown:
        head.append("### Every change")
    parts = head + shown
    if left:
        objects = "1 object is" if left == 1 else f"{left} objects are"
        parts.append(
            f"**{objects} not shown here**, as GitHub takes no longer text. The artifact of this run holds everything: "
            "`review.html`, and both renders under `base/` and `head/`."
        )
    return "\n\n".join(parts) + "\n"


def size(text: str) -> int:
    return len(text.encode())


def grouped(review: Review) -> list[Block]:
    """Changes with dangers first; what is the same in several overlays once."""
    found: dict[tuple[object, ...], list[Change]] = {}
    for overlay in review.overlays:
        for change in overlay.changes:
            # the namespace stands in the lines around, and is the only thing in which overlays must differ
            own = f"namespace: {change.namespace}"
            lines = tuple("" if line.startswith(" ") and line.strip() == own else line for line in change.diff)
            key = (change.verb, change.kind, change.name, change.renamed_from, lines, change.dangers)
            found.setdefault(key, []).append(change)
    blocks = [Block(tuple(each.overlay for each in changes), changes[0]) for changes in found.values()]
    return sorted(blocks, key=lambda block: not block.change.dangers)


def opening(review: Review, blocks: list[Block]) -> Iterator[str]:
    yield f"{MARKER}\n## What commit {code(review.head[:10])} would change"
    yield headline(review, blocks)
    yield from errors(review)
    rows = [each for each in review.overlays if each.changes or each.status != "kept" or each.images]
    if rows:
        yield table(rows)
    if dangerous := [block for block in blocks if block.change.dangers]:
        yield "### Look at this first"
        yield listed([warnings(block) for block in dangerous], "objects with warnings")
    said = {danger.sentence for block in dangerous for danger in block.change.dangers}
    told = [(each.name, line) for each in review.overlays for line in each.routing if line not in said]
    if told:
        yield "### Who receives alerts"
        yield listed([f"- {code(name)}: {prose(line, 400)}" for name, line in told], "sentences")
    if any(image.ours for each in review.overlays for image in each.images):
        yield "The deploy pins the image by digest: `python -m delivery history OVERLAY` tells what runs."
    notes = dict.fromkeys(note for each in review.overlays for note in each.notes)
    if notes:
        yield "\n".join(f"_{prose(note)}_" for note in notes)


def warnings(block: Block) -> str:
    """An item of a list, with a list of its own where there is more than one danger."""
    told = [f"**{danger.kind.capitalize()}**: {prose(danger.sentence, 400)}" for danger in block.change.dangers]
    if len(told) == 1:
        return f"- ⚠️ {title(block)}: {told[0]}"
    return "\n  - ".join([f"- ⚠️ {title(block)}", *told])


def headline(review: Review, blocks: list[Block]) -> str:
    compared = f"Compared with {code(review.merge_base[:10])}, where it left its base"
    known = [each for each in review.overlays if not each.error_at_base + each.error_at_head]
    unchanged = [each.name for each in known if not each.changes]
    if not review.changed:
        return f"**Nothing changes** in what is deployed. {compared}."
    counts = [(verb, sum(block.change.verb == verb for block in blocks)) for verb in VERBS]
    said = ", ".join(f"{number} {verb}" for verb, number in counts if number)
    dangers = sum(len(block.change.dangers) for block in blocks)
    warned = f" **{dangers} {'warning' if dangers == 1 else 'warnings'}.**" if dangers else ""
    same = f" Nothing changes in {', '.join(map(code, unchanged[:MOST_IMAGES]))}." if unchanged else ""
    return f"**Objects: {said or 'none to compare'}.**{warned}{same} {compared}."


def errors(review: Review) -> Iterator[str]:
    room, left = MOST_SAID, 0
    for each in review.overlays:
        for where, error in (("at head", each.error_at_head), ("at the base", each.error_at_base)):
            if not error:
                continue
            said = [
                f"❌ **{code(each.name)} does not render {where}**, so its changes are unknown:",
                fence(tuple(error[:1000].split("\n")), "text"),
            ]
            room -= size("\n\n".join(said))
            if room < 0:
                left += 1
            else:
                yield from said
    if left:
        yield f"❌ **{left} more of this sort**: the artifact holds them."


def table(rows: list[OverlayReview]) -> str:
    titles = ["Overlay", *(f"{MARKS[verb]} {verb}" for verb in VERBS), "Our image", "Others' images"]
    lines = [" | ".join(titles), " | ".join(["---", *["---:"] * len(VERBS), "---", "---"])]
    room = MOST_SAID
    for number, each in enumerate(rows):
        status = "" if each.status == "kept" else f" **{each.status}**"
        cells = [code(each.name) + status, *(str(each.count(verb) or "") for verb in VERBS)]
        line = " | ".join([*cells, images(each, ours=True), images(each, ours=False)])
        room -= size(line)
        if room < 0 or number == MOST_ROWS:
            lines.append(f"and {len(rows) - number} more" + " |" * (len(titles) - 1))
            break
        lines.append(line)
    return "\n".join(f"| {line} |" for line in lines)


def images(overlay: OverlayReview, *, ours: bool) -> str:
    found = [each for each in overlay.images if each.ours == ours]
    told = [
        f"{code(each.name)} {code(tag(each.before, each.name))} → {code(tag(each.after, each.name))}"
        for each in found[:MOST_IMAGES]
    ]
    if len(found) > MOST_IMAGES:
        told.append(f"and {len(found) - MOST_IMAGES} more")
    return "<br>".join(told) or "the same"


def tag(references: str, name: str) -> str:
    """What distinguishes a reference: its tag or digest."""
    found = [each.removeprefix(name).lstrip(":@") or "no tag" for each in references.split(", ")]
    return ", ".join(DIGEST.sub(r"\1…", each) for each in found) if references else "none"


def listed(lines: list[str], what: str) -> str:
    """As many lines as the opening has room for."""
    kept, room = [], MOST_SAID
    for line in lines[:MOST_ROWS]:
        room -= size(line)
        if room < 0:
            break
        kept.append(line)
    if len(kept) < len(lines):
        kept.append(f"- and {len(lines) - len(kept)} more {what}, in the artifact")
    return "\n".join(kept)


def title(block: Block) -> str:
    change = block.change
    where = ", ".join(map(code, block.overlays[:MOST_IMAGES]))
    return f"{code(f'{change.kind}/{change.name}')} in {where}"


def diff(block: Block) -> str:
    change = block.change
    added, removed = (sum(line.startswith(sign) for line in change.diff) for sign in "+-")
    renamed = f", before {code(change.renamed_from)}" if change.renamed_from else ""
    mark = " ⚠️" if change.dangers else ""
    is_open = " open" if change.dangers or len(change.diff) <= SHORT else ""
    summary = f"{title(block)}: <b>{change.verb}</b>{renamed} (+{added} -{removed}){mark}"
    return f"<details{is_open}><summary>{summary}</summary>\n\n{fence(change.diff, 'diff')}\n\n</details>"
