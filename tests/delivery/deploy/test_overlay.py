"""What an overlay and an image make, and what is refused before any cluster is asked."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from delivery.checkout import ROOT
from delivery.deploy.commits import head
from delivery.deploy.overlay import namespace_of, prepare
from delivery.errors import DeliveryError
from delivery.manifests import Render
from delivery.migrations import migrations
from tests.support.cluster.kubelet import GOOD

COMMIT = "c0ffee" * 6 + "c0ff"


def test_it_works() -> None:
    release = prepare("dev", GOOD, COMMIT)
    containers = [container for _, _, container in Render("dev", release.objects).containers()]
    assert {container["image"] for container in containers} == {GOOD}
    (service,) = [container for container in containers if container["name"] == "api"]
    assert {"name": "REVISION", "value": COMMIT} in service["env"]
    assert (release.namespace, release.migrations) == ("taskpulse-dev", migrations())


@pytest.mark.parametrize(
    "image", ["taskpulse-api", "gcr.io/p/taskpulse-api:latest", "gcr.io/p/taskpulse-api@sha256:12"]
)
def test_an_image_without_a_digest_is_refused(image: str) -> None:
    with pytest.raises(DeliveryError, match="has no digest: give NAME@sha256:DIGEST"):
        prepare("dev", image, COMMIT)


def test_without_git_nothing_says_which_commit_this_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeliveryError, match="There is no git here: install it"):
        head()


@pytest.mark.parametrize("commit", ["HEAD", COMMIT[:12], COMMIT.upper()])
def test_a_commit_without_its_full_name_is_refused(commit: str) -> None:
    with pytest.raises(DeliveryError, match=f"--commit {commit} is no commit: give its full hexadecimal name"):
        prepare("dev", GOOD, commit)


def test_an_overlay_that_is_not_there_is_refused() -> None:
    with pytest.raises(DeliveryError, match="There is no overlay nowhere: name one of dev, main, or a folder"):
        namespace_of("nowhere")


def variant(folder: Path, **kustomization: object) -> str:
    relative = Path(*[".."] * (len(folder.parts) - 1)) / ROOT.relative_to("/") / "overlays" / "dev"
    content = {"resources": [str(relative)], "namespace": "mine", **kustomization}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return str(folder)


def test_an_object_in_another_namespace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: other, namespace: elsewhere}}"
    )
    overlay = variant(tmp_path, resources=["other.yaml"])
    with pytest.raises(DeliveryError, match="must hold the one Namespace"):
        prepare(overlay, GOOD, COMMIT)
    (tmp_path / "namespace.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: mine}}")
    kustomization = {"resources": ["namespace.yaml", "other.yaml"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    with pytest.raises(DeliveryError, match="ConfigMap/other is in elsewhere, not in mine"):
        prepare(overlay, GOOD, COMMIT)


def test_a_rendered_secret_is_refused(tmp_path: Path) -> None:
    overlay = variant(tmp_path, secretGenerator=[{"name": "leak", "literals": ["password=1"]}])
    with pytest.raises(DeliveryError, match=r"Secret/leak-\w+ is in the render"):
        prepare(overlay, GOOD, COMMIT)


@pytest.mark.parametrize(
    "kustomization",
    [
        {"resources": ["secret.yaml"]},
        {"secretGenerator": [{"name": "leak", "literals": ["Tr0ub4dor-and-3"]}]},
        {"patches": [{"patch": "{stringData: {password: Tr0ub4dor-and-3]", "target": {"kind": "Service"}}]},
    ],
)
def test_a_render_that_fails_is_told_without_a_value_of_a_secret(tmp_path: Path, kustomization: dict[str, Any]) -> None:
    secret = "{apiVersion: v1, kind: Secret, metadata: {name: it}, stringData: {password: *Tr0ub4dor-and-3}}"
    (tmp_path / "secret.yaml").write_text(secret)
    with pytest.raises(DeliveryError) as refusal:
        namespace_of(variant(tmp_path, **kustomization))
    message = refusal.value.message
    assert message.startswith(f"Overlay {tmp_path.name} does not render: ")
    assert "***" in message
    assert "Tr0ub4dor" not in message


def test_a_render_that_fails_is_told_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError) as refusal:
        namespace_of(variant(tmp_path, resources=["missing.yaml"]))
    assert "'missing.yaml'" in refusal.value.message


def test_a_warning_of_kustomize_is_told_with_its_field(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="'commonLabels' is deprecated"):
        namespace_of(variant(tmp_path, commonLabels={"a": "b"}))


def test_an_image_without_a_digest_beside_ours_is_refused(tmp_path: Path) -> None:
    side = [{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "side", "image": "nginx:1"}}]
    overlay = variant(tmp_path, patches=[{"target": {"kind": "Deployment"}, "patch": yaml.safe_dump(side)}])
    with pytest.raises(DeliveryError, match="Container side runs nginx:1, which has no digest"):
        prepare(overlay, GOOD, COMMIT)


def test_an_image_that_reaches_nothing_is_refused(tmp_path: Path) -> None:
    images = [{"name": "taskpulse-api", "newName": "other", "digest": f"sha256:{64 * '5'}"}]
    with pytest.raises(DeliveryError, match="so the image would reach nothing"):
        prepare(variant(tmp_path, images=images), GOOD, COMMIT)


def test_what_does_not_fit_the_schemas_is_refused(tmp_path: Path) -> None:
    wrong = [{"op": "add", "path": "/spec/wrong", "value": 1}]
    overlay = variant(tmp_path, patches=[{"target": {"kind": "Service"}, "patch": yaml.safe_dump(wrong)}])
    with pytest.raises(DeliveryError, match=r"is not valid: .*Service/taskpulse-api"):
        prepare(overlay, GOOD, COMMIT)
