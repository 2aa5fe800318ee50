"""One overlay at two commits: what differs, and what of it is dangerous."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from delivery.errors import DeliveryError
from delivery.objects import Object
from delivery.review import chart, images, routing
from delivery.review.dangers import alerts, dangers
from delivery.review.dangers.lifecycle import recreation
from delivery.review.diff import unified
from delivery.review.masking import Masker
from delivery.review.model import Change, Danger, OverlayReview, Status, Verb
from delivery.review.pairing import Pair, Source, pair, sources
from delivery.review.trees import Rendered
from delivery.review.yaml_text import documents, dump, parse

# what is raised where text, number and list stand in one another's place: no schema has been asked yet
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)
UNKNOWN = Danger(
    "odd shape", "It is not shaped as its kind is, so what is dangerous in it is not known: read its diff."
)


@dataclass(frozen=True)
class Side:
    """One commit's part: the overlay's render (None: there is no overlay), and Alertmanager's base configuration."""

    rendered: Rendered | None
    base_routes: Object


@dataclass(frozen=True)
class Compared:
    """The comparison of one overlay, with both renders masked."""

    review: OverlayReview
    before: str
    after: str


@dataclass(frozen=True)
class Masked:
    """A pair with its masked objects, which alone are shown."""

    pair: Pair
    before: Object | None
    after: Object | None

    @property
    def differs(self) -> bool:
        return self.before != self.after


def compare(
    name: str, before: Side, after: Side, notes: tuple[str, ...] = (), elsewhere: Iterable[Source] = ()
) -> Compared:
    """Compare one overlay's renders; the Secrets in `elsewhere`, of other overlays, are not told here either."""
    old, new, errors = read(before.rendered, after.rendered)
    pairs = pair(old, new)
    masker = Masker([*old, *new, *elsewhere])
    errors = (masker.text(errors[0]), masker.text(errors[1]))
    masked = [Masked(each, *masker.pair(each)) for each in pairs]
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
            changes=changes(name, masked, routes),
            images=images.changes(old_objects, new_objects),
            routing=routes,
        )
    return Compared(review, written(old, {id(e.pair.before): e.before for e in masked}),
                    written(new, {id(e.pair.after): e.after for e in masked}))  # fmt: skip


def secrets(rendered: Iterable[Rendered]) -> list[Source]:
    """The Secrets in renders."""
    holding = [each for each in rendered if "Secret" in each.text]
    return [source for each in holding for source in read(each, None)[0] if source.kind == "Secret"]


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
            result.append(([], error.message))
    (old, old_error), (new, new_error) = result
    return old, new, (old_error, new_error)


def changes(name: str, masked: list[Masked], routes: tuple[str, ...]) -> tuple[Change, ...]:
    try:
        told = alerts.dangers([each.pair for each in masked])
    except MISSHAPEN:
        told = {n: [UNKNOWN] for n, each in enumerate(masked) if each.pair.known.kind == "PrometheusRule"}
    found = []
    rerouted = tuple(
        Danger("alert sent elsewhere", each) for each in routes if not each.endswith(" instead of nobody.")
    )
    for number, each in enumerate(masked):
        if each.differs:
            more = tuple(told.get(number, ()))
            if each.pair.known.kind in {"AlertmanagerConfig", "HelmValues"}:
                more, rerouted = more + rerouted, ()
            found.append(change(name, each, more))
    order = {"deleted": 0, "recreated": 1, "changed": 2, "created": 3}
    return tuple(sorted(found, key=lambda each: (order[each.verb], each.kind, each.namespace, each.name)))


def change(overlay: str, each: Masked, more: tuple[Danger, ...]) -> Change:
    known, old = each.pair.known, each.pair.before
    reason = ""
    verb: Verb = "created" if each.before is None else "deleted" if each.after is None else "changed"
    renamed_from = ""
    if each.before and each.after and old:
        renamed_from = old.name if old.name != known.name else ""
        reason = recreation(each.before, each.after)
        if old.stem != known.stem:
            reason = f"it is called {known.name} instead of {old.name}"
        hashed = bool(renamed_from) and old.stem == known.stem and old.namespace == known.namespace
        verb = "recreated" if reason and not hashed else "changed"
    found: list[Danger] = []
    try:
        found.extend(dangers(verb, each.before, each.after, reason))
    except MISSHAPEN:
        found.append(UNKNOWN)
    before, after = dump(each.before), dump(each.after)
    return Change(
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
        dangers=(*found, *more),
    )


def written(side: Iterable[Source], masked: dict[int, Object | None]) -> str:
    """One side as a stream of YAML, as it was rendered but for what is masked."""
    texts = []
    for each in side:
        shown = masked[id(each)]
        whole = shown == each.value and each.text and not str(each.value["kind"]).endswith("List")
        texts.append(each.text.strip("\n") + "\n" if whole else dump(shown))
    return "---\n".join(texts)
