"""What jobs run in tests of the workflows, instead of actions and of programs such as make.

It writes down what it was asked to do, and fails as the real one would: without a right, a file or a step before it.
Called as `stand_in.py action NAME` or `stand_in.py program NAME ARGUMENTS...`, by the Python of the tests.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

STATE = Path(os.environ["STAND_IN_STATE"])
ATTEMPT = int(os.environ["GITHUB_RUN_ATTEMPT"])
TEMP = Path(os.environ["RUNNER_TEMP"])
LEVELS = ("none", "read", "write")
GIT = ["git", "-c", "advice.detachedHead=false"]
VENV_PYTHON = Path(".venv/bin/python")
GOALS_THAT_BUILD_TOOLS = {"tools", "crane", "review", "test", "test-all", "deploy-tools"}
Inputs = Mapping[str, str]


def fail(reason: str) -> NoReturn:
    sys.exit(f"stand-in: {reason}")


def note(did: str) -> None:
    """Write down what this job did, and fail where the test wants it to."""
    line = {"job": os.environ["GITHUB_JOB"], "did": did.replace(str(TEMP), "TEMP")}
    with (STATE / "log").open("a") as log:
        log.write(json.dumps(line) + "\n")
    if any(line["did"].startswith(failing) for failing in json.loads((STATE / "failing").read_text())):
        fail(f"{did} fails in this test")


def need_right(scope: str, level: str) -> None:
    granted = json.loads(os.environ["GRANTED"]).get(scope, "none")
    if LEVELS.index(granted) < LEVELS.index(level):
        fail(f"needs the permission {scope}: {level}, and has {scope}: {granted}")


def need_step(name: str) -> None:
    if not (TEMP / name).exists():
        fail(f"needs a step before it: {name}")


def step_done(name: str, text: str = "") -> None:
    (TEMP / name).write_text(text)


def give(name: str, value: str) -> None:
    with Path(os.environ.get("OUTPUTS") or os.environ["GITHUB_OUTPUT"]).open("a") as outputs:
        outputs.write(f"{name}={value}\n")


def checkout(inputs: Inputs) -> None:
    need_right("contents", "read")
    commit = os.environ["GITHUB_SHA"]
    whole = inputs["fetch-depth"] == "0"
    depth = ["+refs/heads/*:refs/remotes/origin/*"] if whole else [f"--depth={inputs['fetch-depth']}"]
    for command in (["init", "--quiet"], ["fetch", "--quiet", (STATE / "origin").as_uri(), commit, *depth]):
        subprocess.run([*GIT, *command], check=True)
    subprocess.run([*GIT, "checkout", "--quiet", commit], check=True)


def setup_python(inputs: Inputs) -> None:
    step_done("setup-python", inputs["python-version"])


def upload(inputs: Inputs) -> None:
    source = Path(inputs["path"])
    if not source.exists():
        fail(f"no files found: {source}")
    number = str(len(list((STATE / "artifacts").iterdir())) + 1)
    stored = STATE / "artifacts" / number
    stored.mkdir()
    if source.is_dir():
        shutil.copytree(source, stored / "files")
    else:
        (stored / "files").mkdir()
        shutil.copy(source, stored / "files")
    (stored / "about").write_text(json.dumps({"name": inputs["name"], "attempt": ATTEMPT}))
    give("artifact-id", number)
    give("artifact-url", f"https://github.example/artifacts/{number}")


def download(inputs: Inputs) -> None:
    """Without a token it finds only what this attempt uploaded, as actions/download-artifact#486 says."""
    if inputs["github-token"]:
        need_right("actions", "read")
    for stored in sorted((STATE / "artifacts").iterdir()):
        about = json.loads((stored / "about").read_text())
        named = stored.name == inputs["artifact-ids"] or (inputs["name"] and about["name"] == inputs["name"])
        if named and (inputs["github-token"] or about["attempt"] == ATTEMPT):
            shutil.copytree(stored / "files", inputs["path"], dirs_exist_ok=True)
            return
    fail("no such artifact")


