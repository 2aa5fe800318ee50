"""What `validate` refuses, as a review says it: two trees, kubeconform and the rules themselves."""

from pathlib import Path
from typing import Any

import pytest

from delivery.errors import DeliveryError
from delivery.tools import kubeconform
from tests.delivery.review.repository import Repository

KUSTOMIZATION = "resources: [objects.yaml]\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: %s}\nspec: {ports: [{port: 80}], selector: {a: b}}\n"
CLAIM = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: %s}\nspec: {}\n"
MISFIT = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: eighty}], selectors: {a: b}}\n"
ALERT = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: alerts}
spec: {groups: [{name: all, rules: [{alert: Down, expr: up == 0, for: %s}]}]}
"""
BOTH = ("schema-1.34", "schema-1.37")


class Trees:
    """Reviews a change from one stream of objects to another, by the rules of a delivery.yaml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = Repository.create(folder / "repository")

    def commit(self, objects: list[str], settings: str | None = None) -> None:
        tree = {"overlays/dev/kustomization.yaml": KUSTOMIZATION, "overlays/dev/objects.yaml": "---\n".join(objects)}
        self.repository.commit(tree | ({} if settings is None else {"delivery.yaml": settings}))

    def refused(self) -> list[tuple[str, tuple[str, ...], str]]:
        """Each refusal: since when, by what, the sentence."""
        (overlay,) = self.repository.review(self.folder / "out").overlays
        return [(each.since, each.checks, each.sentence) for each in overlay.refusals]

    def said(self, name: str = "comment.md") -> str:
        return (self.folder / "out" / name).read_text("utf-8")


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)


def test_a_rule(trees: Trees) -> None:
    rules = "rules: [kind]\n"
    trees.commit([SERVICE % "web", CLAIM % "old"], rules)
    trees.commit([SERVICE % "web", CLAIM % "old", CLAIM % "new"], rules)
    sentence = "PersistentVolumeClaim/{} is of a kind that no rule judges: write its rules, then add it to KINDS."
    assert trees.refused() == [
        ("head", ("kind",), sentence.format("new")),
        ("base", ("kind",), sentence.format("old")),
    ]
    text = trees.said()
    new, old = text.index("**New in this change:**"), text.index("**Already at the base:**")
    assert new < text.index("PersistentVolumeClaim/new is of a kind") < old
    assert text.index("PersistentVolumeClaim/old is of a kind") > old
    assert "PersistentVolumeClaim/new</" not in trees.said("review.html")
    assert trees.said("review.html").count("is of a kind that no rule judges") == 2


def test_a_schema(trees: Trees) -> None:
    trees.commit([SERVICE % "web"])
    trees.commit([MISFIT])
    assert trees.refused() == [
        ("head", BOTH, "Service/web: at '/spec': additional properties 'selectors' not allowed."),
        ("head", BOTH, "Service/web: at '/spec/ports/0/port': got string, want integer."),
    ]


def test_what_was_so_before_is_told_apart(trees: Trees) -> None:
    trees.commit([MISFIT])
    trees.commit([MISFIT.replace("name: web}", "name: web, lables: {}}")])
    assert [(since, sentence.partition(":")[2][:16]) for since, _, sentence in trees.refused()] == [
        ("head", " at '/metadata':"),
        ("base", " at '/spec': add"),
        ("base", " at '/spec/ports"),
    ]


def test_what_is_cured_is_not_said(trees: Trees) -> None:
    trees.commit([MISFIT, CLAIM % "old"], "rules: [kind]\n")
    trees.commit([SERVICE % "web"], "rules: [kind]\n")
    assert trees.refused() == []
    assert "refuses" not in trees.said() + trees.said("review.html")


def test_a_rule_that_the_change_asks_for(trees: Trees) -> None:
    trees.commit([CLAIM % "old"])
    trees.commit([CLAIM % "old"], "rules: [kind]\n")
    assert [each[:2] for each in trees.refused()] == [("head", ("kind",))]


def test_rules_that_the_change_drops(trees: Trees) -> None:
    trees.commit([CLAIM % "old"], "rules: [kind, twice]\n")
    trees.commit([CLAIM % "old"], "rules: [twice]\n")
    assert trees.refused() == []
    assert "delivery.yaml no longer asks for these rules: kind." in trees.said()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("rules: [nonsense]\n", "There is no rule nonsense"),
        ("rules: [kind\n", "cannot be read"),
        ("a\n", "must be a mapping"),
    ],
)
def test_settings_that_cannot_be_read(trees: Trees, settings: str, sentence: str) -> None:
    trees.commit([CLAIM % "old"], "rules: [kind]\n")
    trees.commit([CLAIM % "new"], settings)
    assert trees.refused() == []
    assert "validate refuses this: " in trees.said()
    assert sentence in trees.said()
    trees.commit([CLAIM % "new"], "rules: [kind]\n")
    assert [each[0] for each in trees.refused()] == ["base"]


