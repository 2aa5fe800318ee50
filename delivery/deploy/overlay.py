"""From an overlay and an image to a release: rendered in a throw-away overlay, validated, and refused when wrong."""

import os
import re
import tempfile
from pathlib import Path

from delivery import failures, yaml_writer
from delivery.checkout import OVERLAYS, ROOT
from delivery.deploy.release import Release
from delivery.errors import ArgumentError, DeliveryError
from delivery.kustomizations import has_kustomization, overlays
from delivery.manifests import Object, Render, identity
from delivery.migrations import migrations
from delivery.render import RenderError, render
from delivery.validate import conform_to_all, validate

NAME = "taskpulse-api"
"""The Deployment, its Service, and the image's name in base/."""
CONTAINER = "api"
IMAGE = re.compile(r"(?P<name>[a-z0-9][a-zA-Z0-9._:/-]*)@(?P<digest>sha256:[0-9a-f]{64})")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def folder_of(overlay: str) -> Path:
    """Folder of an overlay: a name under overlays/, or a path.

    Raises:
        ArgumentError: there is no such thing.
    """
    folder = ROOT / OVERLAYS / overlay if overlay in overlays() else Path(overlay)
    if not has_kustomization(folder):
        raise ArgumentError(
            f"There is no overlay {overlay}: name one of {', '.join(overlays())},"
            " or a folder with a kustomization.yaml."
        )
    return folder.resolve()


def prepare(overlay: str, image: str, commit: str) -> Release:
    """The release that an overlay, an image and a commit make.

    Raises:
        ArgumentError: there is no such overlay, or the image or the commit is not written as it must be.
        DeliveryError: it does not render or is not valid, or the image or a namespace is not what it must be.
    """
    match = IMAGE.fullmatch(image)
    if not match:
        raise ArgumentError(
            f"--image {image} has no digest: give NAME@sha256:DIGEST, so that what runs is what was built."
        )
    if not COMMIT.fullmatch(commit):
        raise ArgumentError(
            f"--commit {commit} is no commit: give its full hexadecimal name, as `git rev-parse` prints it."
        )
    folder = folder_of(overlay)
    text = throw_away(folder, thin_layer(match["name"], match["digest"], commit))
    check(folder, text)
    objects = Render.parse(folder.name, text).objects
    namespace = sole_namespace(folder, objects)
    refuse_other_images(folder.name, objects, image)
    return Release(folder.name, namespace, commit, image, objects, migrations())


def namespace_of(overlay: str) -> str:
    """The namespace in which an overlay lives.

    Raises:
        DeliveryError: it does not render, or has none of its own.
    """
    folder = folder_of(overlay)
    return sole_namespace(folder, Render.parse(folder.name, throw_away(folder, {})).objects)


def thin_layer(name: str, digest: str, commit: str) -> Object:
    """What a deploy adds to an overlay: the image, and the commit that `/` shows."""
    container = {"name": CONTAINER, "env": [{"name": "REVISION", "value": commit}]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    return {
        "images": [{"name": NAME, "newName": name, "digest": digest}],
        "patches": [{"target": {"kind": "Deployment", "name": NAME}, "patch": yaml_writer.dump_all([deployment])}],
    }


def throw_away(folder: Path, layer: Object) -> str:
    """Render the overlay in `folder` with a layer on top that is gone afterwards.

    Raises:
        DeliveryError: kustomize fails, or warns; no value of a Secret is in the sentence.
    """
    with tempfile.TemporaryDirectory() as name:
        top = Path(name).resolve() / "overlays" / folder.name
        top.mkdir(parents=True)
        kustomization = {"resources": [os.path.relpath(folder, top)], **layer}
        (top / "kustomization.yaml").write_text(yaml_writer.dump_all([kustomization]))
        try:
            return render(folder.name, Path(name).resolve())
        except RenderError as error:
            tree = ROOT if folder.is_relative_to(ROOT) else folder
            message = error.message
            for place in (kustomization["resources"][0], str(folder), str(top)):
                message = message.replace(place, folder.name)
            shown = failures.vocabulary(tree, [folder.name])
            raise DeliveryError(failures.of_tree(message, tree, shown)) from None


def check(folder: Path, text: str) -> None:
    """Judge an overlay of the checkout as `delivery validate` does, and any other one by the schemas.

    Raises:
        DeliveryError: with everything that is wrong.
    """
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"{folder.name}.yaml"
        if folder.parent == ROOT / "overlays":
            path.write_text(throw_away(folder, {}))
            found = validate([path])[path]
        else:
            path.write_text(text)
            found = conform_to_all([path])[path]
    if found:
        errors = " ".join(f"[{each.check}] {each.sentence}" for each in found)
        raise DeliveryError(f"Overlay {folder.name} is not valid: {errors}")


def sole_namespace(folder: Path, objects: list[Object]) -> str:
    """The one namespace of a render, in which everything else must be.

    Raises:
        DeliveryError: there is not exactly one, or something is elsewhere.
    """
    overlay = Render(folder.name, objects)
    names = [each["metadata"]["name"] for each in overlay.of("Namespace")]
    own = overlay.namespace if folder.parent == ROOT / "overlays" else None
    if len(names) != 1 or own not in {None, names[0]}:
        raise DeliveryError(
            f"Overlay {folder.name} must hold the one Namespace {own or 'it lives in'}; it holds {names}."
        )
    for each in objects:
        if each["kind"] != "Namespace" and each["metadata"].get("namespace") != names[0]:
            place = each["metadata"].get("namespace") or "no namespace"
            raise DeliveryError(f"{identity(each)} is in {place}, not in {names[0]}: a deploy keeps to its namespace.")
        if each["kind"] == "Secret":
            raise DeliveryError(f"{identity(each)} is in the render: Secrets come from --secrets, never from Git.")
    return str(names[0])


def refuse_other_images(overlay: str, objects: list[Object], image: str) -> None:
    containers = [container for _, _, container in Render(overlay, objects).containers()]
    for container in containers:
        if "@sha256:" not in container["image"]:
            raise DeliveryError(f"Container {container['name']} runs {container['image']}, which has no digest.")
    if image not in {container["image"] for container in containers}:
        raise DeliveryError(f"No container of overlay {overlay} runs {NAME}, so the image would reach nothing.")
