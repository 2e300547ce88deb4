"""What a process has to do and when, on one timer of the kernel, so that it wakes up as seldom as it can.

To wake up costs a process more than most of what it then does: 30 to 50 µs of a core where others run in between. So
whoever does something again and again does it at multiples of `GRID_NS`, where one wake-up serves them all.
"""

import asyncio
import heapq
import os
from collections.abc import Callable
from itertools import count

from chaos.clock import mono_ns
from chaos.linux import timerfd, timerfd_at

GRID_NS = 5_000_000
"""It divides the usual periods and time-outs: 20 ms, 50 ms, 100 ms."""
ORIGIN_NS = mono_ns()
"""The grid's zero, a process's own: processes side by side do not all wake up at the same moment."""

Due = Callable[[int], None]
"""Is called with the stamp for which it was asked, at that time or later."""


def next_multiple(period_ns: int, after_ns: int) -> int:
    """Return the first moment from `after_ns` on that is a multiple of `period_ns` from this process's origin."""
    return after_ns + (ORIGIN_NS - after_ns) % period_ns


def on_grid(after_ns: int) -> int:
    """Return the first moment of the grid that is not before `after_ns`."""
    return next_multiple(GRID_NS, after_ns)


class Call:
    """One call that is to come. `cancel` it, or have it come."""

    __slots__ = ("due", "when_ns")

    def __init__(self, when_ns: int, due: Due) -> None:
        self.when_ns = when_ns
        self.due: Due | None = due

    def cancel(self) -> None:
        self.due = None


class Timers:
    """Calls in the order in which they are due, as exact as a timerfd: asyncio's own are as coarse as a millisecond.

    A loop that was held up comes to all that it has overslept at once. Close it before its loop ends.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: list[tuple[int, int, Call]] = []
        self._numbers = count()
        self._armed_ns = 0
        self._fd = timerfd()
        loop.add_reader(self._fd, self._expired)

    def at(self, when_ns: int, due: Due) -> Call:
        """Have `due` called at `when_ns` of the monotonic clock, in a later turn of the loop."""
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
        self._armed_ns = 1  # what is asked for in between is armed below, once
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
