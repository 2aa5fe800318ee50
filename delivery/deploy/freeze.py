"""A freeze: until a time, an overlay takes no deploy. A ConfigMap in its namespace holds it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from delivery.deploy.ownership import PART_OF
from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools import kubectl

NAME = "taskpulse-freeze"


@dataclass(frozen=True)
class Freeze:
    """No deploy until a time, which has a time zone; for which reason, and who wants it."""

    until: datetime
    reason: str
    by: str

    @property
    def is_over(self) -> bool:
        return self.until <= datetime.now(UTC)

    def __str__(self) -> str:
        verb = "was frozen" if self.is_over else "is frozen"
        return f"{verb} until {in_utc(self.until)} by {self.by}: {self.reason}"

    def sentence(self) -> str:
        return f"{str(self).rstrip('.')}."

    def as_object(self, namespace: str) -> Object:
        key, value = PART_OF
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": namespace, "labels": {key: value}},
            "data": {"until": in_utc(self.until), "reason": self.reason, "by": self.by},
        }

    @classmethod
    def parse(cls, config: Object) -> Self:
        """The freeze in a ConfigMap.

        Raises:
            DeliveryError: none can be read in it.
        """
        try:
            data = config["data"]
            until = datetime.fromisoformat(data["until"]).astimezone(UTC)
            return cls(until, str(data["reason"]), str(data["by"]))
        except (KeyError, TypeError, ValueError):
            namespace = config["metadata"]["namespace"]
            raise DeliveryError(
                f"ConfigMap {NAME} in namespace {namespace} holds no freeze that can be read. `delivery unfreeze`"
                " removes it; then freeze again if you have to."
            ) from None


def in_utc(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(namespace: str) -> Freeze | None:
    """The freeze of a namespace, which may be over; None where there is none.

    Raises:
        DeliveryError: it cannot be read.
    """
    found = kubectl.get("configmap", NAME, f"--namespace={namespace}")
    return Freeze.parse(found[0]) if found else None


def in_force(namespace: str) -> Freeze | None:
    """The freeze of a namespace, if it is not over.

    Raises:
        DeliveryError: it cannot be read.
    """
    found = read(namespace)
    return None if found is None or found.is_over else found


def set_freeze(namespace: str, freeze: Freeze) -> None:
    """Freeze a namespace, in the place of an earlier freeze.

    Raises:
        DeliveryError: there is no such namespace.
    """
    if not kubectl.get("namespace", namespace):
        raise DeliveryError(f"There is no namespace {namespace}: nothing was ever deployed that could be frozen.")
    kubectl.apply([freeze.as_object(namespace)], force=True)


def lift(namespace: str) -> bool:
    """End the freeze of a namespace; False where there is none, or it is over."""
    found = kubectl.get("configmap", NAME, f"--namespace={namespace}")
    kubectl.delete(found, check=lambda: None)
    try:
        return bool(found) and not Freeze.parse(found[0]).is_over
    except DeliveryError:
        return True