def test_a_new_overlay_and_a_removed_one(trees: Trees) -> None:
    bare = {"delivery.yaml": "rules: [kind]\n", "overlays/a/kustomization.yaml": "namePrefix: a-\n"}
    full = {"overlays/dev/kustomization.yaml": KUSTOMIZATION, "overlays/dev/objects.yaml": CLAIM % "c"}
    for tree in (bare, bare | full, bare):
        trees.repository.commit(tree)
    added = trees.repository.review(trees.folder / "out", "HEAD^^", "HEAD^").overlays[-1]
    assert [each.since for each in added.refusals] == ["head"]
    removed = trees.repository.review(trees.folder / "out").overlays[-1]
    assert (removed.status, removed.refusals) == ("removed", ())


def test_a_base_that_does_not_render(trees: Trees) -> None:
    trees.commit(["a: [\n"], "rules: [kind]\n")
    trees.commit([CLAIM % "c"], "rules: [kind]\n")
    assert [each[0] for each in trees.refused()] == ["unknown"]
    assert "New or not is unknown, as the base does not render:" in trees.said()


def test_another_name_is_no_new_fault(trees: Trees) -> None:
    generator = "configMapGenerator: [{name: web, literals: [API_TOKEN=f4a81b7c55, A=%s]}]\n"
    for letter in "ab":
        tree = {"overlays/dev/kustomization.yaml": generator % letter, "delivery.yaml": "rules: [secret-in-git]\n"}
        trees.repository.commit(tree)
    assert [each[0] for each in trees.refused()] == ["base"]


def test_the_same_in_two_overlays_is_said_once(trees: Trees) -> None:
    full = {
        f"overlays/{name}/{file}": text
        for name in ("dev", "main")
        for file, text in (("kustomization.yaml", KUSTOMIZATION), ("objects.yaml", CLAIM % "c"))
    }
    trees.repository.commit({"delivery.yaml": "rules: [kind]\n", "overlays/dev/kustomization.yaml": "namePrefix: a-\n"})
    trees.repository.commit({"delivery.yaml": "rules: [kind]\n"} | full)
    trees.repository.review(trees.folder / "out")
    assert "- <code>dev</code>, <code>main</code>: PersistentVolumeClaim/c is of" in trees.said()


def test_misshapen_objects_that_do_not_change(trees: Trees) -> None:
    broken = "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: web}\n"
    for name in ("one", "two"):
        trees.commit([broken, CLAIM % name], "rules: all\n")
    assert trees.refused() == [
        ("base", ("schema",), "An object is not shaped as its kind is, so the rules cannot judge this overlay.")
    ]


def test_no_value_is_said(trees: Trees) -> None:
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {k: v}\nsecretlike-key-7: {a: hunter-two-7}\n"
    )
    url = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {u: 5, v: 'postgres://u:hunter-two-7@h/d'}\n"
    trees.commit([SERVICE % "web"], "rules: [secret-in-git]\n")
    trees.commit([secret, url, ALERT % "hunter-two-7"], "rules: [secret-in-git]\n")
    assert trees.refused() == [
        ("head", BOTH, "ConfigMap/c: at '/data/u': got number, want null or string."),
        ("head", BOTH, "PrometheusRule/alerts: at '/spec/groups/0/rules/0/for': *** does not match pattern "
         "'^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$'."),
        ("head", BOTH, "Secret/a does not fit its schema."),
    ]  # fmt: skip
    for name in ("comment.md", "summary.md", "review.html"):
        assert "hunter-two-7" not in trees.said(name).partition("### Every change")[0].partition('<h2 id="overlay')[0]


@pytest.mark.parametrize("value", ["it's", "a - at 'b': c", "x' - at 'y", '"', "a\\", "', 'b"])
def test_quotes_in_a_value_hide_nothing(trees: Trees, value: str) -> None:
    trees.commit([SERVICE % "web"])
    trees.commit([ALERT % f'"{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}-hunter"'])
    ((_, _, sentence),) = trees.refused()
    assert "hunter" not in sentence
    assert sentence.startswith("PrometheusRule/alerts: at '/spec/groups/0/rules/0/for': *** does not match pattern")


def test_a_failing_validate_does_not_stop_the_comment(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise DeliveryError("kubeconform is not built yet: run `make tools` first.")

    monkeypatch.setattr(kubeconform, "errors", fail)
    trees.commit([SERVICE % "web"], "rules: [kind]\n")
    trees.commit([CLAIM % "new"], "rules: [kind]\n")
    assert [each[0] for each in trees.refused()] == ["head"]
    assert "Not checked against the schemas: kubeconform is not built yet: run" in trees.said()


@pytest.mark.parametrize("error", [KeyError("filename"), ValueError("no JSON"), OSError(28, "No space left")])
def test_an_odd_answer_does_not_stop_the_comment(
    trees: Trees, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(kubeconform, "errors", fail)
    trees.commit([SERVICE % "web"])
    trees.commit([MISFIT])
    assert trees.refused() == []
    assert "Not checked against the schemas: kubeconform fails." in trees.said()


def test_the_schemas_are_not_asked_where_nothing_changes(trees: Trees, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(kubeconform, "errors", fail)
    trees.commit([MISFIT])
    trees.commit([MISFIT])
    assert trees.refused() == []
