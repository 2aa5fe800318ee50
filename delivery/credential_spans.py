"""Where credentials stand in a text: by a name before them, by the place, or by their looks."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from delivery import credential_words
from delivery.credential_patterns import (
    ANOTHER,
    ASSIGNED,
    AUTHORIZED,
    BASIC,
    BEGINS,
    COUNT,
    LIKE_SECRET,
    LOOKED,
    LOOKS,
    MAY_BE_SECRET,
    NAME_AT,
    NAMED_SECRET,
    NAMED_VALUE,
    NO_VALUE,
    OBJECT_NAME,
    PAIR,
    SECRET_NAME,
    SENTENCE,
    STEM,
    URL_PASSWORD,
)
from delivery.credential_places import PLACES

Span = tuple[int, int]

REMEMBERED = 4096  # texts: overlays and both sides of a review share most of theirs
SIGNS = ' :=/@<"'  # without one of them, a short text holds no credential
SHORT = 16
LONGEST = 60  # characters before the stem of a name
BARE = 8  # the group of ASSIGNED with a value that no quotes are around


def is_credential(name: str, value: str) -> bool:
    """Whether a value is a credential by what it is called."""
    if not name or not may_name(name):
        return False
    prefix, _, last = name.rpartition("/")
    value = value.strip()
    if last.lower() == "authorization":
        return AUTHORIZED.fullmatch(value) is not None
    if BASIC.fullmatch(last) and PAIR.fullmatch(value):
        return not NO_VALUE.fullmatch(value)
    if not SECRET_NAME.fullmatch(last) or not value:
        value = NAMED_VALUE.sub("", value)
        return credential_words.made_up(value) or credential_words.random(value)
    if NAMED_SECRET.fullmatch(last) and OBJECT_NAME.fullmatch(value) and (prefix or LIKE_SECRET.fullmatch(value)):
        return False
    return not NO_VALUE.fullmatch(value) and not (COUNT.search(name) and value.isdecimal())


@lru_cache(REMEMBERED)
def may_name(name: str) -> bool:
    """Whether something of this name may be a credential, if its value looks like one."""
    last = name.rpartition("/")[2]
    known = (SECRET_NAME, MAY_BE_SECRET, BASIC)
    return last.lower() == "authorization" or any(each.fullmatch(last) for each in known)


def hinted(value: str) -> bool:
    return len(value) >= SHORT or any(each in value for each in SIGNS)


@lru_cache(REMEMBERED)
def spans(value: str, *, assigned: bool) -> tuple[Span, ...]:
    """Where credentials stand in a text; where it may be a file or a line of a shell, also what it assigns to names."""
    if not hinted(value):
        return ()
    small = value.lower()
    found = [*by_looks(value, small), *by_place(value, small)]
    if assigned:
        found += [*by_name(value), *random_words(value)]
    return joined(found)


def by_looks(value: str, small: str) -> Iterator[Span]:
    if any(each in small for each in LOOKED):
        yield from (match.span(1) for match in URL_PASSWORD.finditer(value) if not NO_VALUE.fullmatch(match[1]))
        yield from (match.span() for match in LOOKS.finditer(value))


def by_place(value: str, small: str) -> Iterator[Span]:
    named = any(NAME_AT.match(value, start) for start in stems(value))
    for place in PLACES:
        if (named or not place.named) and any(each in small for each in place.needed):
            for match in place.matches(value):
                group = match.lastindex or 0
                made_up = not place.made_up or credential_words.made_up(match[group])
                if group and made_up and not NO_VALUE.fullmatch(match[group]):
                    yield match.span(group)


def by_name(value: str) -> Iterator[Span]:
    """What stands after the name of a credential and a sign, after an option, or after a space if it looks like one."""
    until = 0
    for match in assignments(value):
        group, name = match.lastindex or 0, match[1].lstrip("-")
        word = match[group]
        if match.start(1) < until or not is_credential(name, word):
            if word.startswith(("$", "{{")) and NO_VALUE.fullmatch(word):  # `x: ${PASSWORD:-y}` is one value
                until = max(until, match.end())
            continue
        option = "-" in value[match.start() : match.start(1) + 1] and not match[3] and not SENTENCE.fullmatch(word)
        if match[2] and "," in match[2] and "<<" not in match[2]:  # of a call; elsewhere it is a list
            if value[: match.start(1)].rstrip("\"' ").endswith("("):
                yield match.span(group)
        elif match[2] or option:
            yield match.start(group), line_end(value, match) if group == BARE and match[2] else match.end(group)
        elif credential_words.made_up(word):
            yield match.span(group)


def assignments(value: str) -> Iterator[re.Match[str]]:
    """Matches of ASSIGNED, tried only where a name may begin."""
    for start in stems(value):
        if match := ASSIGNED.match(value, max(0, start - 1)) or ASSIGNED.match(value, start):
            yield match


def stems(value: str) -> Iterator[int]:
    """Where the words begin that have a part which every name of a credential has one of."""
    seen = -1
    for stem in STEM.finditer(value):
        start = stem.start()
        while start and stem.start() - start < LONGEST and (value[start - 1].isalnum() or value[start - 1] in "_.-"):
            start -= 1
        if start != seen:
            yield start
        seen = start


def line_end(value: str, match: re.Match[str]) -> int:
    """Where a value without quotes ends: with its line if that has nothing else, as spaces and signs belong to it."""
    end, start = match.end(BARE), value.rfind("\n", 0, match.start(1)) + 1
    if not BEGINS.fullmatch(value, start, match.start(1)):
        return end
    rest = value[end : stop if (stop := value.find("\n", end)) >= 0 else len(value)]
    rest = rest.partition(" #")[0].rstrip(" \t\r,;'\"")
    shell = match[2] == "=" and match[1].isupper()  # what follows after a space is the command
    rest = rest.partition(" ")[0] if shell else rest
    return end if ANOTHER.search(rest) else end + len(rest)


def random_words(value: str) -> Iterator[Span]:
    """Words that a machine made, and base64 of a text with credentials; not what is public, as a certificate is."""
    if len(value) < credential_words.LONG:
        return
    public = [match.span() for match in credential_words.PUBLIC.finditer(value)]
    for match in credential_words.WORD.finditer(value):
        if any(start <= match.start() < end for start, end in public):
            continue
        text = credential_words.encoded(match[0])  # what can be read is judged as if it stood there
        if spans(text, assigned=True) or "stringData" in text if text else credential_words.random(match[0]):
            yield match.span()


def joined(found: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in order, those that overlap as one."""
    result: list[Span] = []
    for start, end in sorted(found):
        if result and start < result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return tuple(result)
