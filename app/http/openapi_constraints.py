"""Says in words what a JSON Schema allows: ranges, lengths and the default."""

from collections.abc import Iterator
from typing import Any

_BOUNDS = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " items"),
)


def constraints(schema: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each bound of a property or parameter, and for its default."""
    for kind in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _bounds(kind)
        for text in _bounds(kind.get("items", {})):
            yield f"Each: {text[0].lower()}{text[1:]}"
    default = schema.get("default")
    if default not in (None, [], {}):
        yield f"Default: `{str(default).lower() if isinstance(default, bool) else default}`."


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    for low, high, unit in _BOUNDS:
        least, most = schema.get(low), schema.get(high)
        if least is not None and most is not None:
            yield f"From {_number(least)} to {_number(most)}{unit}."
        elif most is not None:
            yield f"At most {_number(most)}{unit}."
        elif least is not None:
            yield f"At least {_number(least)}{unit if least != 1 else unit.removesuffix('s')}."


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:,}"
