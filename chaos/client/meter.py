"""A measuring client: open loop, one operation a slot whatever became of those before, every slot a row."""

from chaos.client.bench import Bench
from chaos.client.discovery import Sentinel
from chaos.client.outcome import Decision
from chaos.client.schedule import Schedule
from chaos.client.session import Operation, Session
from chaos.client.spec import ClientSpec
from chaos.clock import mono_ns
from chaos.model import ErrorCode, Outcome
from chaos.record.layout import NOBODY, Row


class Meter:
    """Lives as long as its agent, so that its operations and connections are counted on from one run to the next."""

    def __init__(self, spec: ClientSpec) -> None:
        self.spec = spec
        self.in_flight = 0
        self._seq = 0
        self._connections = 0
        self._bench: Bench
        self._sentinel: Sentinel | None = None
        self._session: Session | None = None
        self._schedule: Schedule | None = None

    @property
    def period_ns(self) -> int:
        return round(1e9 / self.spec.rate_hz)

    def start(self, bench: Bench, first_ns: int) -> None:
        """The first slot is due at `first_ns`."""
        self._bench = bench
        self._sentinel = Sentinel(self.spec, bench) if self.spec.via_sentinel else None
        self._schedule = Schedule(bench.timers, first_ns, self.period_ns, self._due)

    def stop(self) -> None:
        """No new operation; those under way end, or time out."""
        if self._schedule is not None:
            self._schedule.stop()
            self._schedule = None

    def close(self) -> None:
        """Close what is still open."""
        if self._session is not None:
            self._session.end(ErrorCode.CLOSED, because="stopped")
            self._session = None

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
        self._session_for_next().submit(operation)

    def _put(self, seq: int, intended_ns: int, outcome: Outcome, done_ns: int) -> int:
        error = ErrorCode.NOT_SENT if outcome is Outcome.MISSED else ErrorCode.NONE
        stamps = (intended_ns, 0, done_ns // 1000)
        return self._bench.rows.put(Row(self.spec.number, 0, seq, *stamps, outcome, error, NOBODY, NOBODY, 0))

    def _session_for_next(self) -> Session:
        session = self._session
        if session is None or session.ended or self.spec.connection == "new":
            session = Session(self.spec, self._bench, self._sentinel, self._connections, self._decided)
            self._connections += 1
            self._session = session
        return session

    def _decided(self, operation: Operation, decision: Decision, node: int) -> None:
        operation.timer.cancel()
        self.in_flight -= 1
        done_us = (mono_ns() - operation.due_ns) // 1000
        self._bench.rows.finish(operation.row, done_us, decision.outcome, decision.error, node)
        if self.spec.connection == "new":
            operation.session.end(ErrorCode.CLOSED, because="done")
