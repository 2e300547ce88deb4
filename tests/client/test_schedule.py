"""The schedule: absolute, complete, and spread over its clients."""

import asyncio
import time
from itertools import pairwise

import pytest

from chaos.client.meter import Schedule, phase_ns
from chaos.clock import mono_ns
from chaos.timers import GRID_NS, Timers

MS = 1_000_000


async def test_slots_are_due_by_the_schedule_however_late_the_loop_is():
    slots: list[int] = []
    late_ns: list[int] = []

    def due(intended_ns: int) -> None:
        slots.append(intended_ns)
        late_ns.append(mono_ns() - intended_ns)

    first_ns = mono_ns() + 20 * MS
    timers = Timers(asyncio.get_running_loop())
    schedule = Schedule(timers, first_ns, 5 * MS, due)
    await asyncio.sleep(0.1)
    time.sleep(0.1)  # noqa: ASYNC251  the loop stalls, which is what is tested
    await asyncio.sleep(0.05)
    schedule.stop()
    stopped_at = len(slots)
    await asyncio.sleep(0.05)
    timers.close()
    assert slots[0] == first_ns
    assert {after - before for before, after in pairwise(slots)} == {5 * MS}
    assert len(slots) == stopped_at >= 40
    assert min(late_ns) >= 0
    assert max(late_ns) >= 90 * MS


@pytest.mark.parametrize("first", [0, 4, 7])
def test_clients_that_are_listed_together_do_not_fire_together(first: int):
    """Any four neighbours of one rate leave no gap of more than half a period."""
    phases = sorted(phase_ns(index, 20 * MS) for index in range(first, first + 4))
    gaps = [after - before for before, after in pairwise([*phases, phases[0] + 20 * MS])]
    assert all(0 <= phase < 20 * MS for phase in phases)
    assert min(gaps) > 2 * MS
    assert max(gaps) < 10 * MS


@pytest.mark.parametrize("rate_hz", [10, 20, 50])
def test_the_usual_rates_begin_on_the_grid(rate_hz: int):
    period_ns = round(1e9 / rate_hz)
    assert {phase_ns(index, period_ns) % GRID_NS for index in range(40)} == {0}


def test_clients_that_are_faster_than_the_grid_begin_at_different_times_too():
    assert [phase_ns(index, 2 * MS) for index in range(5)] == [0, MS // 2, MS, 3 * MS // 2, 0]
