"""Show the user what happens after t = 0, as soon as it is known. No figure of a report comes from here.

The trial itself asks this module only whether the failover is over.
"""

from dataclasses import dataclass, field

from chaos.model import split_address
from chaos.progress import Message, Tell, Tells
from chaos.record.events import Endpoints, Event, ProxyServers, Role, SentinelSaid

_OVER = ("+failover-end", "+failover-end-for-timeout")
_FORGOTTEN = "+reset-master"
"""The operator made a Sentinel forget its state. If a failover was running, its end will not be published."""


@dataclass
class Seen:
    """The steps of a failover that were seen. Each step is noted as a mark, and shown to the user once.

    Call `arm` just before a fault, so that steps are noted that come before the fault is proved.
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
        """Whether a failover has ended, or its end cannot be seen.

        It has ended when the master was switched and every replica reconfigured.
        """
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
        """Note where HAProxy leads.

        Only promoted servers count: HAProxy may keep a server up whose name leads to a new pod.
        """
        backends: dict[str, dict[str, str]] = {}
        for server in event.servers:
            up = {_ip(server["address"]): server["server"]} if server["up"] else {}
            backends.setdefault(server["backend"], {}).update(up)
        for backend, up in backends.items():
            if not self._armed or up.keys() <= self._promoted:
                self._leads(f"{event.proxy}, {backend}", up, at_ns)

    def _leads(self, who: str, to: dict[str, str], at_ns: int) -> None:
        """Note the addresses that a Service or a proxy's backend leads to.

        This is a mark if it led to the master alone before the fault, and leads to one other Redis alone now.
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
