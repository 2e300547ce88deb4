"""What the worker has seen of the trial so far. It steers the trial; no figure of a report comes from here.

Platform events are passed to `take`. The agent's are read from its copied file.
"""

from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from chaos.clock import AGENT, mono_ns
from chaos.cluster.health import Facts, master
from chaos.experiment.seen import Seen
from chaos.progress import Tells
from chaos.record.event_files import Tail
from chaos.record.events import ClientsStarted, ClockDomain, ClockOffset, Event, Hiccup, Stamped, Waited
from chaos.record.layout import EVENTS
from chaos.record.live import LiveOps

KEPT = 10_000
"""How many of the newest stalls, and of the newest waits, are remembered."""
CROWDED_SHARE = 0.1
"""A machine is crowded if stalls of the agent, or waits for a core, take up more than this share of the time."""


class Observed:
    """What is known of the running trial.

    `facts` is the present state of the system, `ops` how the operations go, `seen` the steps of a failover, and
    `crowding` how busy the machine is. `ticked_ns` is when the operator last reconciled, on the host's clock, to half a
    second. `counts` maps each kind of event to how many came. `identities` maps each clock domain to the boot_id and
    timens of its clock.
    """

    def __init__(self, directory: Path, facts: Facts, tell: Tells) -> None:
        self.facts = facts
        self.is_tick: Callable[[Event], bool] = lambda _event: False
        """Called with every event. Returns whether the event shows that the operator has reconciled again."""
        self.ticked_ns = 0
        self.ops = LiveOps(directory)
        self.seen = Seen(tell)
        self.crowding = Crowding()
        self.counts: Counter[type[Event]] = Counter()
        self.identities: dict[str, dict[str, str]] = {}
        self._offsets: dict[str, int] = {}
        self._agent = Tail(directory / EVENTS / "agent.jsonl")

    def take(self, stamped: Stamped[Event]) -> None:
        event = stamped.event
        self.counts[type(event)] += 1
        if isinstance(event, ClockDomain):
            self.identities[stamped.domain] = {"boot_id": event.boot_id, "timens": event.timens}
        elif isinstance(event, ClockOffset):
            self._offsets[event.of] = event.offset_ns
        elif isinstance(event, ClientsStarted):
            self.ops.left_out = frozenset(event.left_out)
        at_ns = self.at_host(stamped.domain, stamped.at_ns)
        if self.is_tick(event):
            since_ns = at_ns if stamped.since_ns is None else self.at_host(stamped.domain, stamped.since_ns)
            self.ticked_ns = (since_ns + at_ns) // 2
        self.facts.apply(event)
        self.seen.apply(event, at_ns)
        self.crowding.apply(event, at_ns)

    def follow(self) -> None:
        """Read the events and operations that the agent has recorded since the last call."""
        for stamped in self._agent.new():
            self.take(stamped)
        self.ops.poll()

    def arm(self) -> None:
        """Note the steps of a failover from now on. Call it just before a fault."""
        now = master(self.facts)
        self.seen.arm(now.ip_port if now else "")

    def begin(self, effect_ns: int) -> None:
        self.seen.begin(effect_ns)

    def at_host(self, domain: str, at_ns: int) -> int:
        """Convert a time stamp from another clock domain to the host's clock.

        A domain without an offset has the same clock.
        """
        return at_ns - self._offsets.get(domain, 0)

    def at_agent(self, host_ns: int) -> int:
        """Convert a time stamp from the host's clock to the agent's, which operations are stamped with."""
        return host_ns + self._offsets.get(AGENT, 0)

    def agent_at_host(self, agent_ns: int) -> int:
        return self.at_host(AGENT, agent_ns)

    def now_at_agent(self) -> int:
        return self.at_agent(mono_ns())


class Stall(NamedTuple):
    at_ns: int
    long_ns: int


class Crowded(NamedTuple):
    """How long the agent stalled and members waited for a core, in total, within `span_s` seconds."""

    span_s: float
    stalls: int
    stalled_s: float
    worst_s: float
    waited_s: float

    @property
    def by_stalls(self) -> bool:
        return self.stalled_s > CROWDED_SHARE * self.span_s

    @property
    def at_all(self) -> bool:
        return self.by_stalls or self.waited_s > CROWDED_SHARE * self.span_s

    @property
    def sentence(self) -> str:
        held = (
            f"the agent was held up {self.stalls} times, {self.stalled_s:.2f} s in all and {self.worst_s:.2f} s at most"
        )
        return f"in {self.span_s:.1f} s {held}, and members waited {self.waited_s:.2f} s for a core, added up"


class Crowding:
    """Sums up the agent's stalls and the members' waits for a core, which show whether the machine is too busy.

    Time stamps are on the host's clock.
    """

    def __init__(self) -> None:
        self._stalls: deque[Stall] = deque(maxlen=KEPT)
        self._waits: deque[Stall] = deque(maxlen=KEPT)

    def apply(self, event: Event, at_ns: int) -> None:
        if isinstance(event, Hiccup):
            self._stalls.append(Stall(at_ns, event.late_ns))
        elif isinstance(event, Waited):
            self._waits.append(Stall(at_ns, event.waited_ns))

    def since(self, since_ns: int, now_ns: int, least_ns: int) -> Crowded:
        """Return the sums from `since_ns` to `now_ns`. Stalls shorter than `least_ns` do not count. All waits do."""
        late = [one.long_ns / 1e9 for one in self._stalls if one.at_ns >= since_ns and one.long_ns >= least_ns]
        waited = [one.long_ns / 1e9 for one in self._waits if one.at_ns >= since_ns]
        return Crowded((now_ns - since_ns) / 1e9, len(late), sum(late), max(late, default=0.0), sum(waited))
