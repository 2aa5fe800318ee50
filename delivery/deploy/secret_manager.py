"""Secret Manager's values into a private folder, one file for each secret of terraform/secrets.yaml."""

import os
import shutil
import subprocess
from pathlib import Path

import yaml

from delivery.errors import DeliveryError
from delivery.secrets import TABLE


def fetch(project: str, folder: Path) -> list[str]:
    """Write the newest version of each secret to a file of its name, byte for byte, and return the names.

    The folder is made for its owner alone, and is all there or not at all.

    Raises:
        DeliveryError: there is no gcloud, the folder exists already, or a secret cannot be read.
    """
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise DeliveryError("gcloud is not here: install Google Cloud's command line, or put it on PATH.")
    names: list[str] = sorted(yaml.safe_load(TABLE.read_text()))
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise DeliveryError(f"{folder} exists already: remove it, or name another folder with --out.") from None
    except OSError as error:
        raise DeliveryError(f"Cannot make {folder}: {error.strerror}. Name another folder with --out.") from None
    try:
        for name in names:
            access(gcloud, project, name, folder / name)
            mask((folder / name).read_bytes())
    except BaseException:  # Ctrl-C as well: nothing half-written stays
        shutil.rmtree(folder)
        raise
    return names


def access(gcloud: str, project: str, name: str, path: Path) -> None:
    """One value into `path`; gcloud writes it, so it is in no argument and on no pipe."""
    path.touch(mode=0o600)
    command = [gcloud, "secrets", "versions", "access", "latest", f"--secret={name}"]
    command += [f"--project={project}", f"--out-file={path}", "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise DeliveryError(sentence(project, name, result.stderr))
    if path.stat().st_size == 0:
        raise DeliveryError(f"Secret {name} of project {project} is empty: raise its version in Terraform and apply.")


def sentence(project: str, name: str, errors: str) -> str:
    """What gcloud's error means here. gcloud names the resource in it, and never the value."""
    if "NOT_FOUND" in errors:
        return f"Secret {name} has no version in project {project}: `terraform apply` makes it (docs/secrets.md)."
    if "PERMISSION_DENIED" in errors:
        return f"Secret {name} of project {project} may not be read by this account: terraform/iam.tf grants it."
    last = (errors.strip().splitlines() or ["it gave no reason"])[-1]
    return f"Secret {name} of project {project} cannot be read; gcloud says: {last}"


def mask(value: bytes) -> None:
    """In GitHub Actions, have the runner cover the value in every log from now on; it does so line by line."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in value.decode(errors="replace").splitlines():
            if line.strip():
                print(f"::add-mask::{line.replace('%', '%25')}", flush=True)
