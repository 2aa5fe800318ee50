"""What a reviewer should not overlook, each with its reason. Asked of masked objects."""

from collections.abc import Iterator

from delivery.manifests import Object
from delivery.review.dangers import alerts, exposure, lifecycle, pods, privilege
from delivery.review.model import Danger, Verb


def dangers(verb: Verb, before: Object | None, after: Object | None) -> Iterator[Danger]:
    """Every danger of one object's change."""
    yield from lifecycle.of_verb(verb, before, after)
    yield from exposure.dangers(before, after)
    yield from privilege.dangers(before, after)
    yield from pods.dangers(before, after)


__all__ = ["alerts", "dangers"]
