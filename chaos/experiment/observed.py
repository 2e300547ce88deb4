"""What the worker has seen so far: folded as it arrives, for waiting and for telling, never for a figure.

Platform events come by `take`, the agent's by following the file that is mirrored here.
"""

from collections import Counter
from pathlib import Path

from chaos.clock import AGENT, mono_ns
from chaos.cluster.health import Facts, master
from chaos.experiment.seen import Seen
from chaos.model import Event
from chaos.progress import Tells
from chaos.record.events import Tail
from chaos.record.layout import EVENTS
from chaos.record.live import LiveOps


class Observed:
    """`facts` is who is who now, `ops` how operations fare, `seen` what became known after t = 0.

    `counts` says how many events of each kind came, `identities` what each clock domain said of itself.
    """

    def __init__(self, directory: Path, facts: Facts, tell: Tells) -> None:
        self.facts = facts
        self.ops = LiveOps(directory)
        self.seen = Seen(tell)
        self.counts: Counter[str] = Counter()
        self.identities: dict[str, dict[str, str]] = {}
        self._offsets: dict[str, int] = {}
        self._agent = Tail(directory / EVENTS / "agent.jsonl")

    def take(self, event: Event) -> None:
        self.counts[event.kind] += 1
        if event.kind == "clock.domain":
            self.identities[event.domain] = {key: event.fields[key] for key in ("boot_id", "timens")}
        elif event.kind == "clock.offset":
            self._offsets[event.fields["of"]] = event.fields["offset_ns"]
        self.facts.apply(event)
        self.seen.apply(event, self.at_host(event.domain, event.at_ns))

    def follow(self) -> None:
        """Take what the agent has written since the last call, events and operations."""
        for event in self._agent.new():
            self.take(event)
        self.ops.poll()

    def arm(self) -> None:
        """Just before a fault: from now on what is seen is told."""
        now = master(self.facts)
        self.seen.arm(now.ip_port if now else "")

    def begin(self, effect_ns: int) -> None:
        self.seen.begin(effect_ns)

    def at_host(self, domain: str, at_ns: int) -> int:
        """A stamp of another domain on the host's clock; a domain without an offset reads the same clock."""
        return at_ns - self._offsets.get(domain, 0)

    def at_agent(self, host_ns: int) -> int:
        """A stamp of the host on the agent's clock, which is that of the operations."""
        return host_ns + self._offsets.get(AGENT, 0)

    def agent_at_host(self, agent_ns: int) -> int:
        return self.at_host(AGENT, agent_ns)

    def now_at_agent(self) -> int:
        return self.at_agent(mono_ns())
