"""The page of a review: one HTML file without network or foreign markup, to be looked at in a browser.

Its script is for comfort alone: without it, all is there to be read.
"""

import base64
import hashlib
import os
import sys
from functools import cache
from pathlib import Path

from jinja2 import BytecodeCache, Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from delivery.review.model import SINCE, VERBS, Review
from delivery.review.page.arrange import arrange, gather, kinds
from delivery.review.page.visible import visible

HERE = Path(__file__).parent
MOST_LISTED = 20
"""Dangers in the list at the top; the rest of a longer one is folded."""


def page(review: Review) -> str:
    """The review as one HTML document; the same review gives the same bytes."""
    parts = arrange(review)
    style, script = ((HERE / name).read_text("utf-8") for name in ("page.css", "page.js"))
    return template().render(
        review=review,
        parts=parts,
        kinds={kind: (number, count) for number, (kind, count) in enumerate(kinds(parts).items(), 1)},
        objects=sum(len(part.objects) for part in parts),
        dangerous=sum(part.dangers for part in parts),
        verbs=VERBS,
        dangers=gather(parts),
        refusals=list(review.refused.items()),
        since_words=SINCE,
        most_listed=MOST_LISTED,
        errors=any(part.blind for part in parts),
        style=Markup(style),  # noqa: S704 - a file of ours
        script=Markup(script),  # noqa: S704 - a file of ours
        style_digest=digest(style),
        script_digest=digest(script),
    )


def digest(text: str) -> str:
    """What the page's policy names a style or script by that it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def template() -> Template:
    """The template of the page; to compile it takes longer than to render most reviews."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=compiled(),
    )
    environment.filters["visible"] = visible
    return environment.get_template("page.html")


def compiled() -> BytecodeCache | None:
    """Where the compiled template is kept, as Python keeps its modules; None where nothing may be written."""
    folder = HERE / "__pycache__"
    may_write = not sys.dont_write_bytecode and os.access(folder, os.W_OK)
    return FileSystemBytecodeCache(str(folder), "%s.jinja") if may_write else None
