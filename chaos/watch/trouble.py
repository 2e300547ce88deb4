"""Sees when trouble begins and when it is over, during a watch.

Trouble is a bad operation that no stall of ours explains, or an event of a Sentinel about the master. It only decides
what is written down. No figure is made of it.
"""

from collections import deque
from dataclasses import dataclass

from chaos.client.spec import ClientSpec
from chaos.clock import AGENT
from chaos.experiment.observed import LATE
from chaos.model import ErrorCode, Outcome
from chaos.record.events import Event, Gap, Hiccup, Onset, Role, RoleLost, SentinelSaid, Stamped
from chaos.record.layout import Row

STILL_NS = 60_000_000_000
"""Trouble that only Sentinels or roles show is over after this time if clients are served."""
BY_LATENESS = (*LATE, ErrorCode.CLOSED)
"""The errors that a stall of ours can cause, as in chaos.analysis.lateness."""
OF_A_FAILOVER = (
    "+try-failover",
    "+elected-leader",
    "+failover",
    "-failover",
    "+promoted",
    "+switch-master",
    "+slave-reconf",
)
"""The beginnings of the events that a Sentinel publishes during a failover."""


@dataclass(slots=True)
class _Metered:
    """The state of one client. Its bad operations count once it has had a good one (`counts`)."""

    name: str
    good_ns: int | None = None
    out: bool = False
    counts: bool = False


class Trouble:
    """Sees when trouble begins and when it is over, row by row and event by event. `since` is the first trouble."""

    def __init__(self, clients: list[ClientSpec], master: str, deadline_ns: int) -> None:
        self._clients = {spec.number: _Metered(f"{spec.path}/{spec.connection}") for spec in clients}
        self._master = master
        self.deadline_ns = deadline_ns
        self._stalls: deque[tuple[int, int]] = deque(maxlen=1000)
        self._down: set[str] = set()
        self._failing_over = False
        self._masters: set[str] = set()
        self.since: Stamped[Event] | None = None
        self.last_ns = 0
        self.slept = False
        self.failovers: list[str] = []
        """The address of every master to which a Sentinel switched."""

    def ignore(self, names: set[str]) -> None:
        """Ignore the trouble of these paths, since they never worked."""
        self._clients = {number: one for number, one in self._clients.items() if one.name not in names}

    def take_row(self, row: Row) -> str:
        """Take a row. Return a text if its client has begun to fail or is back, else an empty string."""
        client = self._clients.get(row.client)
        if client is None:
            return ""
        sent_ns = row.intended_ns + row.sent_us * 1000
        done_ns = row.intended_ns + row.done_us * 1000
        if row.outcome == Outcome.OK and row.done_us * 1000 <= self.deadline_ns:
            was_out, client.out, client.good_ns, client.counts = client.out, False, sent_ns, True
            return f"back: {client.name}" if was_out else ""
        if not client.counts or self._ours(row, done_ns):
            return ""
        was_out, client.out = client.out, True
        error = ErrorCode(row.error).words if row.error else "late"
        self._begin(f"{client.name}: {error}", client.good_ns, sent_ns)
        self.last_ns = max(self.last_ns, done_ns)
        return "" if was_out else f"failed: {client.name}, {error}"

    def take_event(self, stamped: Stamped[Event]) -> str:
        """Take an event. Return a text if it is news of a failover, else an empty string."""
        event = stamped.event
        if isinstance(event, Hiccup):
            self._stalls.append((stamped.at_ns - event.late_ns, stamped.at_ns))
        elif isinstance(event, Gap) and event.source.endswith("/asleep"):
            self.slept = True
            for client in self._clients.values():
                client.counts = client.out = False  # until it had a good operation again
        elif isinstance(event, Role | RoleLost):
            is_master = isinstance(event, Role) and event.role == "master"
            if is_master != (event.member in self._masters):
                self._masters ^= {event.member}
                self.last_ns = max(self.last_ns, stamped.at_ns) if self.since else self.last_ns
        elif isinstance(event, SentinelSaid):
            return self._said(event, stamped)
        return ""

    def is_ours(self, event: Event) -> bool:
        """Return whether an event is about our master or its members. A Sentinel may watch several masters."""
        if not isinstance(event, SentinelSaid):
            return True
        words = event.payload.split()
        if "@" in words:
            return words[words.index("@") + 1 :][:1] == [self._master]
        if event.channel == "+switch-master":
            return words[:1] == [self._master]
        return words[:1] != ["master"] or words[1:2] == [self._master]

    def is_over(self, stable_ns: int, now_ns: int) -> bool:
        """Return whether nothing bad came for `stable_ns`, no failover is under way, and at most one Redis says master.

        Trouble that clients do not feel, such as a Sentinel that alone calls a master down, delays the end by a minute
        at most.
        """
        if any(one.out for one in self._clients.values()):
            return False
        calm_ns = now_ns - self.last_ns
        unsettled = self._down or self._failing_over or len(self._masters) > 1
        return calm_ns >= (STILL_NS if unsettled else stable_ns)

    def begin_anew(self) -> None:
        """Forget the trouble that is over."""
        self.since, self._failing_over = None, False
        self._down.clear()
        self.failovers = []

    def _ours(self, row: Row, done_ns: int) -> bool:
        """Return whether a stall of ours may be why an operation was late."""
        late = row.outcome in (Outcome.OK, Outcome.MISSED) or row.error in BY_LATENESS
        stalls = (one for one in self._stalls if one[1] - one[0] >= self.deadline_ns // 2)
        return late and any(row.intended_ns < to_ns and done_ns > from_ns for from_ns, to_ns in stalls)

    def _said(self, event: SentinelSaid, stamped: Stamped[Event]) -> str:
        of_master = event.payload.startswith("master ")
        if event.channel in ("-sdown", "-odown") and of_master:
            self._down.discard(event.sentinel)
            self.last_ns = max(self.last_ns, stamped.at_ns) if self.since else self.last_ns
            return ""
        if not event.channel.startswith(OF_A_FAILOVER) and not (event.channel in ("+sdown", "+odown") and of_master):
            return ""
        self._begin(f"{event.sentinel}: {event.channel} {event.payload}", stamped.since_ns, stamped.at_ns)
        self.last_ns = max(self.last_ns, stamped.at_ns)
        if event.channel == "+sdown":
            self._down.add(event.sentinel)
        elif event.channel == "+try-failover":
            self._failing_over = True
        elif event.channel.startswith(("+failover-end", "-failover-abort")):
            self._failing_over = False
        elif event.channel == "+switch-master":
            self._down.discard(event.sentinel)
            self._failing_over = False
            address = ":".join(event.payload.split()[3:5])
            if address in self.failovers:
                return ""
            self.failovers.append(address)
            return f"switched: {event.sentinel} names {address} as the master"
        return f"{event.channel} by {event.sentinel}" if event.channel in ("+sdown", "+odown", "+try-failover") else ""

    def _begin(self, what: str, since_ns: int | None, at_ns: int) -> None:
        if self.since is None or at_ns < self.since.at_ns:
            self.since = Stamped(event=Onset(what=what), domain=AGENT, at_ns=at_ns, since_ns=since_ns)
