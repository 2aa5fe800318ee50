"""What commands print on standard output: text for people, JSON for programs."""

import os
import shutil
import sys
from collections.abc import Iterable, Sequence

import click
import msgspec

from app.cli.errors import fail

OUTPUT = click.option(
    "--output",
    type=click.Choice(["text", "json", "ndjson"]),
    default="text",
    show_default=True,
    help="text for people; json, or ndjson with an object a line, for programs.",
)


def width() -> int:
    """Return how many columns the terminal has; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def show(lines: Iterable[str]) -> None:
    """Print lines of text; a letter that the terminal does not have is escaped."""
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    write("".join(f"{line}\n" for line in lines).encode(encoding, "backslashreplace"))


def show_json(raw: msgspec.Raw, output: str) -> None:
    """Print a JSON value as it came, over several lines for `json` and in one for `ndjson`."""
    write_json(msgspec.json.format(bytes(raw), indent=2 if output == "json" else -1) + b"\n")


def show_items(items: Sequence[msgspec.Raw], output: str, next_cursor: str | None) -> None:
    """Print a list: an item a line for `ndjson`, else one object with `items` and `next_cursor`."""
    if output == "ndjson":
        write_json(b"".join(msgspec.json.format(bytes(item), indent=-1) + b"\n" for item in items))
    else:
        show_json(msgspec.Raw(msgspec.json.encode({"items": items, "next_cursor": next_cursor})), output)


def write_json(data: bytes) -> None:
    """Print JSON as it came; for a terminal, what it would obey is escaped, which JSON reads as the same."""
    if sys.stdout is not None and sys.stdout.isatty():
        data = "".join(map(_escaped, data.decode())).encode()
    write(data)


def _escaped(letter: str) -> str:
    if letter.isprintable() or letter == "\n":
        return letter
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))


def write(data: bytes) -> None:
    """Write to standard output, or fail with the reason; exit with 1 if nobody reads any more."""
    if sys.stdout is None:
        fail("standard output is closed, so nothing can be printed")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the end of the process fails again
        if isinstance(error, BrokenPipeError):
            raise click.exceptions.Exit(1) from None
        fail(f"standard output cannot be written: {error.strerror}")
