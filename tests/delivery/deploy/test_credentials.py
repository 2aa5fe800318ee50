"""Credentials that the API server does not accept: each command says so in a sentence, and what to do."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.delivery.deploy.project import Project, read_until
from tests.support.cluster.faulty_api import FaultyApi, refusal
from tests.support.cluster.kubelet import GOOD, NEVER_READY
from tests.support.proxy import Fault

pytestmark = pytest.mark.slow

EXPIRED = (
    "Error: The API server does not accept your credentials; they may have expired (",
    "Get new ones with `gcloud auth login` and `gcloud container clusters get-credentials`",
)
MISSING = (
    "Error: kubectl gets its credentials from no-such-plugin, which is not installed here.",
    "Install it, as with",
)
PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
USERS = {
    "token": ({"token": "expired"}, EXPIRED),
    "plugin-fails": ({"exec": {**PLUGIN, "command": "false"}}, EXPIRED),
    "plugin-is-missing": ({"exec": {**PLUGIN, "command": "no-such-plugin", "installHint": "Any hint."}}, MISSING),
}


@pytest.mark.parametrize(("user", "sentences"), USERS.values(), ids=USERS)
def test_every_command_says_so(
    project: Project, tmp_path: Path, user: dict[str, Any], sentences: tuple[str, str]
) -> None:
    config = json.loads(project.kubeconfig.read_text())
    config["users"][0]["user"] = user
    project.kubeconfig = tmp_path / "kubeconfig"
    project.kubeconfig.write_text(json.dumps(config))
    overlay = str(project.overlay)
    commands = {
        "deploy": project.arguments(),
        "plan": [overlay],
        "rollback": [overlay],
        "history": [overlay],
        "freeze": [overlay, "--until=1h", "--reason=any"],
        "unfreeze": [overlay],
    }
    running = {name: project.start(name, *arguments) for name, arguments in commands.items()}
    running["plan of an image"] = project.start("plan", *project.arguments())
    errors = {name: process.communicate()[1] for name, process in running.items()}
    for name, error in errors.items():
        assert running[name].returncode == 1, name
        assert error.startswith(sentences[0]), name
        assert sentences[1] in error, name
        assert len(error.splitlines()) == 1, name
        assert "openapi" not in error, name


def test_a_deploy_whose_credentials_expire_says_so_and_the_next_one_goes_on(project: Project, tmp_path: Path) -> None:
    project.deployed()
    commit = project.commit()
    with FaultyApi(source=project.cluster.kubeconfig, folder=tmp_path) as api:
        project.kubeconfig = api.kubeconfig
        process = project.start("deploy", *project.arguments(NEVER_READY))
        read_until(process, "==> Roll out")
        api.faults.append(Fault("/", "answer", 10_000, refusal(401)))
        _, error = process.communicate()
    assert (process.returncode, error.startswith(EXPIRED[0])) == (1, True), error
    project.kubeconfig = project.cluster.kubeconfig
    assert [each["state"] for each in project.history()] == ["started", "good"]
    project.deployed()
    assert project.running() == {(GOOD, commit)}
