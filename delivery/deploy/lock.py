"""A lock in the cluster, so that two deploys never interleave: a Lease, renewed while its holder lives.

Source: https://kubernetes.io/docs/concepts/architecture/leases/
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from delivery import yaml_writer
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools import kubectl

NAME = "taskpulse-deploy"
DURATION_S = 30
RENEW_S = 5
OVERDUE_S = 2 * RENEW_S
POLL_S = 1


class LostLockError(DeliveryError):
    """Another deploy may be at work now, so this one must touch nothing more."""


def identity() -> str:
    """Who holds the lock: a run of GitHub Actions, or a person at a machine; never the same twice."""
    run = os.environ.get("GITHUB_RUN_ID")
    who = (
        f"run {run} of {os.environ.get('GITHUB_REPOSITORY', 'GitHub Actions')}"
        if run
        else f"{person()}, process {os.getpid()}"
    )
    return f"{who} ({secrets.token_hex(4)})"


def person() -> str:
    return f"{os.environ.get('USER') or os.getuid()} on {socket.gethostname()}"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Lock:
    """The Lease of one namespace, held from `acquire` to `release`.

    Whether a holder is dead is measured by this machine's clock alone: a Lease that has not changed for its own
    duration, while the API server answered, has expired. Its holder goes on only with one that it has renewed since.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.identity = identity()
        self._renewed = 0.0
        self._done = threading.Event()
        self._taken_by = ""
        self._thread: threading.Thread | None = None

    def acquire(self, timeout_s: float, say: Callable[[str], None]) -> None:
        """Wait for the lock; whom for is said.

        Raises:
            DeliveryError: others held it all the time.
        """
        end = time.monotonic() + timeout_s
        seen: tuple[str, str] | None = None
        since = time.monotonic()
        while True:
            asked = time.monotonic()
            lease = self._read()
            if time.monotonic() - asked > DURATION_S / 2:  # the API server was away, for a holder that lives as well
                since = time.monotonic()
            spec = lease["spec"] if lease else {}
            holder = spec.get("holderIdentity") or ""
            version = lease["metadata"]["resourceVersion"] if lease else ""
            if (holder, version) != seen:
                if holder and (seen is None or holder != seen[0]) and holder != self.identity:
                    say(f"waiting for {holder}, which holds the lock since {spec.get('acquireTime')}")
                seen, since = (holder, version), time.monotonic()
            duration = spec.get("leaseDurationSeconds", DURATION_S)
            expired = holder and time.monotonic() - since > duration
            if expired:
                say(f"{holder} has not been heard of for {duration} s: its lock has expired")
            if (not holder or expired or holder == self.identity) and self._take(lease):
                break
            if time.monotonic() > end:
                raise DeliveryError(
                    f"{holder} still holds the lock after {timeout_s:.0f} s: run this again when it is done."
                )
            time.sleep(POLL_S)
        self._renewed = asked
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Renew the lock if that is overdue.

        Raises:
            LostLockError: it is another's by now.
            UnreachableError: the API server is away, so nobody can tell.
        """
        known = self._renewed
        while not self._taken_by and self._is_overdue(known):
            self._renew()
        if self._taken_by:
            raise LostLockError(
                f"The lock was lost to {self._taken_by}. Nothing more was done; run the same command again."
            )

    def release(self) -> None:
        """Let the lock go, if it is held; one that cannot be let go expires, which is no failure of the deploy."""
        self._done.set()
        if self._thread is None:
            return
        self._thread.join(OVERDUE_S)
        if self._thread.is_alive():  # the API server is away
            return
        with suppress(DeliveryError):
            lease = self._read()
            if lease and lease["spec"].get("holderIdentity") == self.identity:
                lease["spec"] |= {"holderIdentity": ""}
                self._replace(lease)

    def _read(self) -> Object | None:
        found = kubectl.get("lease", NAME, f"--namespace={self.namespace}")
        return found[0] if found else None

    def _take(self, lease: Object | None) -> bool:
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": DURATION_S,
            "acquireTime": now(),
            "renewTime": now(),
            "leaseTransitions": (lease["spec"].get("leaseTransitions") or 0) + 1 if lease else 0,
        }
        if lease is None:
            made = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": NAME, "namespace": self.namespace},
                "spec": spec,
            }
            return self._write("create", made)
        return self._replace({**lease, "spec": spec})

    def _replace(self, lease: Object) -> bool:
        """Write the Lease unless somebody wrote it since it was read: its resourceVersion sees to that."""
        return self._write("replace", lease)

    def _write(self, verb: str, lease: Object) -> bool:
        result = kubectl.run(
            verb, "--filename=-", "--validate=false", "--output=name", stdin=yaml_writer.dump_all([lease])
        )
        if result.returncode and not any(
            each in result.stderr for each in ("(Conflict)", "(AlreadyExists)", "(NotFound)")
        ):
            raise kubectl.KubectlError(kubectl.complaint(result.stderr))
        return result.returncode == 0

    def _is_overdue(self, known: float) -> bool:
        """Whether to renew it. Once it was renewed after `known`, it is held for its whole duration.

        A slow API server may take longer than OVERDUE_S for each renewal, so that none would ever be new enough.
        """
        age_s = time.monotonic() - self._renewed
        return age_s > (OVERDUE_S if self._renewed == known else DURATION_S)

    def _keep(self) -> None:
        while not self._taken_by and not self._done.wait(RENEW_S):
            with suppress(DeliveryError):  # `check` tries again, and tells
                self._renew()

    def _renew(self) -> None:
        """Renew the Lease, or note whose it is now; neither where somebody wrote it in between."""
        lease = self._read()
        holder = lease["spec"].get("holderIdentity") if lease else "nobody: its Lease is gone"
        if lease is None or holder != self.identity:
            self._taken_by = holder or "nobody: its Lease was emptied"
            return
        lease["spec"]["renewTime"] = now()
        began = time.monotonic()  # others wait from when they see the new version
        if self._replace(lease):
            self._renewed = max(self._renewed, began)
