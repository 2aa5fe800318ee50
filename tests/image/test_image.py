"""The image: what is in it, how large it is, and that it runs as the cluster runs it."""

import gzip
import json
import signal
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.dev.postgres import NAME, SERVICE
from tests.image.conftest import REVISION, Image
from tests.image.engine import Engine
from tests.support.service import free_port

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.xdist_group("image")]  # processor time is measured

LARGEST_MB = 35
MOST_PROCESSOR_S = 1.5
"""Until it is ready. On a quiet machine, that is about as long as it takes."""
MOST_RESIDENT_MIB = 90
STARTS = 3
"""The quickest counts: other work on the machine can only slow one down."""


@pytest.fixture(scope="module")
def files(image: Image) -> dict[str, Any]:
    """What files.py finds inside."""
    script = Path(__file__).with_name("files.py").read_text()
    process = image.engine.run(image.reference, ["python", "-c", script], {})
    told, _ = process.communicate(timeout=120)
    assert process.returncode == 0, told
    found: dict[str, Any] = json.loads(told)
    return found


def test_it_says_what_it_is(image: Image) -> None:
    config = image.engine.config(image.reference)
    assert config["User"] == "10001:10001"
    assert config["Cmd"] == ["taskpulse", "serve"]
    labels = config["Labels"]
    assert labels["org.opencontainers.image.title"] == "TaskPulse"
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert labels["org.opencontainers.image.revision"] == REVISION


def test_it_runs_without_rights(files: dict[str, Any]) -> None:
    assert files["user"] == [10001, 10001]
    assert files["read_only_root"]
    assert {line.split()[1] for line in files["capabilities"]} == {"0000000000000000"}


def test_nothing_in_it_is_its_users_to_change(files: dict[str, Any]) -> None:
    assert files["writable"] == []


def test_what_only_builds_and_tests_need_is_not_in_it(files: dict[str, Any], root: Path) -> None:
    lines = (root / "requirements/run.txt").read_text().splitlines()
    locked = {line.partition("==")[0].replace("-", "_") for line in lines if "==" in line}
    assert {name.lower() for name in files["packages"]} <= locked | {"taskpulse"}
    assert "taskpulse" in files["packages"]
    assert "app" in files["top"]
    assert not {"tests", "delivery", "monitoring", "pip"} & set(files["top"])
    assert files["tools"] == []
    assert files["caches"] == []


def test_every_module_is_compiled(files: dict[str, Any]) -> None:
    """On a read-only root, what is not compiled is compiled at every start."""
    assert files["uncompiled"] == []
    assert files["compiled"] > 1000


def test_it_is_small(image: Image, tmp_path: Path) -> None:
    base, layers = image.engine.layers(image.base), image.engine.layers(image.reference)
    assert layers[: len(base)] == base
    archive = tmp_path / "image.tar"
    image.engine.save(image.reference, archive)
    size = 0
    with tarfile.open(archive) as saved:
        manifest = json.loads(_read(saved, "manifest.json"))
        for name in manifest[0]["Layers"][len(base) :]:
            layer = _read(saved, name)
            size += len(layer) if layer.startswith(b"\x1f\x8b") else len(gzip.compress(layer, 6))
    print(f"\n{size / 1e6:.1f} MB compressed on top of the base")
    assert size <= LARGEST_MB * 1e6


def test_it_migrates_and_serves(image: Image, environment: Mapping[str, str]) -> None:
    owner = {**environment, "DB_USER": NAME, "DB_SERVICE_USER": SERVICE}
    migration = image.engine.run(image.reference, ["taskpulse", "migrate"], owner)
    told, _ = migration.communicate(timeout=60)
    assert migration.returncode == 0, told
    assert "applied" in told
    starts = [_serve(image, environment) for _ in range(STARTS)]
    processor, _, resident = min(starts)
    told = ", ".join(f"{elapsed:.2f} ({used:.2f} of the processor)" for used, elapsed, _ in starts)
    print(f"\nready after {told} s; resident when idle: {resident:.0f} MiB")
    assert processor <= MOST_PROCESSOR_S
    assert resident <= MOST_RESIDENT_MIB


def _serve(image: Image, environment: Mapping[str, str]) -> tuple[float, float, float]:
    """Serve once; return seconds of the processor and elapsed ones until ready, and the MiB that it holds when idle."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    begin = time.monotonic()
    process = image.engine.run(image.reference, [], {**environment, "PORT": str(port)})
    try:
        while True:
            try:
                if httpx.get(f"{url}/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() - begin < 60
            time.sleep(0.01)
        ready = time.monotonic() - begin
        processor = _metric(url, "process_cpu_seconds_total")
        shown = httpx.get(url).json()
        assert (shown["revision"], shown["image_revision"]) == (REVISION, REVISION)
        time.sleep(3)
        resident = _metric(url, "process_resident_memory_bytes")
    finally:
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told
    return processor, ready, resident / 2**20


def _metric(url: str, name: str) -> float:
    metrics = httpx.get(f"{url}/metrics", headers={"Authorization": "Bearer scrape-me"}).text
    return float(next(line for line in metrics.splitlines() if line.startswith(f"{name} ")).split()[1])


def test_nothing_but_what_is_copied_is_sent_to_the_build(builder: Engine, root: Path, tmp_path: Path) -> None:
    admitted = {"LICENSE", "README.md", "pyproject.toml", "app/cli/main.py", "app/postgres/sql/list.sql"}
    admitted |= {"requirements/build.txt", "requirements/run.txt", "docs/guides/errors.md"}
    refused = {"docs/deploy.md", ".env", ".git/config", ".venv/bin/python", ".data/key", "tests/test.py"}
    refused |= {
        "requirements/dev.txt",
        "gha-creds-1.json",
        "app/gha-creds-1.json",
        "app/postgres/sql/gha-creds-1.json",
        "app/cli/__pycache__/main.pyc",
    }
    context = tmp_path / "context"
    for name in admitted | refused:
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(name)
    (context / ".dockerignore").write_text((root / ".dockerignore").read_text())
    (context / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    reference = "localhost/taskpulse-context:test"
    builder.build(context, reference)
    try:
        builder.save(reference, tmp_path / "context.tar")
    finally:
        builder.remove(reference)
    with tarfile.open(tmp_path / "context.tar") as saved:
        [layer] = json.loads(_read(saved, "manifest.json"))[0]["Layers"]
        with tarfile.open(fileobj=saved.extractfile(layer)) as copied:
            assert {each.name.lstrip("/") for each in copied if each.isfile()} == admitted


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()
