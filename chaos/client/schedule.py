"""When operations are due: an absolute schedule that nothing shifts, neither a slow reply nor a late wake-up."""

import asyncio
import os
from collections.abc import Callable

from chaos.linux import expirations, timerfd

GOLDEN = 0.6180339887498949


def phase_ns(index: int, period_ns: int) -> int:
    """Where in its period a client begins. Multiples of the golden ratio spread any run of consecutive clients."""
    return int(index * GOLDEN % 1 * period_ns)


class Schedule:
    """Calls `due` with the intended stamp of each slot, once, in order; slots that were overslept all at once.

    A timerfd, since asyncio's own timers are as coarse as a millisecond.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, first_ns: int, period_ns: int, due: Callable[[int], None]
    ) -> None:
        self._loop = loop
        self._next_ns = first_ns
        self._period_ns = period_ns
        self._due = due
        self._fd = timerfd(first_ns, period_ns)
        loop.add_reader(self._fd, self._expired)

    def _expired(self) -> None:
        for _ in range(expirations(self._fd)):
            intended_ns = self._next_ns
            self._next_ns += self._period_ns
            self._due(intended_ns)

    def stop(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
