"""Calls that wait for work, and which of them a task wakes: one at most, and only one whose labels it has."""

import asyncio
from collections.abc import Iterable

Labels = frozenset[str]


class Waiter:
    """A call that waits for a task with one of its labels, or for any task if it has none."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.place = 0
        """Who has slept for longest has the lowest."""
        self.woken = asyncio.Event()
        self.woken_by: list[Labels] = []
        """The labels of the tasks that woke it, since its last look."""
        self.looks_for: list[Labels] = []
        """Those of the tasks that woke it before."""

    @property
    def keys(self) -> Iterable[str | None]:
        """What of a task wakes it: one of some labels, or anything."""
        return self.labels or (None,)


class Waiters:
    """All calls of this process that wait for work."""

    def __init__(self) -> None:
        self._asleep: dict[str | None, dict[Waiter, None]] = {}
        """By their keys; first who has slept for longest."""
        self._awake: dict[Waiter, None] = {}
        self._places = 0

    def join(self, labels: Labels) -> Waiter:
        """Return a new waiter, which is awake: it looks for work before it sleeps."""
        waiter = Waiter(labels)
        self._awake[waiter] = None
        return waiter

    def begin_look(self, waiter: Waiter) -> None:
        """Note that a waiter looks for work now: what wakes it from here on needs another look."""
        waiter.woken.clear()
        waiter.looks_for, waiter.woken_by = waiter.woken_by, []

    async def sleep(self, waiter: Waiter) -> None:
        """Return once there may be work; call it after a look that found none."""
        waiter.looks_for = []
        if not waiter.woken.is_set():
            self._places += 1
            waiter.place = self._places
            del self._awake[waiter]
            for key in waiter.keys:
                self._asleep.setdefault(key, {})[waiter] = None
        try:
            await waiter.woken.wait()
        finally:
            if waiter not in self._awake:
                self._rouse(waiter)

    def leave(self, waiter: Waiter, taken: Iterable[Labels] = ()) -> None:
        """Forget a waiter that takes tasks with these labels; what else woke it wakes others in its place.

        Tasks that have the same labels are alike: whichever it took, others have to look for one less.
        """
        del self._awake[waiter]
        left = waiter.looks_for + waiter.woken_by
        for labels in taken:
            if labels in left:
                left.remove(labels)
        for labels in left:
            self.wake(labels)

    def wake(self, task: Labels) -> None:
        """Wake the one that has waited for longest for a task with these labels.

        If none sleeps, one that looks at this moment looks again: it may have looked before the task was there.
        """
        first = [next(iter(self._asleep[key])) for key in (*task, None) if key in self._asleep]
        if first:
            waiter = min(first, key=lambda one: one.place)
            self._rouse(waiter)
        else:
            wanting = [one for one in self._awake if not one.labels or not one.labels.isdisjoint(task)]
            if not wanting:
                return
            waiter = min(wanting, key=lambda one: len(one.woken_by))
        waiter.woken_by.append(task)
        waiter.woken.set()

    def wake_all(self) -> None:
        """Wake everyone: any task may be there."""
        for waiter in {waiter for some in self._asleep.values() for waiter in some}:
            self._rouse(waiter)
        for waiter in self._awake:
            waiter.woken.set()

    def _rouse(self, waiter: Waiter) -> None:
        for key in waiter.keys:
            del self._asleep[key][waiter]
            if not self._asleep[key]:
                del self._asleep[key]
        self._awake[waiter] = None
