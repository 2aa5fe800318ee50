"""The image, built once for all tests of this folder."""

import os
import shlex
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.dev.postgres import SERVICE, EmbeddedPostgres
from tests.image.engine import Buildah, Engine, EngineError, engine

IN_ITS_PLACE = "--build-context=base=docker-image://"
"""The option in BUILD_OPTIONS by which another image stands in for the base image."""
REVISION = "0123456789abcdef0123456789abcdef01234567"
DATABASE_HOST = "127.83.80.1"  # loopback as well, and nobody else's, so that PostgreSQL's own port is free


@dataclass(frozen=True)
class Image:
    """An image that was built."""

    engine: Engine
    reference: str
    base: str


@pytest.fixture(scope="session")
def base(root: Path) -> str:
    """The base image: the one that the Dockerfile pins, or what stands in for it."""
    for option in shlex.split(os.environ.get("BUILD_OPTIONS", "")):
        if option.startswith(IN_ITS_PLACE):
            return option.removeprefix(IN_ITS_PLACE)
    lines = (root / "Dockerfile").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("FROM "))


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory, base: str) -> Iterator[Engine]:
    """What builds here; `make image-test` fails, and others skip, where nothing does."""
    with engine(tmp_path_factory.mktemp("bundles")) as found:
        reason = "Neither Docker nor Podman answers here, nor are Buildah and runc here for root."
        try:
            if found:
                found.have(base)
                yield found
                return
        except EngineError as error:
            reason = f"The base image cannot be had: {error}"
        if "IMAGE_REQUIRED" in os.environ:
            pytest.fail(reason)
        pytest.skip(f"no image is built: {reason}")


@pytest.fixture(scope="session")
def image(builder: Engine, root: Path, base: str) -> Iterator[Image]:
    """The image of this checkout, under a name of its own."""
    reference = f"localhost/taskpulse-api:test-{os.getpid()}"
    builder.build(root, reference, f"--build-arg=REVISION={REVISION}")
    try:
        with builder.mounted(reference) if isinstance(builder, Buildah) else nullcontext():
            yield Image(builder, reference, base)
    finally:
        builder.remove(reference)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings of the user that serves, for a PostgreSQL on loopback, from inside a container too."""
    folder = tmp_path_factory.mktemp("image-postgres")
    with EmbeddedPostgres(folder, {"listen_addresses": DATABASE_HOST, "fsync": "off"}):
        yield {"DB_HOST": DATABASE_HOST, "DB_SSLMODE": "disable", "DB_USER": SERVICE, "METRICS_TOKEN": "scrape-me"}
