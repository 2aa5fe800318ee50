"""Images of containers by which nobody can tell what runs."""

from collections.abc import Iterator

from delivery.manifests import Object
from delivery.review.images import name_of, short
from delivery.review.pod_templates import as_named_after, containers

LATEST = "latest"


def dangers(before: Object | None, after: Object) -> Iterator[str]:
    """Sentences on the image of each container."""
    old = as_named_after(before, after)
    for name, container in containers(after).items():
        image, was = (short(str(each.get("image") or "")) for each in (container, old.get(name) or {}))
        if not image or image == was:
            continue
        if moving(image) and not moving(was):
            tag = f"tag {LATEST}" if tag_of(image) else "neither tag nor digest"
            yield f"Container {name}: its image {image} has {tag}: what runs may be another at every start."
        elif "@" in was and "@" not in image:
            yield f"Container {name}: its image {image} has no digest any more: its tag may come to name another."
        if was and registry(image) != registry(was) and last(image) == last(was):
            yield f"Container {name}: its image comes from {registry(image)} instead of {registry(was)}."


def moving(image: str) -> bool:
    """Whether a reference names whatever is newest."""
    return bool(image) and "@" not in image and tag_of(image) in {"", LATEST}


def tag_of(image: str) -> str:
    return image.partition("@")[0].removeprefix(name_of(image)).removeprefix(":")


def registry(image: str) -> str:
    """The host that an image is pulled from: what stands before the first slash, if it is a host."""
    first, slash, _ = image.partition("/")
    return first if slash and (set(".:") & set(first) or first == "localhost") else "docker.io"


def last(image: str) -> str:
    return name_of(image).rpartition("/")[2]
