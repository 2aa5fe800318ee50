"""Secret Manager's values into a private folder, one file for each secret of terraform/secrets.yaml.

The REST API: https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
"""

import asyncio
import base64
import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import httpx

from delivery import manifests
from delivery.errors import DeliveryError
from delivery.secrets import TABLE

API = "https://secretmanager.googleapis.com"
PAUSES_S = (0.5, 1, 2)
"""The wait before each retry of a request that Google cannot answer now."""


def fetch(project: str, folder: Path, api: str = API) -> list[str]:
    """Write the newest version of each secret to a file of its name, byte for byte, and return the names.

    The folder is made for its owner alone, and is all there or not at all.

    Raises:
        DeliveryError: gcloud is missing or signed out, the folder exists already, or a secret cannot be read.
    """
    names: list[str] = sorted(manifests.load(TABLE.read_text()))
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise DeliveryError(f"{folder} exists already: remove it, or name another folder with --out.") from None
    except OSError as error:
        raise DeliveryError(f"Cannot make {folder}: {error.strerror}. Name another folder with --out.") from None
    try:
        values = asyncio.run(read_all(api, access_token(), project, names))
        for name, value in zip(names, values, strict=True):
            mask(value)
            (folder / name).touch(mode=0o600)
            (folder / name).write_bytes(value)
    except BaseException:  # Ctrl-C as well: nothing half-written stays
        shutil.rmtree(folder)
        raise
    return names


def access_token() -> str:
    """Return a token for the account that gcloud is signed in with.

    Raises:
        DeliveryError: there is no gcloud, or no account.
    """
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise DeliveryError("gcloud is not here: install Google Cloud's command line, or put it on PATH.")
    command = [gcloud, "auth", "print-access-token", "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no reason given"]
        reason = next((line for line in lines if line.startswith("ERROR: ")), lines[0])  # advice follows it
        raise DeliveryError(f"gcloud gives no access token: run `gcloud auth login`. It says: {reason}")
    return result.stdout.strip()


async def read_all(api: str, token: str, project: str, names: Sequence[str]) -> list[bytes]:
    """Request all secrets at the same time, and return their values in the order of `names`.

    One gcloud for each would be simpler, but Google does not support several at once: they lock each other's database
    of credentials.

    Raises:
        DeliveryError: a secret cannot be read. Of several, the first in `names`.
    """
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=api, headers=headers, timeout=20) as client:
        answers = await asyncio.gather(*(read(client, project, name) for name in names), return_exceptions=True)
    values = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        values.append(answer)
    return values


async def read(client: httpx.AsyncClient, project: str, name: str) -> bytes:
    """Return the newest version of one secret.

    Raises:
        DeliveryError: Google refuses or does not answer, or the value is empty.
    """
    response = await ask(client, f"/v1/projects/{project}/secrets/{name}/versions/latest:access")
    if not response.is_success:
        raise DeliveryError(sentence(project, name, response))
    value = base64.b64decode(response.json()["payload"].get("data", ""))
    if not value:
        raise DeliveryError(f"Secret {name} of project {project} is empty: raise its version in Terraform and apply.")
    return value


async def ask(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """Send a GET, and retry while Google is overloaded or out of reach.

    Raises:
        DeliveryError: the last try got no answer.
    """
    for pause in PAUSES_S:
        with contextlib.suppress(httpx.TransportError):
            response = await client.get(path)
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS and not response.is_server_error:
                return response
        await asyncio.sleep(pause)
    try:
        return await client.get(path)
    except httpx.TransportError as error:
        raise DeliveryError(f"No answer from {client.base_url}: {error or type(error).__name__}.") from None


def sentence(project: str, name: str, response: httpx.Response) -> str:
    """Say what an error means here. Google's message names the resource, never the value."""
    if response.status_code == httpx.codes.NOT_FOUND:
        return f"Secret {name} has no version in project {project}: `terraform apply` makes it (docs/secrets.md)."
    if response.status_code == httpx.codes.FORBIDDEN:
        return f"Secret {name} of project {project} may not be read by this account: terraform/iam.tf grants it."
    try:
        reason = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        reason = response.reason_phrase or "no reason given"
    return f"Secret {name} of project {project} cannot be read; Google answers {response.status_code}: {reason}"


def mask(value: bytes) -> None:
    """In GitHub Actions, have the runner cover the value in every log from now on; it does so line by line."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in value.decode(errors="replace").splitlines():
            if line.strip():
                print(f"::add-mask::{line.replace('%', '%25')}", flush=True)
