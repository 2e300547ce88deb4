"""The agent's meter of its own hiccups, and what it says of the machine."""

import asyncio
import time

import pytest

from chaos.observe.itself import TICK_NS, HiccupMeter, pressure, pulse
from chaos.record.event_files import EventWriter, read_events
from chaos.record.events import Pressure


@pytest.fixture
def events(tmp_path):
    writer = EventWriter(tmp_path / "agent.jsonl", "agent")
    yield writer
    writer.close()


def of_kind(events, kind):
    return [event for event in read_events(events.path) if event.event.kind == kind]


async def test_a_loop_that_is_held_up_for_30_ms_is_an_event_with_the_whole_stall(events):
    task = asyncio.create_task(HiccupMeter(events).run())
    await asyncio.sleep(0.05)
    time.sleep(0.03)  # noqa: ASYNC251  the stall that is to be seen
    await asyncio.sleep(0.02)
    task.cancel()

    worst = max(of_kind(events, "hiccup"), key=lambda event: event.event.late_ns)
    assert worst.event.late_ns >= 30e6
    assert worst.at_ns - worst.since_ns == worst.event.late_ns


async def test_each_second_tells_its_worst_tick_so_that_silence_is_no_punctuality(events):
    task = asyncio.create_task(HiccupMeter(events).run())
    await asyncio.sleep(1.1)
    task.cancel()

    (summary,) = of_kind(events, "hiccups")
    assert summary.event.ticks == pytest.approx(1e9 / TICK_NS, rel=0.3)
    assert summary.event.worst_ns > 0


def test_a_tick_less_than_5_ms_late_is_no_event_of_its_own(events):
    meter = HiccupMeter(events, first_ns=1_000_000_000)
    meter.ticked(1_004_999_999)

    assert of_kind(events, "hiccup") == []


def test_a_hiccup_is_as_long_as_the_loop_can_have_been_held_up(events):
    meter = HiccupMeter(events, first_ns=1_000_000_000)
    meter.ticked(1_000_100_000)
    meter.ticked(1_017_500_000)

    (hiccup,) = of_kind(events, "hiccup")
    assert (hiccup.since_ns, hiccup.at_ns) == (1_000_100_000, 1_017_500_000)
    assert hiccup.event.late_ns == 17_400_000


def test_ticks_that_came_together_count_each_and_are_as_late_as_the_first(events):
    meter = HiccupMeter(events, first_ns=1_000_000_000)
    meter.ticked(1_017_500_000)
    meter.ticked(1_000_000_000 + 4 * TICK_NS)
    meter.ticked(1_000_000_000 + 200 * TICK_NS)

    (summary,) = of_kind(events, "hiccups")
    assert summary.event.ticks == 201
    assert len(of_kind(events, "hiccup")) == 2


async def test_the_pulse_writes_a_clock_pair_and_the_pressure_at_once(events):
    task = asyncio.create_task(pulse(events))
    await asyncio.sleep(0.05)
    task.cancel()

    pair = of_kind(events, "clock.pair")[0]
    assert abs(pair.event.wall_ns - time.time_ns()) < 10**9
    assert isinstance(of_kind(events, "pressure")[0].event, Pressure)


def test_pressure_is_read_from_psi_and_load_where_there_is_none(tmp_path):
    (tmp_path / "loadavg").write_text("1.50 0.80 0.30 2/900 4711\n")
    assert pressure(tmp_path) == Pressure(some10=None, load1=1.5)

    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure/cpu").write_text("some avg10=12.34 avg60=3.45 avg300=1.00 total=1\nfull avg10=0.00\n")
    assert pressure(tmp_path) == Pressure(some10=12.34, load1=1.5)
