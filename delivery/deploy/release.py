"""A release: what one deploy wants to be in the cluster, and the record of it that the cluster keeps.

Each record is a ConfigMap in the overlay's namespace, written before anything is applied. Neither the manifests nor
what they adopt are Secrets, so no values of Secrets are recorded.
"""

import base64
import gzip
import json
import time
import zlib
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from delivery.errors import DeliveryError
from delivery.manifests import Object
from delivery.tools import kubectl
from delivery.tools.kubectl import Check

LABEL = "taskpulse/release"
KEPT = 5
LIMIT = 1_000_000
"""Bytes of a record; a ConfigMap holds 1 MiB."""

STARTED, GOOD, FAILED, PUT_BACK = "started", "good", "failed", "put back"
"""PUT_BACK: it failed, and the good release before it runs again."""


class Key(NamedTuple):
    """Which object it is; versions of an API show the same one."""

    group: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, each: Object) -> "Key":
        return cls(*kubectl.which(each))

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Release:
    """What is to run: rendered objects without Secrets, and what they were made from."""

    overlay: str
    namespace: str
    commit: str
    image: str
    objects: list[Object]
    migrations: dict[str, str | None]
    """File names, each with the reason why old code cannot live with it, if so."""

    def owned(self) -> list[Key]:
        return [Key.of(each) for each in self.objects]


@dataclass(frozen=True)
class Record:
    """A release that was begun, and how it ended."""

    number: int
    release: Release
    state: str = STARTED
    note: str = ""
    time: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    restores: int = 0
    """Number of the release that a rollback brings back; 0 for a deploy."""
    adopted: list[Object] = field(default_factory=list)
    """Objects that the release took over from others, as they were before."""

    @property
    def origin(self) -> int:
        """Number of the deploy that first brought this release."""
        return self.restores or self.number

    def ended(self, state: str, note: str) -> "Record":
        return Record(self.number, self.release, state, note, restores=self.restores, adopted=self.adopted)

    def adopting(self, objects: list[Object]) -> "Record":
        """The record with what the release takes over now, too; what it took over in an earlier run stays."""
        known = {Key.of(each): each for each in [*self.adopted, *objects]}
        return replace(self, adopted=list(known.values()))

    def as_object(self) -> Object:
        """The ConfigMap.

        Raises:
            DeliveryError: the manifests are too large for one.
        """
        release = self.release
        content = {"manifests": pack(release.objects)} | ({"adopted": pack(self.adopted)} if self.adopted else {})
        if (size := sum(map(len, content.values()))) > LIMIT:
            adopted = " with the objects that it adopts" if self.adopted else ""
            raise DeliveryError(
                f"The manifests{adopted} take {size} bytes packed; a release may take {LIMIT}."
                " Render fewer or smaller objects."
            )
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"taskpulse-release-{self.number}",
                "namespace": release.namespace,
                "labels": {LABEL: str(self.number)},
            },
            "data": {
                "overlay": release.overlay,
                "state": self.state,
                "time": self.time,
                "commit": release.commit,
                "image": release.image,
                "note": self.note,
                "migrations": json.dumps(release.migrations),
                "restores": str(self.restores),
            },
            "binaryData": content,
        }

    @classmethod
    def parse(cls, config: Object) -> "Record":
        """The record in a ConfigMap.

        Raises:
            DeliveryError: none is in it.
        """
        try:
            return cls._parse(config)
        except (KeyError, TypeError, ValueError, AttributeError, OSError, EOFError, zlib.error):
            name, namespace = config["metadata"]["name"], config["metadata"]["namespace"]
            raise DeliveryError(
                f"ConfigMap {name} has the label {LABEL}, yet holds no record that can be read: take the label off it"
                f" with `kubectl --namespace {namespace} label configmap {name} {LABEL}-`; deploys go on without it."
            ) from None

    @classmethod
    def _parse(cls, config: Object) -> "Record":
        data = config["data"]
        content = config["binaryData"]
        objects = unpack(content["manifests"])
        adopted = unpack(content["adopted"]) if "adopted" in content else []
        migrations: dict[str, str | None] = json.loads(data["migrations"])
        if not isinstance(migrations, dict):
            raise TypeError
        release = Release(
            overlay=data["overlay"],
            namespace=config["metadata"]["namespace"],
            commit=data["commit"],
            image=data["image"],
            objects=objects,
            migrations=migrations,
        )
        number, restores = int(config["metadata"]["labels"][LABEL]), int(data.get("restores", 0))
        return cls(number, release, data["state"], data["note"], data["time"], restores, adopted)

    def as_json(self) -> Object:
        return {
            "release": self.number,
            "state": self.state,
            "time": self.time,
            "commit": self.release.commit,
            "image": self.release.image,
            "note": self.note,
            "restores": self.restores or None,
        }


