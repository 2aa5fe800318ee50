"""Which of the calls that wait a task wakes."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.postgres.notifications import MESSAGE_BYTES, MOST_MESSAGES, _messages
from app.postgres.waiters import Labels, Waiter, Waiters

ANY: Labels = frozenset()
labels = st.frozensets(st.sampled_from("abc"), max_size=3)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def join(waiters: Waiters, *wanted: Iterable[str]) -> list[Waiter]:
    return [waiters.join(frozenset(each)) for each in wanted]


async def asleep(waiters: Waiters, *some: Waiter) -> list["asyncio.Task[None]"]:
    """Let waiters sleep, in this order."""
    sleeping = []
    for waiter in some:
        waiters.begin_look(waiter)
        sleeping.append(asyncio.create_task(waiters.sleep(waiter)))
        await asyncio.sleep(0)
    return sleeping


async def woken(sleeping: list["asyncio.Task[None]"]) -> list[bool]:
    for _ in range(3):
        await asyncio.sleep(0)
    return [each.done() for each in sleeping]


def test_a_task_wakes_one_that_waits_for_one_of_its_labels() -> None:
    async def scenario() -> list[bool]:
        waiters = Waiters()
        sleeping = await asleep(waiters, *join(waiters, "x", "b", "ab", ""))
        waiters.wake(frozenset("ab"))
        return await woken(sleeping)

    assert run(scenario()) == [False, True, False, False]


def test_a_task_without_labels_wakes_one_that_waits_for_any() -> None:
    async def scenario() -> list[bool]:
        waiters = Waiters()
        sleeping = await asleep(waiters, *join(waiters, "a", "", ""))
        waiters.wake(ANY)
        return await woken(sleeping)

    assert run(scenario()) == [False, True, False]


def test_nobody_wakes_for_a_label_that_nobody_waits_for() -> None:
    async def scenario() -> list[bool]:
        waiters = Waiters()
        sleeping = await asleep(waiters, *join(waiters, "a", "b"))
        waiters.wake(frozenset("c"))
        return await woken(sleeping)

    assert run(scenario()) == [False, False]


def test_two_tasks_wake_two_and_a_third_has_nobody_left() -> None:
    async def scenario() -> list[bool]:
        waiters = Waiters()
        sleeping = await asleep(waiters, *join(waiters, "a", "a", "b"))
        for _ in range(3):
            waiters.wake(frozenset("a"))
        return await woken(sleeping)

    assert run(scenario()) == [True, True, False]


def test_one_that_leaves_passes_on_what_woke_it() -> None:
    async def scenario() -> list[bool]:
        waiters = Waiters()
        first, second = join(waiters, "a", "a")
        sleeping = await asleep(waiters, first, second)
        waiters.wake(frozenset("a"))
        await woken(sleeping)
        waiters.leave(first)
        return await woken(sleeping)

    assert run(scenario()) == [True, True]


def test_one_that_takes_another_task_passes_on_what_woke_it() -> None:
    async def scenario(taken: Labels) -> list[bool]:
        waiters = Waiters()
        both, second = join(waiters, "ab", "a")
        sleeping = await asleep(waiters, both, second)
        waiters.wake(frozenset("a"))
        await woken(sleeping)
        waiters.begin_look(both)
        waiters.leave(both, [taken])
        return await woken(sleeping)

    assert run(scenario(frozenset("b"))) == [True, True]
    assert run(scenario(frozenset("a"))) == [True, False]


def test_one_that_looks_while_a_task_comes_looks_again() -> None:
    async def scenario() -> list[bool]:
        waiters = Waiters()
        (waiter,) = join(waiters, "a")
        waiters.begin_look(waiter)
        waiters.wake(frozenset("a"))
        return await woken([asyncio.create_task(waiters.sleep(waiter))])

    assert run(scenario()) == [True]


def test_all_wake_if_any_task_may_be_there() -> None:
    async def scenario() -> list[bool]:
        waiters = Waiters()
        sleeping = await asleep(waiters, *join(waiters, "a", "ab", ""))
        waiters.wake_all()
        return await woken(sleeping)

    assert run(scenario()) == [True, True, True]


@settings(deadline=None)
@given(st.lists(labels, max_size=6), st.lists(labels, max_size=6))
def test_nobody_sleeps_while_a_task_that_it_wants_is_there(wanted: list[Labels], tasks: list[Labels]) -> None:
    """Each that wakes takes the first task that it wants; at the end there is no task for those who still sleep."""

    async def scenario() -> None:
        waiters, there = Waiters(), list[Labels]()
        woken_for_nothing = 0
        waiting = join(waiters, *wanted)
        sleeping = dict(zip(waiting, await asleep(waiters, *waiting), strict=True))
        for task in tasks:
            there.append(task)
            waiters.wake(task)
            while awake := [waiter for waiter, sleep in sleeping.items() if (await woken([sleep]))[0]]:
                waiter = awake[0]
                waiters.begin_look(waiter)
                takes = next((each for each in there if not waiter.labels or waiter.labels & each), None)
                if takes is None:
                    woken_for_nothing += 1
                    [sleeping[waiter]] = await asleep(waiters, waiter)
                else:
                    there.remove(takes)
                    del sleeping[waiter]
                    waiters.leave(waiter, [takes])
        assert woken_for_nothing <= len(tasks)
        assert not [each for each in there for waiter in sleeping if not waiter.labels or waiter.labels & each]
        for sleep in sleeping.values():
            sleep.cancel()

    run(scenario())


def test_messages_are_short_enough() -> None:
    few = _messages({frozenset({f"{number}" * 50}): number for number in range(1, 10)})  # type: ignore[arg-type]
    assert len(few) == 1
    many = _messages({frozenset({f"{number:050}"}): 1 for number in range(500)})  # type: ignore[arg-type]
    assert 1 < len(many) <= MOST_MESSAGES
    assert all(len(message.encode()) <= MESSAGE_BYTES + 3 for message in many)
    assert _messages({frozenset({f"{number:050}"}): 1 for number in range(2000)}) == [""]  # type: ignore[arg-type]
