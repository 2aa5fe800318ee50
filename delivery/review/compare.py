"""One overlay at two commits: what differs, and what of it is dangerous."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from delivery import credentials, failures
from delivery.errors import DeliveryError
from delivery.manifests import OWN_IMAGE, Object, dig, documents, parse
from delivery.review import chart, images, routing
from delivery.review.around import Around, scaled
from delivery.review.dangers import alerts, dangers
from delivery.review.dangers.lifecycle import moved, recreation
from delivery.review.diff import unified
from delivery.review.hiding import secrets_in
from delivery.review.json_texts import readable
from delivery.review.links import links
from delivery.review.masking import Masker
from delivery.review.model import Danger, ObjectChange, OverlayReview, Status, Verb
from delivery.review.normal import normal
from delivery.review.pairing import Pair, Source, pair, sources
from delivery.review.refusals import MISSHAPEN, Parsed
from delivery.review.trees import Rendered
from delivery.yaml_writer import dump, shown

UNKNOWN = Danger(
    "odd shape", "It is not shaped as its kind is, so what is dangerous in it is not known: read its diff."
)


@dataclass(frozen=True)
class Side:
    """One commit's part: the overlay's render (None: there is no overlay), and Alertmanager's base configuration."""

    rendered: Rendered | None
    base_routes: Object
    own_image: str = OWN_IMAGE


@dataclass(frozen=True)
class Compared:
    """The comparison of one overlay, with both renders masked."""

    review: OverlayReview
    before: str
    after: str
    parsed: Parsed


@dataclass(frozen=True)
class Masked:
    """A pair with its masked objects, which alone are shown."""

    pair: Pair
    before: Object | None
    after: Object | None
    masker: Masker
    scaled: tuple[bool, bool]  # whether an autoscaler owns its number of pods, on each side

    @property
    def differs(self) -> bool:
        old, new = self.pair.before, self.pair.after
        of_one_document = old and new and old.value is new.value
        return not of_one_document and self.texts[0] != self.texts[1]

    @cached_property
    def texts(self) -> tuple[str, str]:
        """Both sides as they are shown and compared: to Python, 1, 1.0 and true are equal."""
        before, after = readable(self.before, self.after)
        return shown(before), shown(after)

    @cached_property
    def stored(self) -> Pair:
        """Both sides as the API server stores them, not masked."""
        return Pair(*(
            None if each is None else Source(normal(each.value, scaled=is_scaled))
            for each, is_scaled in zip((self.pair.before, self.pair.after), self.scaled, strict=True)
        ))  # fmt: skip

    @property
    def rewritten(self) -> bool:
        """Whether both sides are the same object, written differently."""
        old, new = self.stored.before, self.stored.after
        return old is not None and new is not None and same(old.value, new.value)


def compare(
    name: str, before: Side, after: Side, notes: tuple[str, ...] = (), elsewhere: Iterable[Source] = ()
) -> Compared:
    """Compare one overlay's renders; the Secrets in `elsewhere`, of other overlays, are not told here either."""
    old, new, errors = read(before.rendered, after.rendered)
    pairs = pair(old, new)
    masker = Masker([*old, *new, *elsewhere])
    errors = (masker.text(errors[0]), masker.text(errors[1]))
    owned = autoscaled(old), autoscaled(new)
    masked = [
        Masked(each, *masker.pair(each), masker, (key(each.before) in owned[0], key(each.after) in owned[1]))
        for each in pairs
    ]
    status: Status = "added" if before.rendered is None else "removed" if after.rendered is None else "kept"
    review = OverlayReview(name, status, error_at_base=errors[0], error_at_head=errors[1], notes=notes)
    if not any(errors):
        old_objects = [each.before for each in masked if each.before]
        new_objects = [each.after for each in masked if each.after]
        routes: tuple[str, ...] = ()
        if status == "kept":
            try:
                if name.startswith(chart.PREFIX):
                    routes = routing.of_cluster(before.base_routes, after.base_routes)
                else:
                    routes = routing.of_overlay((old_objects, before.base_routes), (new_objects, after.base_routes))
            except MISSHAPEN:
                routes = ("Who receives alerts is not known: the routes are not shaped as Alertmanager's are.",)
        review = replace(
            review,
            changes=changes(name, masked, routes, (before.base_routes, after.base_routes)),
            images=images.changes(old_objects, new_objects, after.own_image),
            routing=routes,
        )
    return Compared(review, written(old, {id(e.pair.before): e.before for e in masked}, masker),
                    written(new, {id(e.pair.after): e.after for e in masked}, masker),
                    Parsed(old, new, pairs, masker))  # fmt: skip