def pack(objects: list[Object]) -> str:
    return base64.b64encode(gzip.compress(json.dumps(objects, sort_keys=True).encode(), mtime=0)).decode()


def unpack(text: str) -> list[Object]:
    """The objects that `pack` was given; raises what `Record.parse` catches where there are none."""
    objects: list[Object] = json.loads(gzip.decompress(base64.b64decode(text)))
    if not isinstance(objects, list):
        raise TypeError
    for each in objects:
        Key.of(each)  # raises where it is none
    return objects


def records(namespace: str) -> list[Record]:
    """What the namespace has recorded, oldest first; nothing where there is no namespace."""
    found = kubectl.get("configmaps", f"--namespace={namespace}", f"--selector={LABEL}")
    return sorted(map(Record.parse, found), key=lambda record: record.number)


def namespaces_of(overlay: str) -> set[str]:
    """The namespaces with a record of the overlay; none where we may not look into others.

    Raises:
        UnreachableError: the API server is away.
    """
    each = '{range .items[*]}{.metadata.namespace}{"\\t"}{.data.overlay}{"\\n"}{end}'
    result = kubectl.run("get", "configmaps", "--all-namespaces", f"--selector={LABEL}", f"--output=jsonpath={each}")
    found = [line.partition("\t") for line in result.stdout.splitlines()]
    return {namespace for namespace, _, name in found if name == overlay} if result.returncode == 0 else set()


def write(record: Record, check: Check) -> None:
    kubectl.apply([record.as_object()], force=True, check=check)


def good(past: list[Record]) -> list[Record]:
    return [record for record in past if record.state == GOOD]


def applied(past: list[Record]) -> Record | None:
    """The good release that was the last to be applied; none where a later one may have left something."""
    later = [record for record in past if record.state != PUT_BACK]
    return later[-1] if later and later[-1].state == GOOD else None


def left_something_new(past: list[Record]) -> bool:
    """Whether the last release to be applied has not ended well, and was no return to a good one."""
    later = [record for record in past if record.state != PUT_BACK][-1:]
    return any(last.state != GOOD and last.release not in [record.release for record in good(past)] for last in later)


def line(past: list[Record]) -> list[Record]:
    """The good releases that led to the one that runs, oldest first, without those that were rolled back from.

    A rollback stands in the place of the release that it restored, and the same release twice in a row is there once.
    """
    found: list[Record] = []
    for record in good(past):
        if record.restores:
            found = [each for each in found if each.origin < record.restores]
        elif found and found[-1].release == record.release:
            found.pop()
        found.append(record)
    return found


def earlier(past: list[Record], releases: int) -> Record:
    """The good release that ran `releases` before the one that runs now, or before the one that failed and stayed.

    Raises:
        DeliveryError: so many are not recorded.
    """
    before = line(past) if left_something_new(past) else line(past)[:-1]
    if len(before) < releases:
        raise DeliveryError(
            f"There is no good release {releases} before the one that runs: {len(before)} are recorded."
            " `delivery history` lists all, and --to names one of them."
        )
    return before[-releases]


def numbered(past: list[Record], number: int) -> Record:
    """The good release with a number.

    Raises:
        DeliveryError: it is not recorded, never was good, or runs already.
    """
    found = next((record for record in past if record.number == number), None)
    if found is None:
        known = ", ".join(str(record.number) for record in good(past)) or "none"
        raise DeliveryError(f"There is no release {number}. The good ones that are recorded: {known}.")
    if found.state != GOOD:
        raise DeliveryError(
            f"Release {number} never was good ({found.state}): name one that was, see `delivery history`."
        )
    if not left_something_new(past) and line(past)[-1].release == found.release:
        raise DeliveryError(f"Release {number} runs already.")
    return found


def forget(past: list[Record], check: Check) -> None:
    """Drop old records, as `kept` decides."""
    numbers = kept(past)
    kubectl.delete([record.as_object() for record in past if record.number not in numbers], check=check)


def kept(past: list[Record]) -> set[int]:
    """Numbers of the records that stay: the last five that led here, and five at most of the others that are newer.

    A rollback is as old as the release that it restored: what was rolled back from can be brought back by number.
    """
    led_here = line(past)[-KEPT:]
    numbers = {record.number for record in led_here}
    newer = [record for record in past if led_here and record.number >= led_here[0].origin]
    others = [record.number for record in newer if record.number not in numbers]
    return numbers | set(others[-KEPT:])


def next_record(past: list[Record], release: Release, restores: int = 0) -> Record:
    """The record to write for `release`: the last one again where it wanted the same, whatever became of it."""
    if past and past[-1].release == release:
        last = past[-1]
        if last.state == GOOD:
            return last
        return Record(last.number, release, restores=restores, adopted=last.adopted)
    return Record(past[-1].number + 1 if past else 1, release, restores=restores)
