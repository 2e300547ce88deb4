"""What the worker has seen of the trial so far, summed up as it arrives. It steers the trial and makes no figure.

Platform events come by `take`, the agent's by following the file that is mirrored here.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from chaos.clock import AGENT, mono_ns
from chaos.cluster.health import Facts, master
from chaos.experiment.crowding import Crowding
from chaos.experiment.seen import Seen
from chaos.progress import Tells
from chaos.record.event_files import Tail
from chaos.record.events import ClientsStarted, ClockDomain, ClockOffset, Event, Stamped
from chaos.record.layout import EVENTS
from chaos.record.live import LiveOps


class Observed:
    """`facts` is who is who now, `ops` how operations fare, `seen` what became known after t = 0, `crowding` how the
    machine fares. `ticked_ns` is when the operator made its last pass, on the host's clock: half a second off at most.

    `counts` says how many events of each kind came, `identities` what each clock domain said of itself.
    """

    def __init__(self, directory: Path, facts: Facts, tell: Tells) -> None:
        self.facts = facts
        self.is_tick: Callable[[Event], bool] = lambda _event: False
        """Is shown every event, and says whether the operator has made another pass by then."""
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
        """Take what the agent has written since the last call, events and operations."""
        for stamped in self._agent.new():
            self.take(stamped)
        self.ops.poll()

    def arm(self) -> None:
        """Tell what is seen from now on. It is called just before a fault."""
        now = master(self.facts)
        self.seen.arm(now.ip_port if now else "")

    def begin(self, effect_ns: int) -> None:
        self.seen.begin(effect_ns)

    def at_host(self, domain: str, at_ns: int) -> int:
        """Move a stamp of another clock domain to the host's clock. A domain without an offset reads the same clock."""
        return at_ns - self._offsets.get(domain, 0)

    def at_agent(self, host_ns: int) -> int:
        """Move a stamp of the host to the agent's clock, which is that of the operations."""
        return host_ns + self._offsets.get(AGENT, 0)

    def agent_at_host(self, agent_ns: int) -> int:
        return self.at_host(AGENT, agent_ns)

    def now_at_agent(self) -> int:
        return self.at_agent(mono_ns())
