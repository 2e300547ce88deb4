"""One timer of the kernel for all that a process has to do: in order, exact, and once."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from chaos.clock import mono_ns
from chaos.timers import GRID_NS, ORIGIN_NS, Timers, on_grid

MS = 1_000_000


@pytest.fixture
async def timers() -> AsyncIterator[Timers]:
    one = Timers(asyncio.get_running_loop())
    yield one
    one.close()


async def test_calls_come_in_the_order_in_which_they_are_due(timers: Timers):
    came: list[int] = []
    now_ns = mono_ns()
    wanted = [now_ns + ms * MS for ms in (30, 10, 20, 10, 5)]
    for when_ns in wanted:
        timers.at(when_ns, came.append)
    await asyncio.sleep(0.05)
    assert came == sorted(wanted)


async def test_no_call_comes_early_and_one_asked_for_in_another_comes_too(timers: Timers):
    late_ns: list[int] = []

    def due(when_ns: int) -> None:
        late_ns.append(mono_ns() - when_ns)
        if len(late_ns) < 5:
            timers.at(when_ns + 2 * MS, due)

    timers.at(mono_ns() + 2 * MS, due)
    await asyncio.sleep(0.05)
    assert len(late_ns) == 5
    assert min(late_ns) >= 0


async def test_a_call_that_was_cancelled_never_comes(timers: Timers):
    came: list[int] = []
    timers.at(mono_ns() + 5 * MS, came.append).cancel()
    last = timers.at(mono_ns() + 10 * MS, came.append)
    await asyncio.sleep(0.03)
    assert came == [last.when_ns]


async def test_a_loop_that_was_held_up_comes_to_all_at_once(timers: Timers):
    came: list[int] = []
    for ms in (5, 10, 15):
        timers.at(mono_ns() + ms * MS, came.append)
    time.sleep(0.02)  # noqa: ASYNC251  the loop stalls, which is what is tested
    await asyncio.sleep(0.001)
    assert len(came) == 3


async def test_a_call_that_raises_keeps_no_other_from_coming(timers: Timers):
    came: list[int] = []
    raised: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context.get("exception")))

    def fails(_when_ns: int) -> None:
        raise OSError(28, "No space left on device")

    timers.at(mono_ns() + 2 * MS, fails)
    timers.at(mono_ns() + 4 * MS, came.append)
    await asyncio.sleep(0.03)
    assert len(came) == 1
    assert [type(one) for one in raised] == [OSError]


def test_the_grid_is_the_same_for_all_of_a_process():
    now_ns = mono_ns()
    at_ns = on_grid(now_ns)
    assert 0 <= at_ns - now_ns < GRID_NS
    assert (at_ns - ORIGIN_NS) % GRID_NS == 0
    assert on_grid(at_ns) == at_ns
