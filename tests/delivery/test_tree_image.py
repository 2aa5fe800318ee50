"""`python -m delivery find-image` and `push-image`, with real crane, Git and registries."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from delivery import tree_image
from delivery.cli import main
from tests.support.registry import digest, registry

pytestmark = pytest.mark.slow

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with registry() as found:
        yield found


@pytest.fixture
def dev(host: str, tmp_path: Path) -> str:
    return f"{host}/{tmp_path.name.replace('_', '-').lower()}/dev/taskpulse-api"


@pytest.fixture
def prod(dev: str) -> str:
    return dev.replace("/dev/", "/main/")


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a commit, whose tree is asked for."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.setattr(tree_image, "ROOT", folder)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "tests")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tests@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git(folder, "init", "--quiet")
    (folder / "app.py").write_text("first")
    commit(folder)
    return folder


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "a commit")


def tag(folder: Path) -> str:
    return f"tree-{git(folder, 'rev-parse', 'HEAD^{tree}')}"


def built(folder: Path, text: str = "a file") -> str:
    """Write the layout that BuildKit writes for an image with an SBOM; return the digest of its index."""
    config = blob(folder, json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {}}))
    layer = blob(folder, text)
    config["mediaType"] = "application/vnd.oci.image.config.v1+json"
    layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip"
    statement = {**blob(folder, f'{{"sbom": "{text}"}}'), "mediaType": "application/vnd.in-toto+json"}
    image = manifest(folder, config, layer) | {"platform": {"architecture": "amd64", "os": "linux"}}
    attestation = manifest(folder, config, statement) | {
        "platform": {"architecture": "unknown", "os": "unknown"},
        "annotations": {
            "vnd.docker.reference.digest": image["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        },
    }
    index = blob(folder, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image, attestation]}))
    index["mediaType"] = INDEX
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [index]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return str(index["digest"])


def manifest(folder: Path, config: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]})
    return {**blob(folder, text), "mediaType": MANIFEST}


def blob(folder: Path, text: str) -> dict[str, Any]:
    name = hashlib.sha256(text.encode()).hexdigest()
    path = folder / "blobs" / "sha256" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return {"digest": f"sha256:{name}", "size": len(text)}


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "blobs").rglob("*") if path.is_file()}


def find(folder: Path, *repositories: str) -> Result:
    return CliRunner().invoke(main, ["find-image", *repositories, f"--folder={folder}"])


def push(folder: Path, repository: str) -> Result:
    return CliRunner().invoke(main, ["push-image", repository, f"--folder={folder}"])


def outputs(tmp_path: Path) -> list[str]:
    return (tmp_path / "outputs").read_text().splitlines()


def test_where_no_registry_has_it_it_must_be_built(dev: str, prod: str, tmp_path: Path) -> None:
    result = find(tmp_path / "image", prod, dev)
    assert (result.exit_code, result.output) == (0, "No image of this tree is there: it must be built.\n")
    assert outputs(tmp_path) == ["image="]
    assert not (tmp_path / "image").exists()


def test_what_dev_has_pushed_comes_to_main_whole(dev: str, prod: str, tmp_path: Path, checkout: Path) -> None:
    made = built(tmp_path / "built")
    result = push(tmp_path / "built", dev)
    assert (result.exit_code, result.output) == (0, f"{dev}@{made} is pushed.\n")
    commit(checkout)  # the merge: another commit of the same tree
    found = find(tmp_path / "found", prod, dev)
    assert (found.exit_code, found.output) == (0, f"{dev}@{made} is the image of this tree.\n")
    assert push(tmp_path / "found", prod).exit_code == 0
    assert outputs(tmp_path) == [f"digest={made}", f"image={dev}@{made}", f"digest={made}"]
    assert digest(f"{prod}:{tag(checkout)}") == made
    shutil.rmtree(tmp_path / "found")
    assert find(tmp_path / "again", prod).exit_code == 0, "main has a copy of its own"
    assert files(tmp_path / "again") == files(tmp_path / "built"), "the SBOM is one of them"


def test_the_first_repository_that_has_it_counts(dev: str, prod: str, tmp_path: Path) -> None:
    first, second = built(tmp_path / "first", "first"), built(tmp_path / "second", "second")
    push(tmp_path / "first", prod)
    push(tmp_path / "second", dev)
    assert find(tmp_path / "one", prod, dev).output.startswith(f"{prod}@{first} ")
    assert find(tmp_path / "two", dev, prod).output.startswith(f"{dev}@{second} ")


def test_another_tree_has_another_image(dev: str, tmp_path: Path, checkout: Path) -> None:
    built(tmp_path / "built")
    push(tmp_path / "built", dev)
    (checkout / "app.py").write_text("second")
    commit(checkout)
    assert find(tmp_path / "found", dev).output.startswith("No image of this tree")


@pytest.mark.parametrize("name", ["app.py", "new.py"])
def test_files_that_are_not_committed_are_refused(name: str, dev: str, tmp_path: Path, checkout: Path) -> None:
    built(tmp_path / "built")
    (checkout / name).write_text("second")
    for result in (push(tmp_path / "built", dev), find(tmp_path / "found", dev)):
        assert result.exit_code == 1
        assert f"Error: Not committed: {name}. An image is named by what is committed" in result.output
    assert digest(f"{dev}:{tag(checkout)}") == ""


@pytest.mark.parametrize("images", [0, 2])
def test_a_folder_that_holds_no_image_or_two_is_refused(images: int, dev: str, tmp_path: Path) -> None:
    folder = tmp_path / "built"
    built(folder)
    held = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(held | {"manifests": held["manifests"] * images}))
    result = push(folder, dev)
    assert result.exit_code == 1
    assert result.output == f"Error: {folder} must be an OCI image layout that holds one image.\n"
    assert "must be an OCI image layout" in push(tmp_path / "nowhere", dev).output


def test_a_folder_that_is_there_is_refused(dev: str, tmp_path: Path) -> None:
    built(tmp_path / "built")
    assert find(tmp_path / "built", dev).output == f"Error: {tmp_path / 'built'} is there already: remove it first.\n"


@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_does_not_answer_the_question_is_an_error(status: int, prod: str, tmp_path: Path) -> None:
    """A new build would break the promise that `main` runs what `dev` has tested, and nobody would notice."""

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"errors": [{"code": "DENIED", "message": "no"}]}).encode()
            self.send_response(200 if self.path == "/v2/" else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        other = f"127.0.0.1:{server.server_port}/dev/taskpulse-api"
        result = find(tmp_path / "found", prod, other)
    finally:
        server.shutdown()
        server.server_close()
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {other} does not say whether it has tree-")
    assert not (tmp_path / "outputs").exists()


def test_a_registry_that_refuses_the_push_is_an_error(tmp_path: Path) -> None:
    built(tmp_path / "built")
    result = push(tmp_path / "built", "127.0.0.1:1/dev/taskpulse-api")
    assert result.exit_code == 1
    assert result.output.startswith("Error: crane push failed: ")
    assert not (tmp_path / "outputs").exists()
