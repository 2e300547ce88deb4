"""When operations are due: an absolute schedule that nothing shifts, neither a slow reply nor a late wake-up."""

from collections.abc import Callable

from chaos.timers import GRID_NS, Timers

FEWEST_PHASES = 4


def phase_ns(index: int, period_ns: int) -> int:
    """Where in its period a client begins. Neighbours begin at different times, on the grid of the timers.

    Of 50 operations a second each fourth client begins with the first, and the others 5, 10 and 15 ms later.
    """
    phases = max(FEWEST_PHASES, period_ns // GRID_NS)
    return index % phases * period_ns // phases


class Schedule:
    """Calls `due` with the intended stamp of each slot, once, in order; slots that were overslept all at once."""

    def __init__(self, timers: Timers, first_ns: int, period_ns: int, due: Callable[[int], None]) -> None:
        self._timers = timers
        self._period_ns = period_ns
        self._due = due
        self._next = timers.at(first_ns, self._expired)

    def _expired(self, intended_ns: int) -> None:
        self._next = self._timers.at(intended_ns + self._period_ns, self._expired)
        self._due(intended_ns)

    def stop(self) -> None:
        self._next.cancel()
