"""Takes the values of Secrets out of a pair of renders, so that their change is told and they are not."""

import base64
import binascii
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from urllib.parse import quote

from delivery import credentials
from delivery.credentials import MASK
from delivery.manifests import Object
from delivery.review.hiding import HELD, Hidden, hide, parts, secrets_in
from delivery.review.pairing import Pair, Source

SHORTEST = 8  # characters from which a Secret's value is looked for outside of it too
LONG = 24  # characters from which a word of a value of several lines is


class Masker:
    """Knows the values of all Secrets of both sides, and masks objects and texts with it."""

    def __init__(self, sides: Iterable[Source]) -> None:
        self.sources = sources = list(sides)
        found = {id(each.value): each.value for each in sources}  # a document of both sides is one value
        self.found = {number: credentials.leaves(value) for number, value in found.items()}
        names = "\n".join(
            f"{each.kind} {each.namespace} {each.name} {' '.join(map(str, each.value))}" for each in sources
        )
        values = {value for each in sources for value in self.secrets(each.value)}
        spellings = {spelling for value in values for spelling in spellings_of(value)}
        self.known: dict[str, list[str]] = defaultdict(list)  # by how they begin, the longest first
        for spelling in sorted(spellings, key=lambda each: (-len(each), each)):
            if len(spelling) >= SHORTEST and spelling not in names:
                self.known[spelling[:SHORTEST]].append(spelling)
        self.beginnings = re.compile(one_of(list(self.known)))

    def leaves_of(self, each: Object) -> list[credentials.Leaf]:
        """Texts of an object that hold credentials."""
        found = self.found.get(id(each))
        return credentials.leaves(each) if found is None else found

    def secrets(self, each: Object) -> Iterator[str]:
        """Values of the Secrets in an object, and credentials that stand in it, as written."""
        for secret in secrets_in(each):
            for part in HELD:
                values = secret.get(part)
                for value in values.values() if isinstance(values, dict) else [values]:
                    if isinstance(value, bytes):
                        yield value.decode("utf-8", "replace")
                    elif value is not None:
                        yield str(value)
        for leaf in self.leaves_of(each):
            yield from (leaf.text[start:end] for start, end in leaf.spans)

    def text(self, text: str) -> str:
        """The text without any value of a Secret."""
        parts, done, at = [], 0, 0
        while self.known and (begun := self.beginnings.search(text, at)):
            at = begun.start()
            if value := next((each for each in self.known[begun[0]] if text.startswith(each, at)), ""):
                parts += [text[done:at], MASK]
                done = at + len(value)
            at = max(done, at + 1)
        return "".join([*parts, text[done:]])

    def pair(self, pair: Pair) -> tuple[Object | None, Object | None]:
        """Both sides of an object, masked; None where there is none."""
        if pair.before and pair.after and pair.before.value is pair.after.value:
            hidden = self.hide(pair.before)
            masked = hidden if not self.known and hidden == pair.before.value else self.leaves(hidden, hidden)
            return masked, masked
        before, after = map(self.hide, (pair.before, pair.after))
        if not self.known and before == _value(pair.before) and after == _value(pair.after):
            return before, after
        return self.leaves(before, after), self.leaves(after, before, mark="(after)")

    def hide(self, each: Source | None) -> Object | None:
        return None if each is None else hide(each.value, self.leaves_of(each.value))

    def leaves(self, mine: Any, other: Any, mark: str = "(before)") -> Any:
        """`mine` masked; what differs from `other` but would read the same is marked."""
        if isinstance(mine, dict):
            others = other if isinstance(other, dict) else {}
            return {self.leaf(key): self.leaves(value, others.get(key), mark) for key, value in mine.items()}
        if isinstance(mine, list):
            listed = other if isinstance(other, list) else []
            return [self.leaves(value, listed[i] if i < len(listed) else None, mark) for i, value in enumerate(mine)]
        masked = self.leaf(mine)
        comparable = isinstance(other, (str, Hidden)) and other != mine
        return f"{masked} {mark}" if comparable and self.leaf(other) == masked else masked

    def leaf(self, value: Any) -> Any:
        if isinstance(value, Hidden):
            return self.text(value.shown)
        return self.text(value) if isinstance(value, str) else value


def one_of(texts: list[str], shared: int = 3) -> str:
    """A pattern of texts longer than `shared`; as there may be thousands, what they begin with is looked at once."""
    if not shared:
        return "|".join(map(re.escape, texts))
    begun: dict[str, list[str]] = {}
    for text in texts:
        begun.setdefault(text[0], []).append(text[1:])
    return "|".join(f"{re.escape(first)}(?:{one_of(rest, shared - 1)})" for first, rest in begun.items())


def _value(source: Source | None) -> Object | None:
    return None if source is None else source.value


@cache
def spellings_of(value: str) -> frozenset[str]:
    """What `spelt` gives, once for each value: every overlay of a review masks the same ones."""
    return frozenset(spelt(value))


def spelt(value: str) -> Iterator[str]:
    """A value as it may be written elsewhere: as it is, decoded, encoded, without white space around."""
    for text in dict.fromkeys(each for whole in plain(value) for each in (whole, *parts(whole))):
        yield text
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield quote(text, safe="")
        yield from in_base64(text.encode())
        if "\n" in text:  # a key, whose lines may stand further to the right elsewhere
            yield from (line for line in text.split() if len(line) >= LONG)


def in_base64(value: bytes) -> Iterator[str]:
    """A value in base64, and what stands for it in the base64 of something longer, by where it is in that."""
    yield base64.b64encode(value).decode().rstrip("=")
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + value).decode()
        yield encoded[-(-before * 8 // 6) : (before + len(value)) * 8 // 6]  # but characters that it shares


def plain(value: str) -> Iterator[str]:
    for text in (value, value.strip()):
        yield text
        try:
            decoded = base64.b64decode("".join(text.split()), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            continue
        yield decoded
        yield decoded.strip()
