"""One trial as a script: a healthy system until t = 0, and what a test says then befell it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from chaos.clock import AGENT, HOST
from chaos.model import ErrorCode, Outcome
from chaos.record.events import Stamped
from tests.recordings.documents import scenario_json, settings_json
from tests.recordings.load import Load, Spell
from tests.recordings.world import (
    CLUSTER_IP,
    DEADLINE_S,
    GIVEN,
    IPS,
    NODE,
    OPERATOR,
    PODS,
    SENTINELS,
    SERVICE,
    SERVICE_TARGET,
    Client,
    clients_of,
    members,
    ns,
    pod_fields,
    redis_stamp,
    run_id,
    stamp,
)
from tests.saying import stamped

MASTER_SERVICE = SERVICE.partition(":")[0]


@dataclass(kw_only=True)
class Story:
    """A trial to be written. Times are seconds from t = 0; what is not said is as in a healthy system."""

    experiment: str = "kill-master"
    expects: str = "failover"
    number: int = 0
    seed: int = 4711
    baseline_s: float = 6.0
    length_s: float = 20.0
    meters: int = 1
    applications: int = 1
    paths: tuple[str, ...] = ("service", "sentinel")
    killed: int = 0
    successor: int = 1
    spells: list[Spell] = field(default_factory=list)
    events: list[Stamped[Any]] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=dict)
    switched_s: float | None = None
    closed: dict[str, Any] | None = field(default_factory=lambda: {"ended": "complete", "step": 9, "error": None})
    audited: bool = True
    app: dict[str, Any] = field(default_factory=dict)
    quits_s: float | None = None
    scenario: dict[str, Any] = field(default_factory=scenario_json)
    settings: dict[str, Any] = field(default_factory=settings_json)

    def __post_init__(self) -> None:
        self._pods()
        self._observed()

    @property
    def clients(self) -> list[Client]:
        """The clients of the paths. `app` is what the application client says of itself beside what it always says."""
        each = clients_of(self.paths, self.meters, self.applications)
        return [replace(one, more=self.app) if one.kind == "application" else one for one in each]

    def load(self, client: Client) -> Load:
        return Load(
            client=client,
            clients=len(self.clients),
            start_s=-self.baseline_s,
            end_s=self.quits_s if self.quits_s and client.kind == "application" else self.length_s,
            spells=[spell for spell in self.spells if spell.meets(client)],
            master=self.killed,
            successor=self.successor,
            switched_s=self.switched_s,
        )

    def event(self, kind: str, at_s: float, domain: str = HOST, since_s: float | None = None, **fields: Any) -> Self:
        since = None if since_s is None else ns(since_s)
        self.events.append(stamped(kind, domain, ns(at_s), since, **fields))
        return self

    def retell(self, kind: str, where: Callable[[Any], bool] = lambda _event: True, **changes: Any) -> Self:
        """Change what events of a kind say, those for which `where` holds."""
        self.events = [
            replace(one, event=replace(one.event, **changes)) if one.event.kind == kind and where(one.event) else one
            for one in self.events
        ]
        return self

    def out(self, path: str, start_s: float, end_s: float, **how: Any) -> Self:
        """Operations of `path` sent in [start_s, end_s) are not ok; `how` is the rest of a Spell."""
        self.spells.append(Spell(path=path, start_s=start_s, end_s=end_s, **how))
        return self

    def acknowledged_then_lost(self, path: str, start_s: float, end_s: float, **how: Any) -> Self:
        """The demoted master says OK, and the keys are gone at the audit."""
        ok = {
            "outcome": Outcome.OK,
            "error": ErrorCode.NONE,
            "node": self.killed,
            "target": SERVICE_TARGET,
            "lost": True,
        }
        return self.out(path, start_s, end_s, **(ok | how))

    def log(self, pod: str, at_s: float, text: str) -> Self:
        """A line of that pod's container log, as the kubelet keeps it."""
        self.logs.setdefault(pod, []).append(f"{stamp(at_s)} {text}\n")
        return self

    def redis_log(self, pod: str, at_s: float, text: str, role: str = "S") -> Self:
        return self.log(pod, at_s + 0.0002, f"1:{role} {redis_stamp(at_s)} * {text}")

    def operator_log(self, at_s: float, message: str) -> Self:
        """The operator stamps whole seconds; the kubelet does better."""
        return self.log(OPERATOR, at_s, f'time="{stamp(at_s)[:19]}Z" level=info msg="{message}"')

    def sentinel(self, at_s: float, who: int, channel: str, payload: str) -> Self:
        """One Sentinel event: on its pub/sub and, as Redis does it, in its log as well."""
        name = list(SENTINELS)[who]
        self.redis_log(name, at_s, f"{channel} {payload}", role="X")
        return self.event("sentinel.event", at_s + 0.0012, AGENT, sentinel=name, channel=channel, payload=payload)

    def fault(self, name: str = "crash", *, width_s: float = 0.012, confirmed_s: float | None = 0.31) -> Self:
        killed = self.killed
        target = {"name": PODS[killed], "ordinal": killed, "address": f"{IPS[killed]}:6379", "run_id": run_id(killed)}
        self.event("fault.requested", -0.05, fault=name, target=target, arguments={})
        self.event("fault.accepted", 0.02, fault=name)
        self.event("fault.effect", width_s, NODE, since_s=0.0, fault=name)
        if confirmed_s is None:
            return self.event("fault.unproved", 2.0, fault=name, evidence="the process is still there")
        return self.event("fault.confirmed", confirmed_s, fault=name, evidence="pid 1240 gone")

    def healed(self, at_s: float, name: str = "partition") -> Self:
        self.event("fault.heal_requested", at_s, fault=name)
        return self.event("fault.heal_confirmed", at_s + 0.2, fault=name)

    def failover(self, *, sdown_s: float | None, try_s: float, promoted_s: float, epoch: int = 1) -> Self:
        """A whole failover as all three Sentinels and the promoted replica tell it; without sdown_s a requested one."""
        old, new = f"{IPS[self.killed]} 6379", f"{IPS[self.successor]} 6379"
        if sdown_s is not None:
            self.down(sdown_s, try_s - 0.06)
        self.sentinel(try_s - 0.001, 0, "+new-epoch", str(epoch))
        self.sentinel(try_s, 0, "+try-failover", f"master mymaster {old}")
        self.sentinel(try_s + 0.003, 0, "+vote-for-leader", f"{'b' * 40} {epoch}")
        self.sentinel(try_s + 0.07, 0, "+elected-leader", f"master mymaster {old}")
        slave = f"slave {IPS[self.successor]}:6379 {new} @ mymaster {old}"
        self.sentinel(try_s + 0.08, 0, "+selected-slave", slave)
        self.promoted(promoted_s)
        self.sentinel(promoted_s + 0.5, 0, "+promoted-slave", slave)
        return self.switched(promoted_s + 0.5)

    def down(self, sdown_s: float, odown_s: float) -> Self:
        old = f"master mymaster {IPS[self.killed]} 6379"
        for who, late in enumerate((0.0, 0.04, 0.09)):
            self.sentinel(sdown_s + late, who, "+sdown", old)
        return self.sentinel(odown_s, 0, "+odown", f"{old} #quorum 2/2")

    def promoted(self, at_s: float) -> Self:
        pod, ip = PODS[self.successor], IPS[self.successor]
        self.redis_log(pod, at_s, "MASTER MODE enabled (user request from 'id=7 addr=10.244.1.9:39210')", role="M")
        return self.role(at_s + 0.03, self.successor, "master", ip, since_s=at_s - 0.02)

    def switched(self, at_s: float) -> Self:
        """The leader tells the new address at once, the others with their +switch-master; the replicas follow."""
        new = IPS[self.successor]
        line = f"mymaster {IPS[self.killed]} 6379 {new} 6379"
        for who, (told, switch) in enumerate(((0.0, 1.0), (0.07, 0.07), (0.09, 0.09))):
            answer: dict[str, Any] = {"sentinel": list(SENTINELS)[who], "address": f"{new}:6379"}
            self.event("sentinel.address", at_s + told + 0.03, AGENT, at_s + told - 0.02, **answer)
            self.sentinel(at_s + switch, who, "+switch-master", line)
        for ordinal in {0, 1, 2} - {self.killed, self.successor}:
            self.role(at_s + 0.95, ordinal, "slave", IPS[ordinal], since_s=at_s + 0.9, master=f"{new}:6379")
        self.switched_s = at_s + 0.05
        return self

    def role(self, at_s: float, ordinal: int, role: str, ip: str, **more: Any) -> Self:
        """`more` is `since_s`, and for a replica its `master`, whom it then follows."""
        since_s, master = more.get("since_s"), more.get("master")
        who = {"member": PODS[ordinal], "address": f"{ip}:6379", "run_id": run_id(ordinal), "role": role}
        state = {"master": master, "link": "up" if master else None, "syncing": False, "offset": 1000}
        return self.event("role", at_s, AGENT, since_s, **who, **state)

    def labelled(self, at_s: float) -> Self:
        """The operator writes the master label; the EndpointSlice follows."""
        name, labels = PODS[self.successor], "map[redisfailovers-role:master]"
        self.operator_log(at_s, f"Update pod label, namespace: saasodoo, pod name: {name}, labels: {labels}")
        self.pod(at_s + 0.02, self.successor, role="master", since_s=at_s - 5.0)
        return self.endpoints(at_s + 0.15, self.successor, since_s=at_s + 0.02)

    def pod(self, at_s: float, ordinal: int, *, since_s: float | None = None, **changes: Any) -> Self:
        fields = pod_fields(ordinal, "master" if ordinal == self.killed else "slave") | changes
        return self.event("pod", at_s, HOST, since_s, **fields)

    def endpoints(self, at_s: float, ordinal: int | None, *, since_s: float | None = None) -> Self:
        """The master Service's slice names that pod, or nobody."""
        ready = {"ready": True, "serving": True, "terminating": False}
        named = [] if ordinal is None else [{"ip": IPS[ordinal], "pod": PODS[ordinal], **ready}]
        return self.event("endpoints", at_s, HOST, since_s, service=MASTER_SERVICE, endpoints=named)

    def without(self, *kinds: str) -> Self:
        """As if what writes these events had never run; `operator`, `redis` and `sentinel` take those logs away."""
        self.events = [event for event in self.events if event.event.kind not in kinds]
        owners = {"operator": {OPERATOR}, "redis": set(PODS), "sentinel": set(SENTINELS)}
        silent = set().union(*(owners.get(kind, set()) for kind in kinds))
        self.logs = {pod: lines for pod, lines in self.logs.items() if pod not in silent}
        return self

    def sanity(self, at_s: float, **changes: Any) -> Self:
        """What each Redis says of evictions, expiry and of who is master."""
        master = self.killed if at_s < 0 or self.switched_s is None else self.successor
        said: dict[str, Any] = {"evicted_keys": 0, "expired_keys": 0, "masters": [f"{IPS[master]}:6379"]} | changes
        for ordinal, name in enumerate(PODS):
            self.event("sanity", at_s, AGENT, **({"member": name, "run_id": run_id(ordinal)} | said))
        return self

    def _pods(self) -> None:
        start, master = -self.baseline_s, f"{IPS[self.killed]}:6379"
        for ordinal, address in enumerate(f"{ip}:6379" for ip in IPS):
            killed = ordinal == self.killed
            self.role(start, ordinal, "master" if killed else "slave", IPS[ordinal], master=None if killed else master)
            self.pod(start, ordinal)
            self.event("node", start, AGENT, index=ordinal, run_id=run_id(ordinal), version="7.0.15", address=address)
            self.event("target", start, AGENT, index=ordinal, address=address)
        self.event("target", start, AGENT, index=SERVICE_TARGET, address=CLUSTER_IP)
        self.event("members", start, members=[member.as_json() for member in members()])

    def _observed(self) -> None:
        start, unknown = -self.baseline_s, "Name or service not known"
        for name in SENTINELS:
            self.event("sentinel.address", start, AGENT, sentinel=name, address=f"{IPS[self.killed]}:6379")
        self.endpoints(start, self.killed)
        self.event("service", start, service=MASTER_SERVICE, cluster_ip=CLUSTER_IP.partition(":")[0])
        self.event("resolved", start, AGENT, name=GIVEN.partition(":")[0], addresses=[], error=unknown)
        self.event("random-wait", start, seconds=3.2, period_s=30.0)
        self.event("clients.started", start, AGENT, deadline_s=DEADLINE_S)
        self.sanity(start)
