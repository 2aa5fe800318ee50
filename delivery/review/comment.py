"""The review as GitHub's Markdown: what happens in a table, what is dangerous in words, then every diff."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from delivery.review.markdown import code, fence, prose
from delivery.review.model import REWRITTEN, SINCE, VERBS, Danger, ObjectChange, OverlayReview, Review

MARKER = "<!-- taskpulse review -->"  # by which the one comment is found again
READ = re.compile(re.escape(MARKER) + r"\n<!-- lines ([0-9a-f]{16}) -->\n")  # which lines of the text it knows
COMMENT_LIMIT = 65_000  # bytes of UTF-8; GitHub refuses more than 65,536 characters
SUMMARY_LIMIT = 1_000_000  # bytes; GitHub drops a job summary of more than 1 MiB
LARGE = 10_000  # bytes of an object of which only the beginning is shown where not everything can be
BEGINNING = 3_000  # bytes of that
LONGEST_LINE = 300  # characters in it
SHORT = 25  # lines of a diff that is open from the start
MOST_IMAGES = 5  # in a cell; of overlays in a sentence
MOST_ROWS = 50  # in the table, and of sentences of one sort
MOST_SAID = 9_000  # bytes of the table, of errors, and of sentences of one sort
MOST_OF_ONE = 10, 3_000  # sentences and bytes about one object
MOST_LEFT = 10, 2_000  # objects and bytes of those named that are not shown

DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")

MARKS = {"created": "+", "changed": "~", "recreated": "±", "deleted": "-"}


@dataclass(frozen=True)
class Block:
    """The same change in one overlay or several."""

    overlays: tuple[str, ...]
    change: ObjectChange
    namespace: str = ""  # where an overlay has others of its kind and name
    others: tuple["Block", ...] = ()  # same overlays and dangers: a list of dangers names them with this one


def markdown(review: Review, limit: int) -> str:
    """The review in at most `limit` bytes of UTF-8: whole objects are left out, and it says how many."""
    blocks = grouped(review)
    parts = list(opening(review, blocks))
    texts = [diff(block) for block in blocks]
    if blocks:
        parts.append("### Every change")
    whole = "\n\n".join(parts + texts) + "\n"
    if size(whole) <= limit:
        return whole
    room = limit - size("\n\n".join(parts)) - MOST_LEFT[1] - 500  # for the sentence about what is left out
    texts = [diff(block, cut=True) if size(text) > LARGE else text for block, text in zip(blocks, texts, strict=True)]
    shown = set()
    # what is dangerous, then what is small: one object of many lines does not keep out many of few
    for number in sorted(range(len(blocks)), key=lambda each: (not blocks[each].change.dangers, size(texts[each]))):
        if size(texts[number]) + 2 <= room:
            shown.add(number)
            room -= size(texts[number]) + 2
    parts += [text for number, text in enumerate(texts) if number in shown]
    left = [f"- {summary(block)}" for number, block in enumerate(blocks) if number not in shown]
    parts += (
        []
        if not left
        else [
            f"**{'1 object is' if len(left) == 1 else f'{len(left)} objects are'} not shown here**, as GitHub takes no "
            "longer text. The artifact of this run holds everything: `review.html`, and both renders under `base/` and "
            "`head/`.",
            listed(left, "objects", *MOST_LEFT),
        ]
    )
    return "\n\n".join(parts) + "\n"


def size(text: str) -> int:
    return len(text.encode())


def grouped(review: Review) -> list[Block]:
    """Changes with dangers first; what is the same in several overlays once."""
    found: dict[tuple[object, ...], list[ObjectChange]] = {}
    of_name = Counter((each.overlay, each.kind, each.name) for overlay in review.overlays for each in overlay.changes)
    for overlay in review.overlays:
        seen: Counter[tuple[object, ...]] = Counter()
        for change in overlay.changes:
            # the namespace stands in the lines around, and is the only thing in which overlays must differ
            own = f"namespace: {change.namespace}"
            same = "+-" if change.verb in {"created", "deleted"} else ""
            lines = tuple("" if line.lstrip(same).strip() == own else line for line in change.diff)
            key = (change.verb, change.kind, change.name, change.renamed_from, lines, change.dangers)
            seen[key] += 1  # the same change in another namespace is another one
            found.setdefault((*key, seen[key]), []).append(change)
    blocks = [
        Block(
            tuple(each.overlay for each in changes),
            changes[0],
            changes[0].namespace if any(of_name[each.overlay, each.kind, each.name] > 1 for each in changes) else "",
        )
        for changes in found.values()
    ]
    return sorted(blocks, key=lambda block: (not block.change.dangers, block.change.verb == "rewritten"))


def alike(blocks: list[Block]) -> list[Block]:
    """The same dangers once: of an object in several overlays that differ elsewhere, then of several objects."""
    of_object: dict[object, Block] = {}
    for block in blocks:
        key = (block.change.kind, block.change.name, block.namespace, block.change.dangers)
        known = of_object.get(key)
        of_object[key] = replace(known, overlays=(*known.overlays, *block.overlays)) if known else block
    found: dict[object, Block] = {}
    for block in of_object.values():
        same = (block.overlays, block.change.dangers)
        known = found.get(same)
        found[same] = replace(known, others=(*known.others, block)) if known else block
    return list(found.values())


def opening(review: Review, blocks: list[Block]) -> Iterator[str]:
    lines = f"\n<!-- lines {review.lines} -->" if review.lines else ""
    yield f"{MARKER}{lines}\n## What commit {code(review.head[:10])} would change"
    yield headline(review, blocks)
    if review.beside:
        yield listed([f"- {prose(line, 600)}" for line in review.beside], "sentences")
    yield from errors(review)
    rows = [each for each in review.overlays if each.changed or each.status != "kept" or each.images]
    if rows:
        yield table(rows)
    if dangerous := [block for block in blocks if block.change.dangers]:
        yield "### Look at this first"
        yield listed([warnings(block) for block in alike(dangerous)], "objects with warnings")
    if review.not_accepted:
        yield "### What accepts no warning"
        yield listed([f"- {prose(line, 600)}" for line in review.not_accepted], "sentences")
    yield from refusals(review)
    said = {danger.sentence for block in dangerous for danger in block.change.dangers}
    told = [(each.name, line) for each in review.overlays for line in each.routing if line not in said]
    if told:
        yield "### Who receives alerts"
        yield listed([f"- {code(name)}: {prose(line, 400)}" for name, line in told], "sentences")
    if any(image.ours for each in review.overlays for image in each.images):
        yield "The deploy pins the image by digest: `python -m delivery history OVERLAY` tells what runs."
    notes = dict.fromkeys([*review.notes, *(note for each in review.overlays for note in each.notes)])
    if notes:
        yield "\n".join(f"_{prose(note, 400)}_" for note in notes)


def warnings(block: Block) -> str:
    """An item of a list, with a list of its own where there is more than one danger."""
    told = [
        f"**{danger.kind.capitalize()}**: {prose(danger.sentence, 400)}{accepted(danger)}"
        for danger in block.change.dangers
    ]
    if len(told) == 1:
        return f"- ⚠️ {title(block)}: {told[0]}"
    return f"- ⚠️ {title(block)}\n" + listed([f"  - {each}" for each in told], "of this object", *MOST_OF_ONE)


def accepted(danger: Danger) -> str:
    """Who accepts a warning, and why."""
    return "".join(
        f" **Accepted** by {' or '.join(map(code, each.by))}: {prose(each.reason, 300)}" for each in danger.accepted
    )


def refusals(review: Review) -> Iterator[str]:
    """What validate refuses, each sentence once, with its overlays."""
    if review.refused:
        yield "### What `validate` refuses"
    for since, words in SINCE.items():
        lines = [
            f"- {names(overlays)}: {prose(each.sentence, 400)} ({', '.join(map(code, each.checks))})"
            for each, overlays in review.refused.items()
            if each.since == since
        ]
        if lines:
            yield f"**{words}:**\n\n{listed(lines, 'refusals')}"


def headline(review: Review, blocks: list[Block]) -> str:
    compared = f"Compared with {code(review.merge_base[:10])}, where it left its base"
    known = [each for each in review.overlays if not each.error_at_base + each.error_at_head]
    unchanged = [each.name for each in known if not each.changed]
    rewritten = sum(block.change.verb == "rewritten" for block in blocks)
    objects = "1 object is" if rewritten == 1 else f"{rewritten} objects are"
    also = f" {objects} {REWRITTEN}." if rewritten else ""
    if not review.changed:
        return f"{nothing(review)}{also} {compared}."
    counts = [(verb, sum(block.change.verb == verb for block in blocks)) for verb in VERBS]
    said = ", ".join(f"{number} {verb}" for verb, number in counts if number)
    dangers = sum(len(block.change.dangers) for block in blocks)
    warned = f" **{dangers} {'warning' if dangers == 1 else 'warnings'}.**" if dangers else ""
    if number := sum(bool(danger.accepted) for block in blocks for danger in block.change.dangers):
        warned += f" {number} of them {'is' if number == 1 else 'are'} accepted."
    few = names(unchanged) if len(unchanged) <= MOST_IMAGES else f"the other {len(unchanged)} overlays"
    same = f" Nothing changes in {few}." if unchanged else ""
    return f"**Objects: {said or 'none to compare'}.**{warned}{also}{same} {compared}."


def nothing(review: Review) -> str:
    """That no object changes, as far as that is known."""
    if review.unseen:
        return "**Nothing changes in any overlay**, but manifests change that none includes."
    return "**No manifest changes.**" if review.beside else "**Nothing changes** in what is deployed."


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


def listed(lines: list[str], what: str, most: int = MOST_ROWS, room: int = MOST_SAID) -> str:
    """As many lines as there is room for; one that is too long keeps no other out."""
    kept: list[str] = []
    for line in lines:
        if len(kept) < most and size(line) <= room:
            kept.append(line)
            room -= size(line)
    if len(kept) < len(lines):
        indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        kept.append(f"{indent}- and {len(lines) - len(kept)} more {what}, in the artifact")
    return "\n".join(kept)


def beginning(lines: tuple[str, ...]) -> Iterator[str]:
    """The first lines of a diff, each cut where it is too long."""
    room = BEGINNING
    for line in lines:
        kept = line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"
        room -= size(kept) + 1
        if room < 0:
            return
        yield kept


def names(overlays: Sequence[str]) -> str:
    more = f" and {len(overlays) - MOST_IMAGES} more" if len(overlays) > MOST_IMAGES else ""
    return ", ".join(map(code, overlays[:MOST_IMAGES])) + more


def title(block: Block) -> str:
    told = ", ".join(map(named, (block, *block.others[: MOST_IMAGES - 1])))
    more = f" and {len(block.others) + 1 - MOST_IMAGES} more" if len(block.others) >= MOST_IMAGES else ""
    return f"{told}{more} in {names(block.overlays)}"


def named(block: Block) -> str:
    namespace = f" of namespace {code(block.namespace)}" if block.namespace else ""
    return f"{code(f'{block.change.kind}/{block.change.name}')}{namespace}"


def summary(block: Block) -> str:
    change = block.change
    added, removed = (sum(line.startswith(sign) for line in change.diff) for sign in "+-")
    renamed = f", before {code(change.renamed_from)}" if change.renamed_from else ""
    mark = " ⚠️" if change.dangers else ""
    return f"{title(block)}: <b>{change.what}</b>{renamed} (+{added} -{removed}){mark}"


def diff(block: Block, *, cut: bool = False) -> str:
    """The change of one object; the beginning of it where it is to be cut."""
    change = block.change
    lines, more = change.diff, ""
    if cut:
        lines = tuple(beginning(change.diff))
        more = f"\n\nThis is the beginning of {len(change.diff)} lines; `review.html` in the artifact has them all."
    short = len(change.diff) <= SHORT and change.verb != "rewritten"
    is_open = " open" if change.dangers or short else ""
    return f"<details{is_open}><summary>{summary(block)}</summary>\n\n{fence(lines, 'diff')}{more}\n\n</details>"
