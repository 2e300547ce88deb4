"""Observes the agent itself: its stalls, the pressure on its node, and its clock.

The hiccup meter runs on the same event loop as the clients. Whatever delays the meter delays the clients too, and is
not the service's fault.
"""

import asyncio
from pathlib import Path

from chaos.clock import asleep_ns, mono_ns
from chaos.observe.watch import Pace
from chaos.record.event_files import EventWriter
from chaos.record.events import Gap, Hiccup, Hiccups, Pressure, pair_event
from chaos.timers import GRID_NS, Timers, on_grid

TICK_NS = GRID_NS
HICCUP_NS = 5_000_000
"""A tick that is at least this late is an event of its own.

Of the other ticks, only the worst of each second is recorded.
"""
SUMMARY_NS = 1_000_000_000
SLEPT_S = 0.5
"""A shorter time than this, in seconds, is no sleep, since the two clocks are not read at the same moment."""


class HiccupMeter:
    """Ticks on the grid of the timers, and records how late the event loop comes to each tick.

    A Hiccup event says how long the loop can have been held up at most: from the last tick to the late one.
    """

    def __init__(self, events: EventWriter, first_ns: int | None = None) -> None:
        self._events = events
        self._due_ns = first_ns or on_grid(mono_ns())
        self._ticked_ns = self._second_ns = self._due_ns - TICK_NS
        self._worst_ns = self._ticks = 0
        self._timers: Timers

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        self._timers = Timers(loop)
        self._timers.at(self._due_ns, self._due)
        try:
            await loop.create_future()
        finally:
            self._timers.close()

    def _due(self, _when_ns: int) -> None:
        self.ticked(mono_ns())
        self._timers.at(self._due_ns, self._due)

    def ticked(self, now_ns: int) -> None:
        """Count the tick that was due, and further ticks that are past already.

        The first one shows how late the loop is.
        """
        late_ns = now_ns - self._due_ns
        if late_ns >= HICCUP_NS:
            held_ns = now_ns - self._ticked_ns
            self._events.write(Hiccup(late_ns=held_ns), at_ns=now_ns, since_ns=self._ticked_ns)
        ticks = 1 + late_ns // TICK_NS
        self._due_ns += ticks * TICK_NS
        self._ticks += ticks
        self._ticked_ns = now_ns
        self._worst_ns = max(self._worst_ns, late_ns)
        if now_ns - self._second_ns >= SUMMARY_NS:
            self._summarise(now_ns)

    def _summarise(self, now_ns: int) -> None:
        event = Hiccups(worst_ns=self._worst_ns, ticks=self._ticks)
        self._events.write(event, at_ns=now_ns, since_ns=self._second_ns)
        self._second_ns = now_ns
        self._worst_ns = self._ticks = 0


async def pulse(events: EventWriter) -> None:
    """Record, once a second, what both clocks say, how much tasks wait for a CPU, and whether the machine slept."""
    pace, asleep, beat_ns = Pace(1.0), asleep_ns(), mono_ns()
    while True:
        events.put(pair_event(events.domain))
        events.write(pressure())
        slept_s = (asleep_ns() - asleep) / 1e9
        if slept_s >= SLEPT_S:
            events.write(Gap(source=f"{events.domain}/asleep", text=asleep_for(slept_s)), since_ns=beat_ns)
            asleep = asleep_ns()
        beat_ns = mono_ns()
        await pace.beat()


def asleep_for(slept_s: float) -> str:
    return f"this machine was asleep for {slept_s:.0f} s"


def pressure(proc: Path = Path("/proc")) -> Pressure:
    """Read the load average of one minute, and the share of the last 10 s, in %, in which a task waited for a CPU.

    The latter (`some10`) is None if the kernel has no pressure stall information.
    """
    load1 = float((proc / "loadavg").read_text().split()[0])
    try:
        some = (proc / "pressure/cpu").read_text().split()
    except OSError:  # PSI is not built in, or it is switched off, and then reading fails with EOPNOTSUPP
        return Pressure(some10=None, load1=load1)
    return Pressure(some10=float(some[1].removeprefix("avg10=")), load1=load1)
