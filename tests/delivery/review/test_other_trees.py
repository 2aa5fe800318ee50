"""Trees that are laid out in other ways than ours, and what a repository says of itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from delivery import policy, settings
from delivery.checkout import ROOT
from delivery.errors import DeliveryError
from delivery.kustomizations import Kustomizations
from delivery.manifests import OWN_IMAGE
from delivery.render import render_within
from delivery.review import trees
from tests.delivery.review.repository import Repository, files

OBJECTS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1'}\n"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {{name: shop}}\nspec: {{containers: [{{name: shop, image: '{}'}}]}}\n"
HERE = "resources: [objects.yaml]\n"
COMPONENT = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
FLUX = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\nspec: {path: ./apps}\n"


@pytest.mark.parametrize(
    ("tree", "overlays", "left_out"),
    [
        (
            {
                "overlays/a/b/c/kustomization.yaml": HERE,
                "overlays/a/kustomization.yml": HERE,
                "overlays/b/Kustomization": HERE,
            },
            ["a", "a/b/c", "b"],
            [],
        ),
        ({"overlays/a/kustomization.yaml": HERE, "base/kustomization.yaml": HERE}, ["a"], ["base"]),
        ({"overlays/a/kustomization.yaml": "resources: [../../base]", "base/Kustomization": HERE}, ["a"], []),
        ({"kustomization.yaml": HERE}, ["root"], []),
        (
            {"kustomize/kustomization.yaml": "components: [c]", "kustomize/c/kustomization.yaml": COMPONENT},
            ["kustomize"],
            [],
        ),
        (
            {"kustomize/kustomization.yaml": HERE, "kustomize/c/kustomization.yml": COMPONENT},
            ["kustomize"],
            ["kustomize/c"],
        ),
        (
            {
                "deploy/base/kustomization.yaml": HERE,
                "deploy/overlays/a/kustomization.yaml": "resources: [../../base/]",
                "deploy/overlays/b/kustomization.yaml": "resources: [../a]",
                "clusters/kustomization.yaml": FLUX,
                ".github/kustomization.yaml": HERE,
            },
            ["deploy/overlays/a", "deploy/overlays/b"],
            [],
        ),
        ({"apps/kustomization.yaml": "no: [closed"}, ["apps"], []),
    ],
)
def test_what_is_rendered(tree: dict[str, str], overlays: list[str], left_out: list[str], tmp_path: Path) -> None:
    found = Kustomizations(files(tmp_path, tree))
    assert list(found.overlays) == overlays
    assert found.left_out == left_out


def test_all_overlays_are_reviewed_and_the_rest_is_named(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    tree = {
        "overlays/shop/eu/kustomization.yml": HERE,
        "overlays/shop/eu/objects.yaml": OBJECTS,
        "overlays/shop/us/Kustomization": "resources: [objects.yaml]\ncommonLabels: {a: b}\n",
        "overlays/shop/us/objects.yaml": OBJECTS,
        "spare/kustomization.yaml": HERE,
        "spare/objects.yaml": OBJECTS,
        "release/all.yaml": OBJECTS,
        "charts/shop/Chart.yaml": "name: shop\n",
        "charts/shop/templates/all.yaml": "{{ nothing }}",
    }
    repository.commit(tree)
    other = OBJECTS.replace("'1'", "'2'")
    changed = {path: other for path, text in tree.items() if text == OBJECTS}
    repository.commit(tree | changed | {"charts/shop/templates/all.yaml": "{{ something }}"})
    result = repository.review(tmp_path / "out")
    assert [(each.name, [c.name for c in each.changes]) for each in result.overlays] == [
        ("shop/eu", ["settings"]),
        ("shop/us", ["settings"]),
    ]
    comment = (tmp_path / "out" / "comment.md").read_text()
    page = (tmp_path / "out" / "review.html").read_text()
    for text in (comment, page):
        assert "Not looked at, as no overlay includes them: spare." in text
        assert "charts/shop/templates/all.yaml, release/all.yaml, spare/objects.yaml" in text
        assert "is deprecated. Please use" in text, "what kustomize warns of is shown"
    assert (tmp_path / "out" / "head" / "shop" / "eu.yaml").is_file()


@pytest.mark.parametrize(
    "kustomization",
    [
        "resources: [../../base]",
        'resources: ["../../base/."]',
        'resources: ["x\\n/../../../base"]',
        "components: [../../part]",
        "resources: [link]",
        "resources: [../../spare]\npatches: [{target: {kind: ConfigMap}, path: patch.yaml}]",
        "resources: [../../spare]\nconfigMapGenerator: [{name: more, files: [a=patch.yaml]}]",
        "resources: [../../spare]\ntransformers: [../../labels]",
        "Resources: [../../base]",
    ],
)
def test_what_a_changed_file_is_a_part_of_is_rendered_again(kustomization: str, tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    labels = "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: a}\nlabels: {a: '1'}\n"
    label = "fieldSpecs: [{path: metadata/labels, create: true}]\n"
    tree = {
        "overlays/dev/kustomization.yaml": kustomization,
        "overlays/dev/patch.yaml": "[{op: add, path: /data/b, value: '1'}]",
        "base/kustomization.yaml": HERE,
        "base/objects.yaml": OBJECTS,
        "part/kustomization.yaml": COMPONENT + HERE,
        "part/objects.yaml": OBJECTS,
        "spare/kustomization.yaml": HERE,
        "spare/objects.yaml": OBJECTS,
        "labels/kustomization.yaml": "resources: [labels.yaml]",
        "labels/labels.yaml": labels + label,
    }
    link = repository.folder / "overlays" / "dev" / "link"
    for texts in (tree, {path: text.replace("'1'", "'2'") for path, text in tree.items()}):
        files(repository.folder, texts)
        link.unlink(missing_ok=True)
        link.symlink_to("../../base")
        repository.git("add", "--all")
        repository.git("commit", "-q", "-m", "A state of the manifests")
    [dev] = repository.review(tmp_path / "out").overlays
    assert dev.changes or dev.error_at_head


def test_what_no_changed_file_is_a_part_of_is_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository.create(tmp_path / "repository")
    tree = {
        "overlays/a/kustomization.yaml": "resources: [../../base]",
        "overlays/b/kustomization.yaml": "resources: [../../base]\nnamespace: b\n",
        "base/kustomization.yaml": HERE,
        "base/objects.yaml": OBJECTS,
        "app/main.py": "",
    }
    repository.commit(tree)
    repository.commit(tree | {"overlays/b/kustomization.yaml": "resources: [../../base]\nnamespace: c\n"})
    repository.commit(tree | {"app/main.py": "pass"})
    rendered: list[str] = []
    render = trees.rendered

    def noted(name: str, tree: trees.Tree, *, with_charts: bool) -> trees.Rendered:
        rendered.append(name)
        return render(name, tree, with_charts=with_charts)

    monkeypatch.setattr(trees, "rendered", noted)
    repository.review(tmp_path / "out", "HEAD~2", "HEAD^")
    assert sorted(rendered) == ["a", "b", "b"]
    rendered.clear()
    repository.review(tmp_path / "out", "HEAD^", "HEAD")
    assert sorted(rendered) == ["a", "b", "b"], "the namespace of b is back"


@pytest.mark.parametrize(
    ("kustomization", "said"),
    [
        ("resources: ['https://example.com/base']", "https://example.com/base is not a file of this checkout: copy"),
        ("resources: ['github.com/a/b//base?ref=v1']", "github.com/a/b//base?ref=v1 is not a file of this checkout"),
        ("bases: ['git@example.com:a/b.git']", "git@example.com:a/b.git is not a file of this checkout"),
        ("components: ['ssh://git@example.com/a']", "ssh://git@example.com/a is not a file of this checkout"),
        ("resources: [../../../outside]", "../../../outside leads out of this checkout: copy what it holds into it"),
        ("resources: [../../base]", "https://example.com/deep is not a file of this checkout"),
        ("helmCharts: [{name: a}]", "has helmCharts, which are not rendered here: render the chart to a file"),
    ],
)
def test_a_base_from_elsewhere_is_refused(kustomization: str, said: str, tmp_path: Path) -> None:
    tree = {
        "tree/overlays/dev/kustomization.yaml": kustomization,
        "tree/base/kustomization.yaml": "resources: ['https://example.com/deep']",
        "outside/kustomization.yaml": HERE,
        "outside/objects.yaml": OBJECTS,
    }
    with pytest.raises(DeliveryError) as caught:
        render_within("dev", Kustomizations(files(tmp_path, tree) / "tree"))
    assert caught.value.message.startswith("Overlay dev does not render: ")
    assert said in caught.value.message


def test_a_link_out_of_the_tree_is_refused(tmp_path: Path) -> None:
    root = files(tmp_path / "tree", {"overlays/dev/kustomization.yaml": "resources: [base]"})
    files(tmp_path / "outside", {"kustomization.yaml": HERE, "objects.yaml": OBJECTS})
    (root / "overlays" / "dev" / "base").symlink_to(tmp_path / "outside")
    with pytest.raises(DeliveryError, match="base leads out of this checkout"):
        render_within("dev", Kustomizations(root))


def delivery(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "delivery", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_another_repository_is_reviewed_by_its_own_settings(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "repository")
    tree = {"overlays/dev/kustomization.yaml": HERE, "delivery.yaml": "image: shop\n"}
    repository.commit(tree | {"overlays/dev/objects.yaml": POD.format("shop:1")})
    repository.commit(tree | {"overlays/dev/objects.yaml": POD.format("shop:2")})
    where = ["--root", str(repository.folder), "--out", str(tmp_path / "out")]
    result = delivery("review", "--base", "HEAD^", "--head", "HEAD", *where)
    assert result.returncode == 0, result.stderr
    comment = (tmp_path / "out" / "comment.md").read_text()
    [row] = [line for line in comment.splitlines() if line.startswith("| <code>dev")]
    assert row.endswith("| the same |"), "no image of others"


def test_another_repository_is_validated_by_the_rules_that_it_chooses(tmp_path: Path) -> None:
    tree = {
        "deploy/overlays/eu/kustomization.yml": "commonLabels: {a: b}\nresources: [objects.yaml]\n",
        "deploy/overlays/eu/objects.yaml": POD.format("shop"),
    }
    root = files(tmp_path, tree)
    result = delivery("validate", "--root", root)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "deploy/overlays/eu: 2 checks passed.\n", "the schemas of two versions"
    assert "deploy/overlays/eu: kustomize: Warning: 'commonLabels' is deprecated" in result.stderr
    files(tmp_path, {"delivery.yaml": "image: shop\nrules: [image, resources]\n"})
    result = delivery("validate", "--root", root)
    assert result.returncode == 1
    assert "deploy/overlays/eu: resources: Pod/shop container shop does not say its resources" in result.stderr
    assert "image:" not in result.stderr, "it is the repository's own"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image: ghcr.io/a/shop:1", "image must be a name without registry and tag, such as taskpulse-api"),
        ("rules: {a: b}", "rules must be all, or a list of names of rules"),
        ("rules: [no-such]", "There is no rule no-such: choose from "),
        ("namespaces: [a]", "namespaces must give the namespace of each overlay"),
        ("colour: red", "says colour: it may say image, rules, namespaces and foreign"),
        ("- a", "must be a mapping of image, rules, namespaces and foreign"),
        ("a: [", "cannot be read"),
    ],
)
def test_settings_that_say_something_else(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DeliveryError) as caught:
        policy.chosen(settings.load(files(tmp_path, {"delivery.yaml": text})))
    assert said in caught.value.message


def test_our_own_settings_are_as_the_code_is() -> None:
    known = settings.load(ROOT)
    assert known.every_rule
    assert known.image == OWN_IMAGE
    assert known.namespaces.keys() == Kustomizations(ROOT).overlays.keys()


def test_no_kustomization_is_said(tmp_path: Path) -> None:
    result = delivery("validate", "--root", tmp_path)
    assert result.returncode == 1
    assert result.stderr == f"Error: No kustomization under {tmp_path}: run this in a checkout.\n"