def build(inputs: Inputs) -> None:
    """Write the image to a folder where the outputs name one, else push it."""
    if not Path(inputs["context"], "Dockerfile").exists():
        fail("no Dockerfile: nothing is checked out")
    digest = f"sha256:{hashlib.sha256(os.environ['GITHUB_SHA'].encode()).hexdigest()}"
    if folder := re.fullmatch(r"type=oci,dest=([^,]+),tar=false", inputs["outputs"]):
        note(f"build {inputs['build-args']}")
        write(Path(folder[1], "index.json"), digest)
    elif inputs["push"] == "true":
        note(f"push {inputs['tags']}@{digest} {inputs['build-args']}")
    else:
        fail("keeps nothing of what it builds")
    give("digest", digest)


def scan(inputs: Inputs) -> None:
    if (TEMP / "google").exists() or json.loads(os.environ["GRANTED"]).get("id-token") == "write":
        fail("the scanner could become an account")
    scanned = Path(inputs["input"], "index.json")
    (STATE / "scanned").write_text(scanned.read_text() if inputs["input"] and scanned.exists() else "")
    vulnerable = "scan" in json.loads((STATE / "failing").read_text())
    if vulnerable and inputs["exit-code"] == "1" and "CRITICAL" in inputs["severity"]:
        fail("a vulnerability")


def log_in_to_google(inputs: Inputs) -> None:
    """As terraform/github.tf: by push or by hand, on the branch of the environment, which has an account of its own."""
    need_right("id-token", "write")
    environment = os.environ["ENVIRONMENT"]
    branch = environment.removesuffix("-image")
    if os.environ["GITHUB_REF"] != f"refs/heads/{branch}":
        fail(f"{os.environ['GITHUB_REF']} may not become an account of {environment!r}")
    if os.environ["GITHUB_EVENT_NAME"] not in {"push", "workflow_dispatch"}:
        fail("only a push or somebody may become an account")
    account = "DEPLOYER" if environment == branch else "PUBLISHER"
    if inputs["service_account"] != f"{account}_SERVICE_ACCOUNT-of-{branch}":
        fail(f"{environment} may not become {inputs['service_account']!r}")
    step_done("google")
    if inputs["token_format"]:
        give("access_token", "token-of-google")


def log_in_to_registry(inputs: Inputs) -> None:
    if inputs["password"] != "token-of-google":
        fail("the registry refuses the password")
    step_done("login")


def reach_cluster(inputs: Inputs) -> None:
    need_step("google")
    step_done("cluster", inputs["cluster_name"])


def nothing(inputs: Inputs) -> None:
    """Stand in for an action that only installs something."""


ACTIONS = {
    "actions/checkout": checkout,
    "actions/setup-python": setup_python,
    "actions/setup-go": nothing,
    "actions/upload-artifact": upload,
    "actions/download-artifact": download,
    "hashicorp/setup-terraform": nothing,
    "helm/kind-action": nothing,
    "docker/setup-buildx-action": nothing,
    "docker/login-action": log_in_to_registry,
    "docker/build-push-action": build,
    "aquasecurity/trivy-action": scan,
    "google-github-actions/auth": log_in_to_google,
    "google-github-actions/setup-gcloud": nothing,
    "google-github-actions/get-gke-credentials": reach_cluster,
}


def make(arguments: list[str]) -> None:
    if not Path("Makefile").exists():
        fail("no Makefile: nothing is checked out")
    need_step("setup-python")
    said = shlex.join(arguments)
    version = (TEMP / "setup-python").read_text()
    goal = arguments[0]
    if goal == "unpack-deploy-tools" and not Path("build/deploy-tools.tar").exists():
        fail("build/deploy-tools.tar is missing")
    if goal == "deploy-tools":
        write(Path("build/deploy-tools.tar"), "tools")
    if goal in GOALS_THAT_BUILD_TOOLS or goal == "unpack-deploy-tools":
        install(VENV_PYTHON, "delivery")
    if goal == "review":
        need_right("pull-requests", "read")
        said += f" BASE={os.environ['BASE']} HEAD={os.environ['HEAD']}"
        for name in ("comment.md", "summary.md", "review.html"):
            write(Path("build/review", name), "what changes")
    if goal == "review-comment":
        need_right("pull-requests", "write")
        if not Path("build/review/comment.md").exists():
            fail("build/review/comment.md is missing")
        said += f" PULL_REQUEST={os.environ['PULL_REQUEST']} HEAD={os.environ['HEAD']} PAGE={os.environ['PAGE']}"
    if goal == "e2e-kind":
        said += f" IMAGE={os.environ['IMAGE']}"
    note(f"make {said} on Python {version}")


