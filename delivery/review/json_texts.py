"""JSON within texts, line by line, so that a change in it shows as that line."""

import json
from typing import Any


def readable(before: Any, after: Any) -> tuple[Any, Any]:
    """Both sides, with texts that hold different JSON in the same place written in lines."""
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = {key: readable(before[key], after[key]) for key in before.keys() & after.keys()}
        return (
            {key: pairs[key][0] if key in pairs else value for key, value in before.items()},
            {key: pairs[key][1] if key in pairs else value for key, value in after.items()},
        )
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        items = [readable(*each) for each in zip(before, after, strict=True)]
        return [old for old, _ in items], [new for _, new in items]
    if isinstance(before, str) and isinstance(after, str) and before != after:
        old, new = in_lines(before), in_lines(after)
        if old and new and old != new:
            return old, new
    return before, after


def in_lines(text: str) -> str:
    """JSON with a line for each value; "" where a text holds no object or list."""
    if text.lstrip()[:1] not in {"{", "["}:
        return ""
    try:
        return json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    except (ValueError, RecursionError):
        return ""
