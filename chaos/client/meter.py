"""A meter: a client that measures, in an open loop.

It begins one operation in every slot of its schedule, whatever became of earlier operations, and every slot is a row.
Neither a slow reply nor a late wake-up shifts the schedule.
"""

from collections.abc import Callable

from chaos.client.bench import Bench
from chaos.client.connection import MeterConnection, Operation, Sentinel
from chaos.client.outcome import Decision
from chaos.client.spec import ClientSpec
from chaos.clock import mono_ns
from chaos.model import ErrorCode, Outcome
from chaos.record.layout import NOBODY, Row
from chaos.timers import GRID_NS, Timers

FEWEST_PHASES = 4


def phase_ns(index: int, period_ns: int) -> int:
    """Return how long after the common start client number `index` begins, so that not all send at the same time.

    Example: of clients with 50 operations a second (a period of 20 ms) the first begins at once, the next three 5, 10
    and 15 ms later, and the fifth at once again. Every time lies on the grid of the timers.
    """
    phases = max(FEWEST_PHASES, period_ns // GRID_NS)
    return index % phases * period_ns // phases


class Schedule:
    """Calls `due` once for each slot, in order, with the time at which the slot was due.

    After a late wake-up, `due` is called at once for all slots that have passed.
    """

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


class Meter:
    """One meter. It outlives a stop, so that a later start continues the numbers of its operations and connections."""

    def __init__(self, spec: ClientSpec) -> None:
        self.spec = spec
        self.in_flight = 0
        self._seq = 0
        self._connections = 0
        self._bench: Bench
        self._sentinel: Sentinel | None = None
        self._connection: MeterConnection | None = None
        self._schedule: Schedule | None = None

    @property
    def period_ns(self) -> int:
        return round(1e9 / self.spec.rate_hz)

    def start(self, bench: Bench, first_ns: int) -> None:
        """Begin operations. The first slot is due at `first_ns`."""
        self._bench = bench
        self._sentinel = Sentinel(self.spec, bench) if self.spec.via_sentinel else None
        self._schedule = Schedule(bench.timers, first_ns, self.period_ns, self._due)

    def stop(self) -> None:
        """Begin no more operations. Those that are under way end, or time out."""
        if self._schedule is not None:
            self._schedule.stop()
            self._schedule = None

    def close(self) -> None:
        """Close the connection if one is open."""
        if self._connection is not None:
            self._connection.end(ErrorCode.CLOSED, because="stopped")
            self._connection = None

    def _due(self, intended_ns: int) -> None:
        late_ns = mono_ns() - intended_ns
        seq = self._seq
        self._seq += 1
        if late_ns > self._bench.deadline_ns:
            self._put(seq, intended_ns, Outcome.MISSED, late_ns)
            return
        operation = Operation(seq, self._put(seq, intended_ns, Outcome.IN_FLIGHT, 0), intended_ns)
        operation.timer = self._bench.timers.at(intended_ns + self._bench.deadline_ns, operation.late)
        self.in_flight += 1
        connection = self._connection
        if connection is None or connection.ended or self.spec.connection == "new":
            connection = MeterConnection(self.spec, self._bench, self._sentinel, self._connections, self._decided)
            self._connections += 1
            self._connection = connection
        connection.submit(operation)

    def _put(self, seq: int, intended_ns: int, outcome: Outcome, done_ns: int) -> int:
        error = ErrorCode.NOT_SENT if outcome is Outcome.MISSED else ErrorCode.NONE
        stamps = (intended_ns, 0, done_ns // 1000)
        return self._bench.rows.put(Row(self.spec.number, 0, seq, *stamps, outcome, error, NOBODY, NOBODY, 0))

    def _decided(self, operation: Operation, decision: Decision, node: int) -> None:
        operation.timer.cancel()
        self.in_flight -= 1
        done_us = (mono_ns() - operation.due_ns) // 1000
        self._bench.rows.finish(operation.row, done_us, decision.outcome, decision.error, node)
        if self.spec.connection == "new":
            operation.connection.end(ErrorCode.CLOSED, because="done")