def delivery(arguments: list[str]) -> None:
    if arguments[:2] != ["-m", "delivery"]:
        fail(f"unknown: {arguments}")
    command, *rest = arguments[2:]
    options = dict(pairwise(rest))
    need_step("google")
    if command in {"find-image", "push-image"}:
        need_step("login")
        find_image(rest) if command == "find-image" else push_image(rest)
        return
    if command != "fetch-secrets":
        need_step("cluster")
    if "--secrets" in options and not Path(options["--secrets"], "password").exists():
        fail("the secrets are missing")
    if command == "fetch-secrets":
        write(Path(options["--out"], "password"), "secret")
    if command == "deploy":
        refuse_older(options["--commit"])
        repository, _, digest = options["--image"].partition("@")
        if digest not in registry().get(repository, {}).values():
            fail("there is no such image in the registry")
        if digest != (STATE / "scanned").read_text():
            fail("that image was never scanned")
    note(f"delivery {shlex.join([command, *rest])}")


def find_image(arguments: list[str]) -> None:
    """As delivery/tree_image.py: the first repository that has the tree counts."""
    *repositories, option, folder = arguments
    if option != "--folder" or "" in repositories:
        fail(f"find-image has no such arguments: {arguments}")
    for repository in repositories:
        if digest := registry().get(repository, {}).get(tree()):
            note(f"pull {repository}@{digest}")
            write(Path(folder, "index.json"), digest)
            give("image", f"{repository}@{digest}")
            return


def push_image(arguments: list[str]) -> None:
    repository, option, folder = arguments
    if option != "--folder" or not Path(folder, "index.json").exists():
        fail("no image in the folder")
    digest = Path(folder, "index.json").read_text()
    note(f"push {repository}@{digest}")
    known = registry()
    known.setdefault(repository, {})[tree()] = digest
    (STATE / "registry").write_text(json.dumps(known))
    give("digest", digest)


def registry() -> dict[str, dict[str, str]]:
    """The digest of each tree, by repository."""
    found: dict[str, dict[str, str]] = json.loads((STATE / "registry").read_text())
    return found


def tree() -> str:
    return subprocess.run([*GIT, "rev-parse", "HEAD^{tree}"], capture_output=True, text=True, check=True).stdout.strip()


def refuse_older(commit: str) -> None:
    """As delivery/deploy/commits.py does, where another commit runs."""
    running = (STATE / "running").read_text()
    if commit == running or not running:
        return
    known = subprocess.run([*GIT, "merge-base", "--is-ancestor", commit, running], capture_output=True, check=False)
    shallow = subprocess.run([*GIT, "rev-parse", "--is-shallow-repository"], capture_output=True, check=True).stdout
    if known.returncode > 1 and shallow.strip() == b"true":
        fail("which commit is older cannot be told from a shallow checkout")
    if known.returncode == 0:
        fail("the commit is older than the one that runs")


def remove(arguments: list[str]) -> None:
    note(f"rm {shlex.join(arguments)}")
    subprocess.run(["/bin/rm", *arguments], check=True)


def concatenate(arguments: list[str]) -> None:
    note(f"cat {shlex.join(arguments)}")
    subprocess.run(["/bin/cat", *arguments], check=True)


def kubectl(arguments: list[str]) -> None:
    note(f"kubectl {shlex.join(arguments)}")


def gh(arguments: list[str]) -> None:
    need_right("actions", "write")
    if not os.environ.get("GH_TOKEN") or not os.environ.get("GH_REPO"):
        fail("gh has no token, or knows no repository")
    note(f"gh {shlex.join(arguments)}")


PROGRAMS = {"gh": gh, "make": make, "delivery": delivery, "rm": remove, "cat": concatenate, "kubectl": kubectl}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def install(path: Path, name: str) -> None:
    """Put a program that calls this file for `name` at `path`."""
    write(path, f'#!/bin/sh\nexec {shlex.join([sys.executable, "-IS", __file__])} program {name} "$@"\n')
    path.chmod(0o755)


if __name__ == "__main__":
    kind, called, *given = sys.argv[1:]
    if kind == "action":
        ACTIONS[called](json.loads(os.environ["INPUTS"]))
    else:
        PROGRAMS[called](given)
