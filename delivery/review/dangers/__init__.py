"""What a reviewer should not overlook, each with its reason. Asked of masked objects, as they are stored."""

from collections.abc import Iterator

from delivery.manifests import Object
from delivery.review.around import Around
from delivery.review.dangers import (
    alerts,
    availability,
    data,
    exposure,
    identity,
    images,
    lifecycle,
    node,
    persistence,
    pods,
    privilege,
    references,
    releases,
    scraping,
    webhooks,
)
from delivery.review.model import Danger, Verb


def dangers(verb: Verb, before: Object | None, after: Object | None, around: Around) -> Iterator[Danger]:
    """Every danger of one object's change; `around` is its overlay."""
    yield from lifecycle.of_verb(verb, before, after, around)
    yield from exposure.dangers(before, after, around)
    yield from privilege.dangers(before, after, around)
    yield from node.dangers(before, after)
    yield from identity.dangers(before, after, around)
    yield from pods.dangers(before, after, around)
    yield from availability.dangers(before, after, around)
    yield from references.dangers(before, after, around)
    yield from scraping.dangers(before, after, around)
    yield from data.dangers(before, after, around)
    if after:
        yield from (Danger("data", sentence) for sentence in persistence.dangers(before, after))
        yield from (Danger("safety net", sentence) for sentence in images.dangers(before, after))
    yield from webhooks.dangers(before, after)
    yield from releases.dangers(before, after)


__all__ = ["alerts", "dangers"]
