"""A registry of container images on loopback: crane's own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from delivery.tools import program
from tests.support.service import free_port
from tests.support.waiting import eventually


@contextmanager
def registry() -> Iterator[str]:
    """Serve one, which keeps all in memory; give its HOST:PORT."""
    host = f"127.0.0.1:{free_port()}"
    command = [program.find("crane"), "registry", "serve", "--address", host]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: answers(host))
        yield host
    finally:
        process.terminate()
        process.wait()


def answers(host: str) -> bool:
    try:
        return httpx.get(f"http://{host}/v2/").status_code == 200
    except httpx.TransportError:
        return False


def digest(reference: str) -> str:
    """The digest that a tag has; "" where there is no such tag."""
    return program.run("crane", "digest", reference).stdout.strip()
