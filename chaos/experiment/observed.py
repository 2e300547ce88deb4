"""What the worker has seen of the trial so far, and what of it the user is shown as soon as it is known.

It steers the trial; no figure of a report comes from here. Platform events are passed to `take`. The agent's are read
from its copied file.
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from chaos.clock import AGENT, mono_ns
from chaos.cluster.health import Facts, master
from chaos.model import WORKS_SHARE, ErrorCode, split_address
from chaos.progress import Message, Tell, Tells
from chaos.record.event_files import Tail
from chaos.record.events import (
    ClientsStarted,
    ClockDomain,
    ClockOffset,
    Endpoints,
    Event,
    Hiccup,
    ProxyServers,
    Role,
    SentinelSaid,
    Stamped,
    Waited,
)
from chaos.record.layout import EVENTS
from chaos.record.live import LiveClient, LiveOps

KEPT = 10_000
"""How many of the newest stalls, and of the newest waits, are remembered."""
CROWDED_SHARE = 0.1
"""A machine is crowded if stalls of the agent, or waits for a core, take up more than this share of the time."""
LATE = (
    ErrorCode.REPLY_TIMEOUT,
    ErrorCode.CONNECT_TIMEOUT,
    ErrorCode.DISCOVERY_TIMEOUT,
    ErrorCode.NOT_SENT,
)
"""The errors of an operation that had no answer in time."""
LATE_SHARE = 0.002
"""If a larger share of operations than this is late before any fault, the deadline is too short for the machine."""
_OVER = ("+failover-end", "+failover-end-for-timeout")
_FORGOTTEN = "+reset-master"
"""The operator made a Sentinel forget its state. If a failover was running, its end will not be published."""


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
        """Convert a time stamp from another clock domain to the host's. A domain without an offset has its clock."""
        return at_ns - self._offsets.get(domain, 0)

    def at_agent(self, host_ns: int) -> int:
        """Convert a time stamp from the host's clock to the agent's, which operations are stamped with."""
        return host_ns + self._offsets.get(AGENT, 0)

    def agent_at_host(self, agent_ns: int) -> int:
        return self.at_host(AGENT, agent_ns)

    def now_at_agent(self) -> int:
        return self.at_agent(mono_ns())

    def baselines(self, since_ns: int) -> dict[str, "Baseline"]:
        """Return the baseline of each path, from the operations due at or after `since_ns` on the agent's clock."""
        found = {}
        for path, clients in sorted(self.ops.paths().items()):
            errors: Counter[ErrorCode] = sum((client.errors_since(since_ns) for client in clients), Counter())
            good, bad = sum(client.ok(since_ns) for client in clients), sum(client.bad(since_ns) for client in clients)
            found[path] = Baseline(good, bad, errors)
        return found

    def mark_paths(self, proven: frozenset[str], gap_ns: int) -> None:
        """Show the user the first failed operation after t = 0, and each path that is back."""
        if self.seen.effect_ns is None:
            return
        since_ns = self.at_agent(self.seen.effect_ns)
        good = self.ops.recovered(since_ns, gap_ns, self.now_at_agent())
        for path in sorted(proven):
            failed = [client for client in self.ops.paths()[path] if client.bad(since_ns)]
            if not failed:
                continue
            at_ns = self.agent_at_host(min(client.first_bad_ns(since_ns) or 0 for client in failed))
            codes = (code for client in failed for code in client.errors_since(since_ns))
            self.seen.mark("first failed operation", at_ns, f"{path}: {next(codes, ErrorCode.NONE).words}")
            if good[path]:
                self.seen.mark(f"recovered, {path}", self.agent_at_host(max(map(_back_ns, failed))), "")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the clients of one path did before any fault."""

    good: int
    bad: int
    errors: Counter[ErrorCode]

    @property
    def late(self) -> int:
        return sum(self.errors[code] for code in LATE)

    @property
    def works(self) -> bool:
        return self.good > 0 and self.good >= WORKS_SHARE * (self.good + self.bad)

    @property
    def is_late(self) -> bool:
        """Whether the path works but for late answers, so that a longer deadline would help."""
        count = self.good + self.bad
        answered = self.good > 0 and self.good + self.late >= WORKS_SHARE * count
        return answered and self.late > LATE_SHARE * count

    @property
    def error(self) -> ErrorCode:
        """The error that most of its operations met."""
        return next((code for code, _ in self.errors.most_common(1)), ErrorCode.NONE)

    @property
    def sentence(self) -> str:
        """A sentence on a path that works never or not always. It follows the path's name."""
        if self.good == 0:
            return f"never worked: {self.error.sentence}"
        share = self.good / (self.good + self.bad)
        return f"is unreliable: {share:.0%} of its operations were good, and of the others: {self.error.sentence}"


def _back_ns(client: LiveClient) -> int:
    """Return when the first good operation after the last bad one was answered. If there is none, take the last good
    one. An application's operation may be due before the last bad one and be answered long after it.
    """
    after = bisect_right(client.good_ns, client.last_bad_ns() or 0)
    return client.answered_ns[min(after, len(client.answered_ns) - 1)]


