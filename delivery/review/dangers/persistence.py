"""Settings with which a database can lose data: no log, no snapshots, no wait for the disk."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from delivery.manifests import Object
from delivery.review.dangers import data


@cache
def patterns(part: str) -> dict[re.Pattern[str], str]:
    found: dict[str, str] = data.table()[part]
    return {re.compile(pattern, re.MULTILINE): consequence for pattern, consequence in found.items()}


def dangers(before: Object | None, after: Object) -> Iterator[str]:
    """Sentences on the arguments of containers and the texts of a ConfigMap."""
    old = data.settings(before) if before else {}
    for place, value in data.settings(after).items():
        now, was = (plain(place, each) for each in (value, old.get(place, "")))
        if now == was:
            continue
        told = set()
        for pattern, consequence in patterns("unkept").items():
            if (found := pattern.search(now)) and not pattern.search(was):
                said = " ".join(found[0].split()) or found[0]
                told.add(consequence)
                yield f"{place} has {said.lstrip('-')}: {consequence}."
        for pattern, consequence in patterns("keeping").items():
            if place in old and consequence not in told and (found := pattern.search(was)) and not pattern.search(now):
                yield f"{place} no longer has {' '.join(found[0].split()).lstrip('-')}: {consequence}."


def plain(place: str, value: Any) -> str:
    """A setting as a pattern finds it; of a variable or a value of one line with its name."""
    text = "\n".join(line for line in str(value).splitlines() if not line.lstrip().startswith("#"))
    return text if "\n" in str(value) or place.endswith("its command") else f"{data.key_of(place)}={text}"
