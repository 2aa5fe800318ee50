"""Foreign text for the page: escaped, and what the eye cannot see in it said in words."""

import re

from markupsafe import Markup, escape

HARMLESS = re.compile(r"[ !#-%(-;=?-~]*")
"""Printable ASCII that HTML needs no escape for, as most texts are."""
BLANK = re.compile("[\u034f\u115f\u1160\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Letters and marks that Unicode counts as printable and that show nothing; variation selectors too, as a text can be
smuggled in a row of them."""


def visible(text: str) -> Markup:
    """`text` as HTML, each control character, direction mark and odd space as its code point (`U+202E`)."""
    if text.isprintable() and not BLANK.search(text):
        return escape(text)
    return Markup("").join(
        Markup('<span class="unseen">U+{:04X}</span>').format(ord(each)) if unseen(each) else escape(each)
        for each in text
    )


def unseen(character: str) -> bool:
    """Whether a character shows as nothing, or as something else than it is."""
    return not character.isprintable() or BLANK.match(character) is not None
