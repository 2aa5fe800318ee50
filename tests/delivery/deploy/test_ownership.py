"""Whose an object is, by what stands in it alone; test_adoption.py asks a real API server."""

from typing import Any

import pytest

from delivery.deploy.ownership import ADOPT, former_of, marks, ours, owner_of, refusal, taken_by
from delivery.deploy.release import FAILED, GOOD, PUT_BACK, Record, Release
from delivery.tools.kubectl import MANAGER


def config(name: str = "extra", uid: str = "1", **metadata: Any) -> dict[str, Any]:
    found = {"name": name, "namespace": "n", "uid": uid, **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": found}


def entry(manager: str, operation: str = "Update", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, **more}


def test_it_says_who_made_it_and_how_to_adopt_it() -> None:
    live = config(
        managedFields=[entry("kubectl-edit"), entry("controller", subresource="status"), entry("kubectl-create")]
    )
    assert refusal(live, "main") == (
        "it is there and was not made by a deploy; its fields were set by kubectl-create, kubectl-edit. Rename one of"
        " the two, delete it, or have the deploy adopt it: `kubectl --namespace n annotate --overwrite configmap/extra"
        " taskpulse/adopt=main`"
    )
    assert "nobody is recorded as the manager of its fields" in refusal(config(), "main")


@pytest.mark.parametrize(
    ("api", "kind", "metadata", "command"),
    [
        (
            "gateway.networking.k8s.io/v1",
            "Gateway",
            {"namespace": "n"},
            "--namespace n annotate --overwrite gateway.gateway.",
        ),
        ("v1", "Namespace", {}, "kubectl annotate --overwrite namespace/a taskpulse/adopt=main"),
    ],
)
def test_the_command_names_the_group_and_the_place(api: str, kind: str, metadata: dict[str, str], command: str) -> None:
    live = {"apiVersion": api, "kind": kind, "metadata": {"name": "a", **metadata}}
    assert command in refusal(live, "main")


def test_it_is_adopted_only_by_the_overlay_that_its_mark_names() -> None:
    live = config(annotations={ADOPT: "main"})
    assert refusal(live, "main") == ""
    assert "Its annotation taskpulse/adopt names main, not dev." in refusal(live, "dev")


@pytest.mark.parametrize("mark", marks(), ids=lambda mark: mark.get("label") or mark["annotation"])
def test_what_another_tool_keeps_is_refused_whoever_marked_it(mark: dict[str, Any]) -> None:
    sort = "label" if "label" in mark else "annotation"
    fields: dict[str, Any] = {"annotations": {ADOPT: "main"}, "labels": {}}
    fields[f"{sort}s"][mark[sort]] = "web"
    live = config(**fields, managedFields=[entry(each) for each in mark.get("managers", [])])
    reason = refusal(live, "main")
    assert reason.startswith(f"it belongs to {mark['tool']} ({sort} {mark[sort]}: web). Rename one of the two, or take")


def test_the_label_that_argo_cd_shares_with_others_counts_only_with_its_manager() -> None:
    live = config(labels={"app.kubernetes.io/instance": "web"}, managedFields=[entry("kubectl-create")])
    assert owner_of(live) == ""
    live["metadata"]["managedFields"].append(entry("argocd-controller"))
    assert owner_of(live).startswith("Argo CD")


def test_what_goes_with_another_object_is_refused() -> None:
    owner = {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "all", "uid": "2"}
    live = config(ownerReferences=[owner], annotations={ADOPT: "main"})
    assert refusal(live, "main").startswith("it belongs to ExternalSecret/all (metadata.ownerReferences).")


def test_a_label_alone_makes_nothing_ours_unless_the_last_good_release_has_it() -> None:
    copy = config(labels={"app.kubernetes.io/part-of": "taskpulse"}, managedFields=[entry("kubectl-create")])
    assert not ours(copy, recorded=False)
    assert ours(copy, recorded=True)
    copy["metadata"]["annotations"] = {"meta.helm.sh/release-name": "web"}
    assert not ours(copy, recorded=True)
    assert not ours(config(), recorded=True)
    assert ours(config(managedFields=[entry(MANAGER, "Apply")]), recorded=False)
    assert not ours(config(managedFields=[entry(MANAGER)]), recorded=False)


def release(commit: str, *names: str) -> Release:
    return Release("main", "n", commit, "image@sha256:1", [config(each) for each in names], {})


BEFORE, WITH, WITHOUT = release("1"), release("2", "extra"), release("3")
FORMER = config(annotations={ADOPT: "main"})


@pytest.mark.parametrize(
    ("past", "wanted", "is_given_back"),
    [
        ([Record(1, BEFORE, GOOD), Record(2, WITH, FAILED, adopted=[FORMER])], BEFORE, True),
        ([Record(1, BEFORE, GOOD), Record(2, WITH, GOOD, adopted=[FORMER])], BEFORE, True),
        ([Record(1, BEFORE, GOOD), Record(2, WITH, GOOD, adopted=[FORMER])], WITHOUT, False),
        ([Record(1, WITH, FAILED, adopted=[FORMER])], WITHOUT, True),
        ([Record(1, WITH, FAILED, adopted=[FORMER])], None, True),
        ([Record(1, WITH, FAILED, adopted=[FORMER]), Record(2, release("4", "extra"), GOOD)], WITHOUT, False),
        ([Record(1, WITH, GOOD, adopted=[FORMER])], None, False),
        ([Record(1, WITH, GOOD)], WITHOUT, False),
        ([Record(1, WITH, PUT_BACK, adopted=[config(uid="another")])], WITHOUT, False),
    ],
    ids=[
        "put-back",
        "rolled-back",
        "dropped-after-it-was-good",
        "dropped-before-it-was-good",
        "first-deploy-fails",
        "good-in-a-later-release",
        "nothing-to-give-back",
        "never-adopted",
        "made-again-since",
    ],
)
def test_what_was_adopted_goes_back_where_it_is_not_ours_to_delete(
    past: list[Record], wanted: Release | None, is_given_back: bool
) -> None:
    assert former_of(config(), past, wanted) == (FORMER if is_given_back else None)


def deploy_of(overlay: str, state: str = GOOD, number: int = 1, restores: int = 0) -> Record:
    return Record(number, Release(overlay, "n", "1", "image@sha256:1", [], {}), state, restores=restores)


@pytest.mark.parametrize(
    ("past", "taken"),
    [
        ([], ""),
        ([deploy_of("other")], "other"),
        ([deploy_of("other", FAILED)], "other"),
        ([deploy_of("other"), deploy_of("main", FAILED)], ""),
        ([deploy_of("other"), deploy_of("main", PUT_BACK), deploy_of("main")], ""),
        ([deploy_of("main"), deploy_of("other")], "other"),
        ([deploy_of("main"), deploy_of("other", PUT_BACK)], ""),
        ([deploy_of("other"), deploy_of("main"), deploy_of("other", restores=1)], ""),
    ],
    ids=[
        "none",
        "another",
        "another-failed",
        "began",
        "good-at-last",
        "another-since",
        "another-put-back",
        "rolled-back-across",
    ],
)
def test_a_namespace_is_the_overlays_that_was_deployed_well_there_last(past: list[Record], taken: str) -> None:
    assert taken_by(past, "main") == taken
