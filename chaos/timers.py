"""Timed calls of a process on one timer of the kernel, so that the process wakes up as rarely as possible.

Waking up costs a process 30 to 50 µs of CPU on a busy machine, which is more than most of its calls do. Periodic calls
are therefore made at multiples of `GRID_NS`, so that one wake-up serves several.
"""

import asyncio
import heapq
import os
from collections.abc import Callable
from itertools import count

from chaos.clock import mono_ns
from chaos.linux import timerfd, timerfd_at

GRID_NS = 5_000_000
"""It divides the usual periods and timeouts: 20 ms, 50 ms, 100 ms."""
ORIGIN_NS = mono_ns()
"""The origin of the grid. It differs between processes, so that they do not all wake up at the same moment."""

Due = Callable[[int], None]
"""Called with the time that it was scheduled for, at that time or later."""


def next_multiple(period_ns: int, after_ns: int) -> int:
    """Return the first multiple of `period_ns`, counted from ORIGIN_NS, that is not before `after_ns`."""
    return after_ns + (ORIGIN_NS - after_ns) % period_ns


def on_grid(after_ns: int) -> int:
    """Return the first moment of the grid that is not before `after_ns`."""
    return next_multiple(GRID_NS, after_ns)


class Call:
    """One scheduled call, which `cancel` removes."""

    __slots__ = ("due", "when_ns")

    def __init__(self, when_ns: int, due: Due) -> None:
        self.when_ns = when_ns
        self.due: Due | None = due

    def cancel(self) -> None:
        self.due = None


class Timers:
    """Scheduled calls with the precision of a timerfd. (asyncio's timers have a resolution of one millisecond.)

    After a delay of the loop, all overdue calls are made at once. Call `close` before the loop ends.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: list[tuple[int, int, Call]] = []
        self._numbers = count()
        self._armed_ns = 0
        self._fd = timerfd()
        loop.add_reader(self._fd, self._expired)

    def at(self, when_ns: int, due: Due) -> Call:
        """Schedule `due` for `when_ns` on the monotonic clock. It is always called in a later iteration of the loop."""
        call = Call(when_ns, due)
        heapq.heappush(self._calls, (when_ns, next(self._numbers), call))
        if not self._armed_ns or when_ns < self._armed_ns:
            self._arm(when_ns)
        return call

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
        self._calls.clear()

    def _expired(self) -> None:
        calls, now_ns = self._calls, mono_ns()
        self._armed_ns = 1  # keeps `at` from arming the timer until all calls are made
        try:
            while calls and calls[0][0] <= now_ns:
                when_ns, _, call = heapq.heappop(calls)
                if call.due is not None:
                    call.due(when_ns)
            while calls and calls[0][2].due is None:
                heapq.heappop(calls)
        finally:
            self._arm(calls[0][0] if calls else 0)

    def _arm(self, when_ns: int) -> None:
        self._armed_ns = when_ns
        timerfd_at(self._fd, when_ns)