@dataclass
class Seen:
    """The steps of a failover that were seen. Each step is noted as a mark, and shown to the user once. Call `arm` just
    before a fault, so that steps are noted that come before the fault is proved.
    """

    tell: Tells
    effect_ns: int | None = None
    _armed: bool = False
    _master: str = ""
    _marks: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    _endpoints: dict[str, frozenset[str]] = field(default_factory=dict)
    _following: frozenset[str] = frozenset()
    _promoted: set[str] = field(default_factory=set)

    def arm(self, master: str) -> None:
        """Note marks from now on. `master` is the address (ip:port) of the master before the fault."""
        self._armed = True
        self._master = master
        self._following = frozenset(name for name, ips in self._endpoints.items() if ips == {_ip(master)})

    def begin(self, effect_ns: int) -> None:
        """Set the time of t = 0, and show the marks that were noted before it was known."""
        self.effect_ns = effect_ns
        for (name, _), (at_ns, text) in sorted(self._marks.items(), key=lambda item: item[1]):
            self._say(name, at_ns, text)

    @property
    def promoted(self) -> bool:
        """Whether another Redis than the former master has said that it is master."""
        return ("promotion", "") in self._marks

    @property
    def over(self) -> bool:
        """Whether the master was switched and every replica reconfigured, or the end cannot be seen."""
        marked = {name for name, _ in self._marks}
        return {"switched", "reconfiguration"} <= marked or "forgotten" in marked

    def mark(self, name: str, at_ns: int, text: str, of: str = "") -> None:
        """Note a step, once for each member `of` that takes it. Show it if t = 0 is known already."""
        if not self._armed or (name, of) in self._marks:
            return
        self._marks[name, of] = (at_ns, text)
        if self.effect_ns is not None:
            self._say(name, at_ns, text)

    def apply(self, event: Event, at_ns: int) -> None:
        """Take an event. `at_ns` is its time on the host's clock."""
        if isinstance(event, SentinelSaid):
            self._sentinel(event, at_ns)
        elif isinstance(event, Role):
            if event.role == "master" and event.address != self._master:
                self._promoted.add(_ip(event.address))
                self.mark("promotion", at_ns, f"{event.member} is master")
        elif isinstance(event, Endpoints):
            ready = {item["ip"]: item["pod"] or item["ip"] for item in event.endpoints if item["ready"]}
            self._leads(event.service, ready, at_ns)
        elif isinstance(event, ProxyServers):
            self._proxy(event, at_ns)

    def _sentinel(self, event: SentinelSaid, at_ns: int) -> None:
        channel, payload, by = event.channel, event.payload, event.sentinel
        of_master = payload.startswith("master ")
        if channel == "+sdown" and of_master:
            self.mark("detection", at_ns, f"+sdown by {by}")
        elif channel == "+odown" and of_master:
            self.mark("quorum", at_ns, f"+odown {payload.partition('#quorum ')[2]} by {by}")
        elif channel == "+try-failover":
            self.mark("failover start", at_ns, f"try-failover by {by}")
        elif channel == "+switch-master":
            self.mark("switched", at_ns, f"by {by}: {payload}")
        elif channel in _OVER:
            self.mark("reconfiguration", at_ns, f"{channel} by {by}")
        elif channel == _FORGOTTEN and self.promoted and not self.over:
            self.mark("forgotten", at_ns, f"{channel} by {by}: the failover's end will not be told")

    def _proxy(self, event: ProxyServers, at_ns: int) -> None:
        """Note where HAProxy leads. Only promoted servers count: it may keep up one whose name leads to a new pod."""
        backends: dict[str, dict[str, str]] = {}
        for server in event.servers:
            up = {_ip(server["address"]): server["server"]} if server["up"] else {}
            backends.setdefault(server["backend"], {}).update(up)
        for backend, up in backends.items():
            if not self._armed or up.keys() <= self._promoted:
                self._leads(f"{event.proxy}, {backend}", up, at_ns)

    def _leads(self, who: str, to: dict[str, str], at_ns: int) -> None:
        """Note the addresses that a Service or a proxy's backend leads to. This is a mark if it led to the master alone
        before the fault, and leads to one other Redis alone now.
        """
        ips = frozenset(to)
        self._endpoints[who] = ips
        if who in self._following and len(ips) == 1 and ips != {_ip(self._master)}:
            self.mark("endpoint", at_ns, f"{who} → {', '.join(to.values())}", of=who)

    def _say(self, name: str, at_ns: int, text: str) -> None:
        assert self.effect_ns is not None
        at_s = (at_ns - self.effect_ns) / 1e9
        self.tell(Message(Tell.SEEN, {"at_s": at_s, "name": name, "text": text}))


def _ip(address: str) -> str:
    return split_address(address)[0]


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
    """Sums up the agent's stalls and the members' waits for a core, by time stamps on the host's clock."""

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
