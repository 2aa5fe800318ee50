"""What `validate` refuses at head, and whether it refuses that at the base too.

Rules judge all objects of both sides. The schemas are asked about objects that change alone, at the same time as the
rest of the review works: to compile them all takes longer than most reviews.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from delivery import policy, settings
from delivery.credentials import MASK
from delivery.errors import DeliveryError
from delivery.manifests import Render, documents, identity
from delivery.policy.rule import Finding
from delivery.render import write
from delivery.review import chart
from delivery.review.files import listed
from delivery.review.hiding import secrets_in
from delivery.review.masking import Masker
from delivery.review.model import Refusal
from delivery.review.pairing import Pair, Source
from delivery.review.trees import Rendered, Tree
from delivery.settings import Settings
from delivery.validate import conform_to_all

# what is raised where text, number and list stand in one another's place
MISSHAPEN = (AttributeError, LookupError, TypeError, ValueError)
NOT_JUDGED = Finding("schema", "An object is not shaped as its kind is, so the rules cannot judge this overlay.")

# kubeconform's messages, which repeat values: only paths, names of fields and what the schema says stay
FAULT = re.compile(r"\s+- (?=at ')")
QUOTED = re.compile(r"(\bat |propert(?:y|ies) |, |one of |pattern |must be )?('(?:[^'\\]|\\.)*')")
FORMAT = re.compile(r"( is not valid [\w-]+):.*", re.DOTALL)

Sides = tuple[Rendered | None, Rendered | None]
"""What an overlay renders to at the base and at head, None where there is none."""
Both = tuple[list[Finding], list[Finding]]
"""Findings at the base and at head."""


@dataclass(frozen=True)
class Parsed:
    """The objects of an overlay on both sides, not masked."""

    before: list[Source]
    after: list[Source]
    pairs: list[Pair]
    masker: Masker


class Asked(NamedTuple):
    """What both sides want to be judged by."""

    before: Settings
    after: Settings
    notes: tuple[str, ...]  # plain sentences


def asked(before: Tree, after: Tree) -> Asked:
    """The settings of both sides. Where those of one cannot be read, the defaults stand for head, and head for base."""
    old, _ = load(before)
    new, problem = load(after)
    if new is None:
        return Asked(old or Settings(), Settings(), (f"validate refuses this: {problem}",))
    old = old or new
    dropped = [each for each in policy.chosen(old) if each not in policy.chosen(new)]
    notes = (f"{settings.NAME} no longer asks for these rules: {listed(dropped)}.",) if dropped else ()
    return Asked(old, new, notes)


def load(tree: Tree) -> tuple[Settings | None, str]:
    """Settings of a tree, or why there are none."""
    try:
        found = settings.load(tree.folder)
        policy.chosen(found)
    except DeliveryError as error:
        return None, error.message
    return found, ""


def misfits(old: Mapping[str, Rendered], new: Mapping[str, Rendered]) -> dict[str, Both]:
    """Objects that change and do not fit the schemas, by overlay.

    Raises:
        DeliveryError: kubeconform is missing or fails.
    """
    texts = {}
    for name in new:
        if not name.startswith(chart.PREFIX):
            sides = [documents(each.text if each else "") for each in (old.get(name), new[name])]
            for side, mine, other in (("base", *sides), ("head", *reversed(sides))):
                shared = set(other)
                if changed := [each for each in mine if each not in shared]:
                    texts[f"{side}/{name}"] = "---\n".join(each.removesuffix("\n") + "\n" for each in changed)
    if not texts:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        paths = dict(zip(texts, write(texts, Path(folder)), strict=True))
        found = conform_to_all(list(paths.values()))
    return {
        name: (found.get(paths.get(f"base/{name}", Path()), []), found.get(paths.get(f"head/{name}", Path()), []))
        for name in new
    }


def refusals(name: str, sides: Sides, parsed: Parsed, known: Asked, schemas: Both) -> tuple[Refusal, ...]:
    """What is refused in one overlay at head."""
    before, after = sides
    if after is None or after.error or name.startswith(chart.PREFIX):
        return ()
    head = [*warned(after, known.after), *(schemas[1] or judged(name, parsed.after, known.after))]
    base = []
    if before is not None:
        base = [*warned(before, known.before), *schemas[0], *judged(name, parsed.before, known.before)]
    names = {
        identity(pair.before.value): identity(pair.after.value)
        for pair in parsed.pairs
        if pair.before and pair.after and pair.before.name != pair.after.name
    }
    objects = [each.value for each in (*parsed.before, *parsed.after)] if any(schemas) else []
    secret = {identity(each) for each in objects if any(secrets_in(each))}
    old = {renamed(sentence, names) for _, sentence in faults(base, secret)}
    found: dict[str, list[str]] = {}
    for check, sentence in faults(head, secret):
        found.setdefault(sentence, []).append(check)
    unknown = before is not None and bool(before.error)
    return tuple(
        Refusal(
            tuple(dict.fromkeys(checks)),
            parsed.masker.text(sentence),
            "unknown" if unknown else "base" if sentence in old else "head",
        )
        for sentence, checks in sorted(found.items())  # kubeconform gives them in any order
    )


def warned(side: Rendered, known: Settings) -> Iterator[Finding]:
    """What kustomize warns of, which validate refuses where every rule holds."""
    if known.every_rule:
        yield from (Finding("kustomize", each) for each in side.warnings)


def judged(name: str, side: list[Source], known: Settings) -> list[Finding]:
    render = Render(name, [each.value for each in side], known.image, known.namespaces)
    try:
        return policy.judge(render, policy.chosen(known))
    except MISSHAPEN:
        return [NOT_JUDGED]


def faults(found: list[Finding], secret: set[str]) -> Iterator[Finding]:
    """The findings one by one, without values."""
    for check, sentence in found:
        if not check.startswith("schema-"):
            yield Finding(check, sentence)
            continue
        named, _, error = sentence.partition(": ")
        if named in secret:
            yield Finding(check, f"{named} does not fit its schema.")
            continue
        for fault in FAULT.split(f" {error}"):
            if fault.strip() and not fault.endswith(": validation failed"):
                yield Finding(check, f"{named}: {without_values(fault.strip().removeprefix('- '))}.")


def without_values(fault: str) -> str:
    return QUOTED.sub(lambda quoted: quoted[0] if quoted[1] else MASK, FORMAT.sub(r"\1", fault))


def renamed(sentence: str, names: Mapping[str, str]) -> str:
    """A sentence of the base with the names that its objects have at head."""
    for before, after in names.items():
        sentence = re.sub(rf"{re.escape(before)}(?![\w.-])", after.replace("\\", r"\\"), sentence)
    return sentence
