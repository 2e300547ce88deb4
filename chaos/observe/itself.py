"""The agent's watch on itself: its own stalls, the pressure on its node, and its clock.

A meter on the same event loop as the clients: what holds it up holds them up, and is not the service's fault.
"""

import asyncio
import os
from pathlib import Path

from chaos.clock import mono_ns
from chaos.linux import expirations, timerfd
from chaos.observe.watch import Pace
from chaos.record.event_files import EventWriter
from chaos.record.events import Hiccup, Hiccups, Pressure, pair_event

TICK_NS = 1_000_000
HICCUP_NS = 5_000_000
"""A tick this late is an event of its own; below it only the worst of each second is told."""
SUMMARY_NS = 1_000_000_000


class HiccupMeter:
    """Ticks every millisecond and records how late the loop comes to it."""

    def __init__(self, events: EventWriter, due_ns: int | None = None) -> None:
        self._events = events
        self._due_ns = self._second_ns = due_ns or mono_ns() + TICK_NS
        self._worst_ns = self._ticks = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        fd = timerfd(self._due_ns, TICK_NS)
        loop.add_reader(fd, lambda: self.ticked(expirations(fd), mono_ns()))
        try:
            await loop.create_future()
        finally:
            loop.remove_reader(fd)
            os.close(fd)

    def ticked(self, expired: int, now_ns: int) -> None:
        """The loop comes to `expired` ticks at once: the first of them is as late as the loop was held up."""
        if not expired:
            return
        late_ns = now_ns - self._due_ns
        if late_ns >= HICCUP_NS:
            self._events.write(Hiccup(late_ns=late_ns), at_ns=now_ns, since_ns=self._due_ns)
        self._due_ns += expired * TICK_NS
        self._ticks += expired
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
