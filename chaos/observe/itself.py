"""The agent's watch on itself: its own stalls, the pressure on its node, and its clock.

A meter on the same event loop as the clients: what holds it up holds them up, and is not the service's fault.
"""

import asyncio
from pathlib import Path

from chaos.clock import mono_ns
from chaos.observe.watch import Pace
from chaos.record.event_files import EventWriter
from chaos.record.events import Hiccup, Hiccups, Pressure, pair_event
from chaos.timers import GRID_NS, Timers, on_grid

TICK_NS = GRID_NS
HICCUP_NS = 5_000_000
"""A tick this late is an event of its own; below it only the worst of each second is told."""
SUMMARY_NS = 1_000_000_000


class HiccupMeter:
    """Ticks with the grid of the timers and records how late the loop comes to it.

    What a hiccup tells is the most that the loop can have been held up: from its last tick to the one that was late.
    """

    def __init__(self, events: EventWriter, first_ns: int | None = None) -> None:
        self._events = events
        self._due_ns = first_ns or on_grid(mono_ns())
        self._ticked_ns = self._second_ns = self._due_ns - TICK_NS
        self._worst_ns = self._ticks = 0
        self._timers: Timers

    async def run(self) -> None:
        """For ever."""
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
        """The loop comes to its tick, and to those that it has overslept: the first of them is as late as the loop."""
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
    """Once a second: a clock pair, and how hard the machine is pressed."""
    pace = Pace(1.0)
    while True:
        events.put(pair_event(events.domain))
        events.write(pressure())
        await pace.beat()


def pressure(proc: Path = Path("/proc")) -> Pressure:
    """`some10`: the share in % of the last 10 s in which something waited for a CPU; None without PSI."""
    load1 = float((proc / "loadavg").read_text().split()[0])
    try:
        some = (proc / "pressure/cpu").read_text().split()
    except OSError:  # PSI is not built in, or switched off: then reading says EOPNOTSUPP
        return Pressure(some10=None, load1=load1)
    return Pressure(some10=float(some[1].removeprefix("avg10=")), load1=load1)
