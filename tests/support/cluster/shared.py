"""One control plane for all processes of a test run: the first that asks starts it, and it ends with the last user.

Every user holds a shared lock on a file. The keeper, a process of its own, waits for the exclusive lock, which the
kernel grants it as soon as no user is left, however the users ended.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from delivery.checkout import ROOT
from tests.support.cluster.controlplane import Cluster, control_plane, free_ports, wait
from tests.support.cluster.kubelet import write_stages


@contextmanager
def shared_control_plane(folder: Path) -> Iterator[Cluster]:
    """Use the control plane whose files are in `folder`; start it where nobody has.

    Raises:
        TimeoutError: it does not start; names the folder with the logs.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        with (folder / "start").open("w") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            if not ready(folder).exists():
                start_keeper(folder)
        yield Cluster(folder / "kubeconfig")


def ready(folder: Path) -> Path:
    """Return the file that is there while the control plane serves."""
    return folder / "ready"


def start_keeper(folder: Path) -> None:
    with (folder / "keeper.log").open("wb") as log:
        started = subprocess.run(
            [sys.executable, "-m", __name__, str(folder)], cwd=ROOT, stdout=log, stderr=log, check=False
        )
    if started.returncode:
        raise TimeoutError(f"The control plane did not start; see {folder}/*.log.")


def keep(folder: Path) -> None:
    """Run the control plane until it has no users."""
    stages = folder / "stages"
    for left in (stages, folder / "etcd"):  # by a keeper whose users had all left
        shutil.rmtree(left, ignore_errors=True)
    stages.mkdir()
    write_stages(stages)
    (port,) = free_ports(1)
    flags = ("--node-ip=127.0.0.1", f"--node-port={port}", f"--server-address=127.0.0.1:{port}")
    with (folder / "users").open("r+") as users, control_plane(folder, stages, *flags):
        ready(folder).touch()
        fcntl.flock(users, fcntl.LOCK_EX)
        ready(folder).unlink()


def main(folder: Path) -> None:
    """Leave a keeper behind, and return once its control plane serves."""
    keeper = os.fork()
    if not keeper:
        os.setsid()
        keep(folder)
        return

    def serves() -> bool:
        if os.waitpid(keeper, os.WNOHANG) != (0, 0):
            sys.exit("The keeper has ended.")
        return ready(folder).exists()

    wait(folder, "the control plane", serves)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
