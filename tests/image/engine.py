"""What builds and runs images: Docker or Podman, or else Buildah and runc, which need no daemon but root."""

import json
import os
import shlex
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

USER = 10001

_numbers = count(1)


class EngineError(Exception):
    """An engine refused; the message is what it said."""


class Engine(ABC):
    """The few things that the tests ask of an engine. References are as `docker build --tag` takes them."""

    program: str

    def build(self, context: Path, tag: str, *options: str) -> None:
        """Build the folder's Dockerfile; the environment's BUILD_OPTIONS are added, as a mounted CA bundle."""
        more = shlex.split(os.environ.get("BUILD_OPTIONS", ""))
        output([self.program, "build", *self._build_options, *more, *options, "--tag", tag, str(context)])

    _build_options: Sequence[str] = ()

    @abstractmethod
    def have(self, reference: str) -> None:
        """Pull the image unless it is there. Raises EngineError."""

    @abstractmethod
    def layers(self, reference: str) -> list[str]:
        """Return the digests of the image's uncompressed layers, the lowest first."""

    @abstractmethod
    def save(self, reference: str, archive: Path) -> None:
        """Write the image in Docker's archive format."""

    @abstractmethod
    def remove(self, reference: str) -> None:
        """Remove the image."""

    @abstractmethod
    def run(self, reference: str, command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
        """Start the command as in the cluster: a read-only root, user 10001, no capability; in the host's network.

        Output is in the process's pipe, SIGTERM reaches the command, and the container goes when it ends.
        """


class Docker(Engine):
    """Docker, or Podman, whose command line is the same."""

    def __init__(self, program: str) -> None:
        self.program = program

    def have(self, reference: str) -> None:
        try:
            output([self.program, "image", "inspect", reference])
        except EngineError:
            output([self.program, "pull", reference])

    def layers(self, reference: str) -> list[str]:
        found: list[str] = json.loads(
            output([self.program, "image", "inspect", "--format", "{{json .RootFS.Layers}}", reference])
        )
        return found

    def save(self, reference: str, archive: Path) -> None:
        output([self.program, "save", "--output", str(archive), reference])

    def remove(self, reference: str) -> None:
        output([self.program, "image", "rm", reference])

    def run(self, reference: str, command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
        options = ["--rm", "--read-only", "--network=host", f"--user={USER}:{USER}"]
        options += ["--cap-drop=ALL", "--security-opt=no-new-privileges"]
        options += [f"--env={name}={value}" for name, value in environment.items()]
        return started([self.program, "run", *options, reference, *command])


class Buildah(Engine):
    """Buildah to build, runc to run."""

    program = "buildah"
    _build_options = ("--isolation=chroot",)  # no cache of layers: Debian 12's takes those of another build argument

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._roots: dict[str, str] = {}

    def have(self, reference: str) -> None:
        output(["buildah", "pull", "--quiet", "--policy=missing", reference])

    def layers(self, reference: str) -> list[str]:
        found: list[str] = self._inspect(reference)["rootfs"]["diff_ids"]
        return found

    def _inspect(self, reference: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(output(["buildah", "inspect", "--type=image", reference]))["OCIv1"]
        return found

    def save(self, reference: str, archive: Path) -> None:
        output(["buildah", "push", "--quiet", reference, f"docker-archive:{archive}:{reference}"])

    def remove(self, reference: str) -> None:
        output(["buildah", "rmi", reference])

    @contextmanager
    def mounted(self, reference: str) -> Iterator[None]:
        """Make the image's files a folder, for `run`, until the block ends."""
        container = output(["buildah", "from", "--pull-never", reference]).strip()
        try:
            self._roots[reference] = output(["buildah", "mount", container]).strip()
            yield
        finally:
            output(["buildah", "rm", container])

    def run(self, reference: str, command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
        image = self._inspect(reference)["config"]
        name = f"taskpulse-{os.getpid()}-{next(_numbers)}"
        bundle = self._folder / name
        bundle.mkdir()
        output(["runc", "spec", "--bundle", str(bundle)])
        spec = json.loads((bundle / "config.json").read_text())
        spec["root"] = {"path": self._roots[reference], "readonly": True}
        spec["process"] |= {
            "terminal": False,
            "user": {"uid": USER, "gid": USER},
            "args": list(command) or image["Cmd"],
            "env": [*image["Env"], *(f"{key}={value}" for key, value in environment.items())],
            "capabilities": {},
            "noNewPrivileges": True,
        }
        spec["linux"]["namespaces"] = [each for each in spec["linux"]["namespaces"] if each["type"] != "network"]
        (bundle / "config.json").write_text(json.dumps(spec))
        return started(["runc", "run", "--bundle", str(bundle), name])


@contextmanager
def engine(folder: Path) -> Iterator[Engine | None]:
    """The first engine that works here, or none."""
    for program in ("docker", "podman"):
        if shutil.which(program) and not subprocess.run([program, "info"], capture_output=True, check=False).returncode:
            yield Docker(program)
            return
    yield Buildah(folder) if shutil.which("buildah") and shutil.which("runc") and os.geteuid() == 0 else None


def output(command: Sequence[str]) -> str:
    """Return what a command prints. Raises EngineError where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def started(command: Sequence[str]) -> "subprocess.Popen[str]":
    """Start a command whose output goes into one pipe."""
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
