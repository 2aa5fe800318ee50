"""Turns and the pace of refusals, on an event loop alone."""

import asyncio
import contextlib
import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from app.limits import LINE, PACE_S, REFUSED, SLOW_S, SLOW_TURNS, Pace, Turns
from app.problems import Problem

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def in_line(turns: Turns, keys: str, begun: list[str]) -> list[asyncio.Task[None]]:
    """Let a call of each key wait for its turn, in this order."""

    async def call(key: str) -> None:
        await turns.take(key)
        begun.append(key)

    calls = [asyncio.create_task(call(key)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return calls


def test_a_key_never_has_all_turns_and_others_pass_it_in_line() -> None:
    async def scenario() -> list[list[str]]:
        turns, begun, seen = Turns("t", "tests", 3, 2), list[str](), list[list[str]]()
        calls = await in_line(turns, "aaaabc", begun)
        seen.append(list(begun))
        for key in ("b", "a", "c", "a"):
            turns.give_back(key)
            await asyncio.sleep(0)
            seen.append(list(begun))
        await asyncio.gather(*calls)
        return seen

    assert run(scenario()) == [list("aab"), list("aabc"), list("aabca"), list("aabca"), list("aabcaa")]


def test_a_call_that_left_the_line_or_was_cancelled_as_its_turn_came_costs_none() -> None:
    async def scenario() -> list[str]:
        turns, begun = Turns("t", "tests", 1, 1), list[str]()
        await turns.take("a")
        left, chosen, last = await in_line(turns, "abc", begun)
        left.cancel()
        await asyncio.sleep(0)
        turns.give_back("a")
        chosen.cancel()
        await asyncio.wait([left, chosen, last], timeout=20)
        return begun

    assert run(scenario()) == ["c"]


@pytest.mark.parametrize(
    ("holder", "problem", "reason"), [("a", "limit-reached", "t_per_key"), ("b", "overloaded", "t")]
)
def test_patience_ends(holder: str, problem: str, reason: str) -> None:
    async def scenario() -> None:
        turns = Turns("t", "tests", 1, 1)
        await turns.take(holder)
        await turns.take("a", 0.01)

    before = REFUSED.labels(reason)._value.get()
    with pytest.raises(Problem) as raised:
        run(scenario())
    assert raised.value.name == problem
    assert REFUSED.labels(reason)._value.get() == before + 1


def test_a_key_whose_turns_take_long_has_few_of_them() -> None:
    async def scenario() -> list[bool]:
        turns = Turns("t", "tests", 10, 7)
        seen = [turns.take_now("a")]
        turns.give_back("a", 2 * SLOW_S)
        seen += [turns.take_now("a") for _ in range(SLOW_TURNS + 1)]
        turns.give_back("a", SLOW_S / 2)
        seen += [turns.take_now("a") for _ in range(7)]
        return seen

    assert run(scenario()) == [True] + [True] * SLOW_TURNS + [False] + [True] * (7 - SLOW_TURNS + 1) + [False]


def test_a_line_is_as_long_as_the_bound_and_no_longer() -> None:
    async def scenario() -> None:
        turns = Turns("t", "tests", 2, 1)
        await turns.take("a")
        waiting = [asyncio.create_task(turns.take("a", 60)) for _ in range(LINE)]
        await asyncio.sleep(0)
        with pytest.raises(Problem, match="of this key") as raised:
            await turns.take("a", 60)
        assert raised.value.name == "limit-reached"
        await turns.take("b", 60)
        for _ in waiting:
            turns.give_back("a")
        await asyncio.gather(*waiting)

    run(scenario())


def test_calls_that_get_no_turn_leave_no_garbage() -> None:
    async def scenario() -> int:
        turns = Turns("t", "tests", 1, 1)
        await turns.take("a")
        gc.collect()
        for _ in range(20):
            with contextlib.suppress(Problem):
                await turns.take("a", 0.001)
        return gc.collect()

    gc.disable()
    try:
        assert run(scenario()) < 20
    finally:
        gc.enable()


def test_a_turn_is_not_lost_to_one_who_leaves_as_it_comes() -> None:
    async def scenario() -> None:
        turns = Turns("slow_statements", "slow statements", 1, 1)
        await turns.take("a")
        leaving = asyncio.create_task(turns.take("b"))
        waiting = asyncio.create_task(turns.take("c"))
        await asyncio.sleep(0)
        leaving.cancel()
        turns.give_back("a")
        await asyncio.wait({leaving})
        await waiting
        turns.give_back("c")
        await turns.take("d")

    run(scenario())


def test_answers_are_spread_over_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def delays(number: int) -> list[float]:
        pace, loop = Pace(per_s, at_once), asyncio.get_running_loop()
        now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: now)
        return [pace.delay_s() for _ in range(number)]

    per_s, at_once, more = 200, 100, 50
    assert run(delays(at_once // 2)) == [0.0] * (at_once // 2)
    last = run(delays(at_once + more))[-1]
    assert last == pytest.approx(more / per_s)
    assert last < PACE_S
    assert run(delays(10_000))[-1] <= PACE_S
