"""All connections of the process: how many there may be, and the deadline of peers that do not write or do not read."""

import asyncio
import heapq
import resource
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import NamedTuple, Protocol

from app.limits import REFUSED

HEAD_WITHIN_S = 10.0
"""Seconds from the first byte of a head, or from the beginning of a connection, to the end of that head."""
GRACE_S = 10.0
"""Seconds that any body and any answer may take; from then on, it must have moved FLOOR bytes a second."""
FLOOR = 8 * 1024
LINGER_S = 2.0
"""Seconds for which a refused peer may go on sending, so that it can still read why (RFC 9112, section 9.6)."""
SWEEP_EVERY_S = 0.25
SWEEP_AGAIN_S = 0.05
"""Seconds until the next sweep where there are more connections to close."""
CLOSED_AT_ONCE = 40
"""Connections of a kind that one sweep closes: thousands would hold up everything else."""
STALLED_AFTER_S = 1.0
"""Seconds after which a body that does not move FLOOR bytes a second makes room at the limit of connections."""
OTHER_FILES = 128
"""File descriptors for everything but clients: PostgreSQL, logs, listening sockets."""
KEPT = 16 * 1024 * 1024
"""Bytes that all connections together may keep of requests that the application does not read yet."""
LITTLE = 4 * 1024
"""Bytes of requests that count for nothing, if they arrive at once."""
CLOSED_TOGETHER = 16
"""Idle connections closed at the limit: to find the oldest ones takes a look at each connection."""


class Peer(Protocol):
    """What the deadlines need of a connection."""

    def head_is_late(self) -> None:
        """Refuse a head that is not complete."""

    def body_is_late(self) -> None:
        """Refuse a body that is not complete."""

    def waits_for_us(self) -> bool:
        """Return whether the service has stopped reading from it."""
        ...

    def received(self) -> int:
        """Return how many bytes of the body have arrived."""
        ...

    def kept(self) -> int:
        """Return how many bytes it keeps of requests: heads, and bodies that the application has not read."""
        ...

    def unsent(self) -> int:
        """Return how many bytes of the answer the peer has not taken yet."""
        ...

    def idle_since(self) -> float | None:
        """Return when its last answer was sent, in the loop's seconds; None while a request is in progress."""
        ...

    def abort(self) -> None:
        """Close the connection at once, without what is unsent."""


class Pace(NamedTuple):
    """Since when a body or an answer is under way, and its bytes at that moment."""

    since: float
    size: int

    def is_late(self, moved: int, now: float) -> bool:
        """Return whether `moved` bytes are too few by `now`."""
        overtime = now - self.since - GRACE_S
        return overtime > 0 and moved < overtime * FLOOR


class Connections:
    """The connections on which something is unfinished, each with the time when it began; the oldest comes first."""

    def __init__(self, limit: int) -> None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.limit = max(1, min(limit, soft - OTHER_FILES))
        self.heads: dict[Peer, float] = {}
        self.bodies: dict[Peer, Pace] = {}
        self.answers: dict[Peer, Pace] = {}
        self.refused: dict[Peer, float] = {}
        self._kept: dict[Peer, int] = {}
        self._kept_bytes = 0

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check the deadlines now, and again every SWEEP_EVERY_S."""
        more = self.sweep(loop.time())
        loop.call_later(SWEEP_AGAIN_S if more else SWEEP_EVERY_S, self.watch, loop)

    def sweep(self, now: float) -> bool:
        """Close the connections that are late, up to CLOSED_AT_ONCE of each kind; return whether there may be more."""
        heads = list(islice(self._late_heads(now), CLOSED_AT_ONCE))
        for peer in heads:
            peer.head_is_late()
        bodies = list(islice(self._late_bodies(now), CLOSED_AT_ONCE))
        for peer in bodies:
            peer.body_is_late()
        answers = list(islice(self._late_answers(now), CLOSED_AT_ONCE))
        for peer in answers:
            REFUSED.labels("not_reading").inc()
            peer.abort()
        refused = list(islice((one for one, at in self.refused.items() if now - at > LINGER_S), CLOSED_AT_ONCE))
        for peer in refused:
            peer.abort()
        return CLOSED_AT_ONCE in map(len, (heads, bodies, answers, refused))

    def _late_heads(self, now: float) -> Iterator[Peer]:
        return takewhile(lambda peer: now - self.heads[peer] >= HEAD_WITHIN_S, self.heads)

    def _late_bodies(self, now: float) -> Iterator[Peer]:
        for peer, pace in self.bodies.items():
            if peer.waits_for_us():
                self.bodies[peer] = Pace(now, peer.received())
            elif pace.is_late(peer.received() - pace.size, now):
                yield peer

    def _stalled_bodies(self, now: float) -> Iterator[Peer]:
        for peer, pace in islice(self.bodies.items(), CLOSED_AT_ONCE):  # the oldest come first
            under_way_s = now - pace.since
            moved = peer.received() - pace.size
            if under_way_s > STALLED_AFTER_S and moved < under_way_s * FLOOR and not peer.waits_for_us():
                yield peer

    def _late_answers(self, now: float) -> Iterator[Peer]:
        return (peer for peer, pace in self.answers.items() if pace.is_late(pace.size - peer.unsent(), now))

    def keep(self, peer: Peer) -> None:
        """Count what a connection keeps; if all keep too much, close those that keep most until half of it is free."""
        kept = peer.kept()
        self._kept_bytes += kept - self._kept.get(peer, 0)
        self._kept[peer] = kept
        if self._kept_bytes > KEPT:
            self._kept = {one: now for one in self._kept if (now := one.kept())}  # some have been read meanwhile
            self._kept_bytes = sum(self._kept.values())
            if self._kept_bytes > KEPT:
                self._free()

    def _free(self) -> None:
        for peer in sorted(self._kept, key=self._kept.__getitem__, reverse=True):
            REFUSED.labels("unread").inc()
            self.forget(peer)
            peer.abort()
            if self._kept_bytes <= KEPT // 2:
                break

    def forget(self, peer: Peer) -> None:
        """Drop a connection from all lists."""
        self._kept_bytes -= self._kept.pop(peer, 0)
        for peers in (self.heads, self.bodies, self.answers, self.refused):
            peers.pop(peer, None)

    def make_room(self, everyone: set[Peer], now: float) -> bool:
        """Close the oldest unfinished head, else a stalled body, else idle connections, else the oldest body.

        So a client that only opens connections closes its own. Return whether there was one to close.
        """
        if self.heads:
            closed = [next(iter(self.heads))]
        elif not (closed := list(islice(self._stalled_bodies(now), 1))):
            idle = [(since, id(peer), peer) for peer in everyone if (since := peer.idle_since()) is not None]
            closed = [peer for _, _, peer in heapq.nsmallest(CLOSED_TOGETHER, idle)]
        if not closed:
            closed = list(islice((peer for peer in self.bodies if not peer.waits_for_us()), 1))
        for peer in closed:
            REFUSED.labels("connections").inc()
            self.forget(peer)
            peer.abort()
        return bool(closed)
