"""Foreign text for the page: escaped, and what the eye cannot see in it said in words."""

from markupsafe import Markup, escape

BLANK = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")
"""Letters and marks that Unicode counts as printable and that show nothing."""
SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
"""Variation selectors, printable too: a text can be smuggled in a row of them."""


def visible(text: str) -> Markup:
    """`text` as HTML, each control character, direction mark and odd space as its code point (`U+202E`)."""
    if text.isascii() and text.isprintable():
        return escape(text)
    return Markup("").join(
        Markup('<span class="unseen">U+{:04X}</span>').format(ord(each)) if unseen(each) else escape(each)
        for each in text
    )


def unseen(character: str) -> bool:
    """Whether a character shows as nothing, or as something else than it is."""
    return not character.isprintable() or character in BLANK or any(ord(character) in each for each in SELECTORS)