def same(one: Any, other: Any) -> bool:
    """Whether two values are written alike: to Python, 1, 1.0 and true are equal."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def key(each: Source | None) -> tuple[str, str]:
    return ("", "") if each is None else (each.namespace, f"{each.kind}/{each.name}")


def autoscaled(side: list[Source]) -> set[tuple[str, str]]:
    """Namespace and name of what autoscalers scale."""
    return {(each.namespace, scaled(each.value)) for each in side if each.kind == "HorizontalPodAutoscaler"}


def secrets(rendered: Iterable[Rendered]) -> list[Source]:
    """The objects in renders that hold Secrets."""
    holding = [each for each in rendered if "Secret" in each.text]
    return [source for each in holding for source in read(each, None)[0] if any(secrets_in(source.value))]


def read(before: Rendered | None, after: Rendered | None) -> tuple[list[Source], list[Source], tuple[str, str]]:
    """Both sides' objects; a document that both have is parsed once."""
    seen: dict[str, list[Object]] = {}
    result: list[tuple[list[Source], str]] = []
    for each in (before, after):
        if each is None or each.error:
            result.append(([], each.error if each else ""))
            continue
        try:
            texts = documents(each.text)
            for text in texts:
                if text not in seen:
                    seen[text] = parse(text)
            result.append((sources((text, seen[text]) for text in texts), ""))
        except DeliveryError as error:
            result.append(([], failures.safe(error.message)))
    (old, old_error), (new, new_error) = result
    return old, new, (old_error, new_error)


def changes(
    name: str, masked: list[Masked], routes: tuple[str, ...], base_routes: tuple[Object, Object]
) -> tuple[ObjectChange, ...]:
    try:
        told = alerts.dangers([(each.before, each.after) for each in masked], base_routes)
    except MISSHAPEN:
        told = {n: [UNKNOWN] for n, each in enumerate(masked) if each.pair.known.kind == "PrometheusRule"}
    found = []
    rerouted = tuple(
        Danger("alert sent elsewhere", each) for each in routes if not each.endswith(" instead of nobody.")
    )
    around = Around([(each.before, each.after) for each in masked])
    linked = links(around, {number for number, each in enumerate(masked) if each.differs})
    for number, each in enumerate(masked):
        if each.differs:
            more = tuple(told.get(number, ()))
            if routes_alerts(each.pair.known):
                more, rerouted = more + rerouted, ()
            found.append(replace(change(name, each, more, around), links=linked.get(number, ())))
    order = {"deleted": 0, "recreated": 1, "changed": 2, "created": 3, "rewritten": 4}
    return tuple(sorted(found, key=lambda each: (order[each.verb], each.kind, each.namespace, each.name)))


def routes_alerts(each: Source) -> bool:
    """Whether an object holds routes: the operator's, the chart's values, or what the chart makes of them."""
    if each.kind == "Secret":
        return any(dig(each.value, part, "alertmanager.yaml") is not None for part in ("data", "stringData"))
    return each.kind in {"AlertmanagerConfig", "HelmValues"}


def change(overlay: str, each: Masked, more: tuple[Danger, ...], around: Around) -> ObjectChange:
    known, old = each.pair.known, each.pair.before
    verb: Verb = "created" if each.before is None else "deleted" if each.after is None else "changed"
    renamed_from = old.name if old and old.name != known.name else ""
    hashed = renamed_from and old and (old.stem, old.namespace) == (known.stem, known.namespace)
    found: list[Danger] = []
    try:
        if each.rewritten:
            verb = "rewritten"
        else:
            was, now = each.masker.pair(each.stored)
            if was and now and not hashed and (moved(was, now) or recreation(was, now)):
                verb = "recreated"
            found.extend(dangers(verb, was, now, around))
    except MISSHAPEN:
        found.append(UNKNOWN)
    exposed = [Danger("credential", each.masker.text(sentence)) for sentence in clear(each)]
    before, after = each.texts
    return ObjectChange(
        overlay=overlay,
        verb=verb,
        kind=known.kind,
        api_version=str(known.value.get("apiVersion") or ""),
        namespace=known.namespace,
        name=known.name,
        renamed_from=renamed_from,
        before=before,
        after=after,
        diff=unified(before, after),
        dangers=() if verb == "rewritten" else (*found, *exposed, *more),
    )


def clear(masked: Masked) -> Iterator[str]:
    """Sentences about credentials that an object holds in the clear, and did not before."""
    pair, leaves_of = masked.pair, masked.masker.leaves_of
    old, new = ([] if each is None else leaves_of(each.value) for each in (pair.before, pair.after))
    held = {(leaf.path, leaf.text) for leaf in old}
    if pair.after:
        for leaf in new:
            if (leaf.path, leaf.text) not in held:
                place = credentials.where(pair.after.value, leaf)
                yield f"{place} holds a credential in the clear: put it into Secret Manager, and change it everywhere."


def written(side: Iterable[Source], masked: dict[int, Object | None], masker: Masker) -> str:
    """One side as a stream of YAML, as it was rendered but for what is masked."""
    texts = []
    for each in side:
        known = masked[id(each)]
        whole = each.text and known == each.value and masker.text(each.text) == each.text  # comments too
        texts.append(each.text.lstrip("\n") if whole else dump(known))  # what ends it may be part of its last text
    return "---\n".join(texts)
