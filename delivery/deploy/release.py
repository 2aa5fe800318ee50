"""A release: what one deploy wants to be in the cluster, and the record of it that the cluster keeps.

Each record is a ConfigMap in the overlay's namespace, written before anything is applied. Manifests hold no Secret
values, so none are recorded.
"""

import base64
import gzip
import json
import time
import zlib
from dataclasses import dataclass, field, replace
from itertools import zip_longest
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
        group = each["apiVersion"].rpartition("/")[0]
        return cls(group, each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"])

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

    def ended(self, state: str, note: str) -> "Record":
        return replace(Record(self.number, self.release), state=state, note=note)

    def as_object(self) -> Object:
        """The ConfigMap.

        Raises:
            DeliveryError: the manifests are too large for one.
        """
        release = self.release
        packed = gzip.compress(json.dumps(release.objects, sort_keys=True).encode(), mtime=0)
        text = base64.b64encode(packed).decode()
        if len(text) > LIMIT:
            raise DeliveryError(
                f"The manifests take {len(text)} bytes packed; a release may take {LIMIT}."
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
            },
            "binaryData": {"manifests": text},
        }

    @classmethod
    def parse(cls, config: Object) -> "Record":
        """The record in a ConfigMap.

        Raises:
            DeliveryError: none is in it.
        """
        try:
            return cls._parse(config)
        except (KeyError, TypeError, ValueError, OSError, EOFError, zlib.error):
            raise DeliveryError(
                f"ConfigMap {config['metadata']['name']} has the label {LABEL}, yet holds no record that can be read:"
                " take the label off it, or delete it if a deploy made it."
            ) from None

    @classmethod
    def _parse(cls, config: Object) -> "Record":
        data = config["data"]
        release = Release(
            overlay=data["overlay"],
            namespace=config["metadata"]["namespace"],
            commit=data["commit"],
            image=data["image"],
            objects=json.loads(gzip.decompress(base64.b64decode(config["binaryData"]["manifests"]))),
            migrations=json.loads(data["migrations"]),
        )
        return cls(int(config["metadata"]["labels"][LABEL]), release, data["state"], data["note"], data["time"])

    def as_json(self) -> Object:
        return {
            "release": self.number,
            "state": self.state,
            "time": self.time,
            "commit": self.release.commit,
            "image": self.release.image,
            "note": self.note,
        }


def records(namespace: str) -> list[Record]:
    """What the namespace has recorded, oldest first; nothing where there is no namespace."""
    found = kubectl.get("configmaps", f"--namespace={namespace}", f"--selector={LABEL}")
    return sorted(map(Record.parse, found), key=lambda record: record.number)


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


def earlier(past: list[Record], releases: int) -> Record:
    """The good release that ran `releases` before the one that runs now, or before the one that failed and stayed."""
    recorded = good(past)
    distinct = [one for one, after in zip_longest(recorded, recorded[1:]) if not after or after.release != one.release]
    before = distinct if left_something_new(past) else distinct[:-1]
    if len(before) < releases:
        raise DeliveryError(f"There is no good release {releases} before: {len(before)} are recorded.")
    return before[-releases]


def forget(past: list[Record], check: Check) -> None:
    """Drop old records: of the good ones the last five stay, of the others those that ended since, five at most."""
    kept = good(past)[-KEPT:]
    others = [record for record in past if record.state != GOOD and kept and record.number > kept[0].number]
    numbers = {record.number for record in [*kept, *others[-KEPT:]]}
    kubectl.delete([record.as_object() for record in past if record.number not in numbers], check=check)


def next_record(past: list[Record], release: Release) -> Record:
    """The record to write for `release`: the last one anew where it wanted the same, whatever became of it."""
    if past and past[-1].release == release:
        return past[-1] if past[-1].state == GOOD else Record(past[-1].number, release)
    return Record(past[-1].number + 1 if past else 1, release)
