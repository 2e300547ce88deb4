"""The recording of one trial on one time axis: seconds from t = 0, with the error of each stamp's clock.

`History` places and indexes events, log lines and operations. It judges nothing. The analysis, the findings and the
reports read a trial through it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from pydantic import ValidationError

from chaos.analysis.clocks import Clocks
from chaos.analysis.interval import Interval
from chaos.analysis.logs import LogLine, find
from chaos.analysis.operations import Operations
from chaos.analysis.result import FaultRecord, Node
from chaos.errors import RecordingError
from chaos.model import MemberKind, canonical, split_address
from chaos.record.events import (
    ClientsStarted,
    ClientsStopped,
    Event,
    FaultAccepted,
    FaultConfirmed,
    FaultEffect,
    FaultRequested,
    FaultUnproved,
    HealConfirmed,
    HealRequested,
    LogOpened,
    MembersKnown,
    NodeSeen,
    Onset,
    Pod,
    Role,
    Stamped,
    WatchEnd,
)
from chaos.record.layout import RecordedClient
from chaos.record.reader import Recording
from chaos.scenario.scenario import Scenario

WARM_UP_S = 2.0
"""How many seconds after the clients' start the baseline begins.

It is a third of the time until the effect if that is less.
"""
NOTHING_PROMISED: dict[str, Any] = {
    "about": "",
    "system": {
        "local": {"sentinel": {"service": "sentinel"}, "endpoint": {"service": "redis", "mode": "sentinel"}},
        "period": "1s",
    },
    "clients": {},
    "targets": {},
}
"""The scenario of a trial that died before its manifest was written."""
OF_A_FAULT = (FaultAccepted, FaultEffect, FaultConfirmed, FaultUnproved, HealRequested, HealConfirmed)
FaultEvents = dict[type[Event], Stamped[Any]]
"""The events of one fault, by their class."""

E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class Fact(Generic[E_co]):
    """An event on the time axis. What the event says became true between `earliest_s` and `latest_s`."""

    event: E_co
    earliest_s: float
    latest_s: float

    @property
    def at_s(self) -> Interval:
        return Interval(self.earliest_s, self.latest_s)


class History:
    """A recording on one time axis. `t0_ns` is t = 0 on the host's clock.

    `unplaced` counts, for each clock domain, the events that cannot be placed because the offset to the host's clock is
    not known. Raises RecordingError if the manifest's scenario is not valid.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.manifest: dict[str, Any] = recording.manifest
        try:
            self.scenario = Scenario.model_validate(self.manifest.get("scenario", NOTHING_PROMISED))
        except ValidationError as error:
            raise RecordingError(f"{recording.directory}: its manifest's scenario is none: {error}") from error
        self.clocks = Clocks(recording.events)
        self._said_of_faults, self._origin = said_of_faults(recording, self.clocks)
        self._onset = next((one for one in recording.events if isinstance(one.event, Onset)), None)
        self.t0_ns = self._origin_ns()
        self.unplaced: dict[str, int] = {}
        self._facts: dict[type[Event], list[Fact[Any]]] = {}
        for stamped in recording.events:
            fact = self._placed(stamped)
            if fact is None:
                self.unplaced[stamped.domain] = self.unplaced.get(stamped.domain, 0) + 1
            else:
                self._facts.setdefault(type(stamped.event), []).append(fact)
        for facts in self._facts.values():
            facts.sort(key=lambda fact: fact.latest_s)

    @classmethod
    def load(cls, directory: Path) -> Self:
        return cls(Recording.load(directory))

    # Events.

    def facts(self, kind: type[E]) -> list[Fact[E]]:
        """Return all events of the class `kind`, in the order of their latest edges."""
        return self._facts.get(kind, [])

    def roles_of(self, name: str) -> list[Fact[Role]]:
        """Return the Role events of one Redis, in the order of their latest edges."""
        return [fact for fact in self.facts(Role) if fact.event.member == name]

    def last(self, kind: type[E]) -> Fact[E] | None:
        return next(iter(self.facts(kind)[-1:]), None)

    def seconds(self, host_ns: int) -> float:
        return (host_ns - self.t0_ns) / 1e9

    def _placed(self, stamped: Stamped[Event]) -> Fact[Event] | None:
        latest = self.clocks.place(stamped.domain, stamped.at_ns)
        earliest = self.clocks.place(stamped.domain, stamped.at_ns if stamped.since_ns is None else stamped.since_ns)
        if latest is None or earliest is None:
            return None
        return Fact(stamped.event, self.seconds(earliest[0]), self.seconds(latest[1]))

    # What was done.

    def _origin_ns(self) -> int:
        """Return t = 0 on the host's clock, in nanoseconds.

        t = 0 is the earliest edge of the origin's effect, or the origin's request if no effect was recorded. Without a
        fault it is the earliest edge of the onset, and without an onset the last stamp of the host.
        """
        if self._origin is None and self._onset is not None:
            placed = self.clocks.place(self._onset.domain, self._onset.since_ns or self._onset.at_ns)
            if placed:
                return placed[0]
        if self._origin is None:
            mine = (one.at_ns for one in self.recording.events if self.clocks.same(one.domain))
            return max(mine, default=0)
        effect = self._origin.get(FaultEffect)
        placed = self.clocks.place(effect.domain, effect.since_ns or effect.at_ns) if effect else None
        return placed[0] if placed else self._origin[FaultRequested].at_ns

    @cached_property
    def faults(self) -> tuple[FaultRecord, ...]:
        """Every fault with its times, in the order of the requests."""
        return tuple(self._fault(said, said is self._origin) for said in self._said_of_faults)

    @cached_property
    def origin(self) -> FaultRecord | None:
        """The fault whose effect is t = 0, or None if no fault was requested."""
        return next((fault for fault in self.faults if fault.is_origin), None)

    @property
    def effect_s(self) -> Interval | None:
        """The interval in which the origin took effect, or None if no effect is known.

        For a watched system it is the interval of the onset: whatever the cause was, clients felt nothing before.
        """
        if self.origin:
            return self.origin.effect_s
        onset = self.onset
        return onset.at_s if onset else None

    @property
    def onset(self) -> "Fact[Onset] | None":
        """The first sign of an outage or a failover in a watched system. None in a trial, which has a fault of ours."""
        return None if self.origin else next(iter(self.facts(Onset)), None)

    @property
    def watched(self) -> bool:
        """Whether the system was watched from outside, so that only what a client can see was recorded."""
        return self.scenario.system.addresses is not None

    @cached_property
    def first_effect_s(self) -> float:
        """When the first fault took effect at the earliest: t = 0, or before it if another one came earlier."""
        return min([0.0, *(fault.effect_s.least for fault in self.faults if fault.effect_s)])

    @property
    def width_s(self) -> float:
        """The width of the effect's interval in seconds, which is part of the error of every time from t = 0."""
        return self.effect_s.width if self.effect_s else 0.0

    @cached_property
    def heal_s(self) -> float | None:
        """When healing was first requested, or None. A path that is not back by then did not recover."""
        return min(
            (fault.heal_requested_s for fault in self.faults if fault.heal_requested_s is not None), default=None
        )

    def _fault(self, said: FaultEvents, is_origin: bool) -> FaultRecord:
        placed = {kind: fact for kind, one in said.items() if (fact := self._placed(one))}

        def latest_s(kind: type[Event]) -> float | None:
            return placed[kind].latest_s if kind in placed else None

        request: FaultRequested = said[FaultRequested].event
        proof, unproved = placed.get(FaultConfirmed), placed.get(FaultUnproved)
        heal, effect = placed.get(HealRequested), placed.get(FaultEffect)
        undone: HealConfirmed | None = said[HealConfirmed].event if HealConfirmed in said else None
        why_unproved = str(unproved.event.evidence) if unproved else ""  # type: ignore[attr-defined]
        return FaultRecord(
            name=request.fault,
            target=Node(**request.target) if request.target else None,
            is_origin=is_origin,
            requested_s=placed[FaultRequested].latest_s,
            accepted_s=latest_s(FaultAccepted),
            effect_s=effect.at_s if effect else None,
            confirmed_s=latest_s(FaultConfirmed),
            heal_requested_s=heal.earliest_s if heal else None,
            heal_confirmed_s=latest_s(HealConfirmed),
            evidence=proof.event.evidence if proof else why_unproved,  # type: ignore[attr-defined]
            unproved=why_unproved,
            arguments=request.arguments,
            others=tuple(Node(**one) for one in request.others),
            healed_by=undone.evidence if undone else "",
        )

    @property
    def t0(self) -> str:
        """T0 as UTC in RFC 3339 with milliseconds, or an empty string if no wall clock was recorded."""
        wall_ns = self.clocks.wall_ns(self.t0_ns)
        if wall_ns is None:
            return ""
        moment = datetime.fromtimestamp(wall_ns // 10**9, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ns // 10**6 % 1000:03d}Z"

    # What was to be played.

    @property
    def experiment(self) -> str:
        return str(self.manifest.get("experiment", {}).get("name", ""))

    @property
    def stands_for(self) -> str:
        """What the experiment stands for in real life, or else the description in the experiment's file."""
        written = self.manifest.get("experiment", {})
        return str(written.get("stands_for") or written.get("description") or "")

    @property
    def expects(self) -> str:
        """What the experiment expects: failover, no-failover, nothing or any."""
        return str(self.manifest.get("experiment", {}).get("expects") or "any")

    @property
    def gap_s(self) -> float:
        return self.scenario.gap

    # Clients.

    @cached_property
    def clients(self) -> dict[int, RecordedClient]:
        tables = [file.header.get("clients", []) for file in self.recording.ops]
        listed = [*self.manifest.get("clients", []), *(client for table in tables for client in table)]
        left_out = self._starts[-1].event.left_out if self._starts else []
        return {raw["number"]: RecordedClient.from_json(raw) for raw in listed if raw["number"] not in left_out}

    @cached_property
    def clients_by_path(self) -> dict[str, tuple[RecordedClient, ...]]:
        """The clients of each path, such as service/new, in the order of their numbers."""
        found: dict[str, tuple[RecordedClient, ...]] = {}
        for _, client in sorted(self.clients.items()):
            found[client.name] = (*found.get(client.name, ()), client)
        return found

    @cached_property
    def ops(self) -> Operations:
        keyless = tuple(number for number, client in self.clients.items() if not client.audited)
        return Operations.load(self.recording, self.clocks, self.t0_ns, self.deadline_s, keyless)

    @cached_property
    def deadline_s(self) -> float:
        """The deadline, in seconds, with which the clients were last started before the effect."""
        told = [fact.event.deadline_s for fact in self._starts]
        return float((told[-1] if told else 0) or self.manifest.get("deadline_s") or self.scenario.deadline)

    @property
    def started_s(self) -> float | None:
        """When the clients were last started before the effect, or None if they never were."""
        return self._starts[-1].latest_s if self._starts else None

    @cached_property
    def _starts(self) -> list[Fact[ClientsStarted]]:
        return [fact for fact in self.facts(ClientsStarted) if fact.earliest_s <= 0]

    @property
    def baseline_s(self) -> Interval | None:
        """The time of the baseline: from the end of the warm-up until one deadline before the first effect.

        An operation that was sent later than that may still have been under way when the fault took effect. None if the
        clients were never started.
        """
        if self.started_s is None:
            return None
        ends_s = self.first_effect_s
        return Interval(self.started_s + min(WARM_UP_S, (ends_s - self.started_s) / 3), ends_s - self.deadline_s)

    @cached_property
    def begin_s(self) -> float:
        """The time of the first recorded event."""
        return min((facts[0].latest_s for facts in self._facts.values()), default=0.0)

    @cached_property
    def end_s(self) -> float:
        """When watching ended: the time at which the clients stopped, or else an entry of `failover watch` ended.

        If neither is recorded, it is the time of the last thing recorded.
        """
        for kind in (ClientsStopped, WatchEnd):
            ends = [fact.latest_s for fact in self._facts.get(kind, []) if fact.latest_s > (self.started_s or 0.0)]
            if ends:
                return ends[-1]
        return max([*(facts[-1].latest_s for facts in self._facts.values()), self.ops.end_s])

    # Logs.

    def lines(self, component: str, pattern: str) -> Iterator[LogLine]:
        """Yield the lines of a component's logs that match the regular expression `pattern`, on the time axis."""
        for stamped in self._logs.values():
            path = self.recording.logs.get(stamped.event.file)
            if path is None or stamped.event.component != component:
                continue
            for line in find(path, pattern, stamped.event.pod):
                placed = line.placed(partial(self._at_wall, stamped.domain))
                if placed is not None:
                    yield placed

    @cached_property
    def _logs(self) -> dict[str, Stamped[LogOpened]]:
        opened: list[Stamped[Any]] = [one for one in self.recording.events if isinstance(one.event, LogOpened)]
        return {one.event.file: one for one in opened}

    @property
    def logs(self) -> list[tuple[LogOpened, Path]]:
        """Every container's log in the recording, with the event that says whose log it is."""
        found = ((one.event, self.recording.logs.get(one.event.file)) for one in self._logs.values())
        return [(event, path) for event, path in found if path is not None]

    def _at_wall(self, domain: str, wall_ns: int) -> Interval | None:
        placed = self.clocks.place_wall(domain, wall_ns)
        return Interval(self.seconds(placed[0]), self.seconds(placed[1])) if placed else None

    # Members.

    def names(self, kind: MemberKind) -> list[str]:
        """Return the names of the members of a kind, as they were last listed before the effect."""
        before = [fact for fact in self.facts(MembersKnown) if fact.latest_s <= 0] or self.facts(MembersKnown)
        listed = before[-1].event.members if before else []
        return [member["name"] for member in listed if member["kind"] == kind]

    def node(self, address: str) -> Node:
        """Return the member at `ip:port`, or else the member that is known by this ip alone.

        If no member is known at this address, return a node that has the ip as its name.
        """
        known = self._known(address)
        return replace(known, address=address) if known else Node(name=host(address), ordinal=None, address=address)

    def has(self, address: str) -> bool:
        """Return whether any known member had this address."""
        return self._known(address) is not None

    def same(self, one: object, other: object) -> bool:
        """Return whether two addresses belong to one member. It may have several, each written in several ways."""
        return self.one_text(one) == self.one_text(other)

    def one_text(self, address: object) -> str:
        """Return the same text for every address of a member."""
        text = canonical(str(address))
        return self._member_at.get(text, text)

    def is_at(self, node: Node | None, address: object) -> bool:
        """Return whether an `ip:port` is the address of that node."""
        return node is not None and self.same(node.address, address)

    @cached_property
    def _member_at(self) -> dict[str, str]:
        """Maps each further address of a member to the member's first address, as the platform last reported."""
        found: dict[str, str] = {}
        for known in self.facts(MembersKnown):
            for member in known.event.members:
                first = canonical(f"{member['address']}:{member['port']}")
                found |= {canonical(other): first for other in member.get("aliases", ())}
        return found

    def _known(self, address: str) -> Node | None:
        return self._nodes.get(canonical(address)) or self._nodes.get(canonical(host(address)))

    def ran(self, run_id: str) -> Node | None:
        """Return the node whose process has or had this run id, or None.

        Behind a Service, only the run id tells which process answered. Another process may have come to its address.
        """
        said = self._processes.get(run_id)
        return replace(self.node(said.address), name=said.member, run_id=run_id) if said else None

    @cached_property
    def _processes(self) -> dict[str, Role]:
        """Maps each run id of a Redis to the first reply to ROLE of its process."""
        told = [fact.event for fact in self.facts(Role)]
        return {event.run_id: event for event in reversed(told) if event.run_id}

    def answered_by(self, index: int) -> Node | None:
        """Return the node that operations name by `index`, or None if no event says which node that is."""
        seen = next((fact.event for fact in self.facts(NodeSeen) if fact.event.index == index), None)
        if seen is None:
            return None
        if not seen.address and not self.ran(seen.run_id):
            return Node(name=f"the Redis of run id {seen.run_id[:8]}", ordinal=None, address="", run_id=seen.run_id)
        return self.ran(seen.run_id) or replace(self.node(str(seen.address)), run_id=seen.run_id)

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        """Maps each address to its node. A later event about an address replaces an earlier one.

        The platform's events give the names, and the Role events of a Redis its run id.
        """
        found: dict[str, Node] = {}
        ordinals: dict[str, int | None] = {}

        def put(name: str, address: str, run_id: str = "") -> None:
            found[canonical(address)] = Node(name=name, ordinal=ordinals.get(name), address=address, run_id=run_id)

        for known in self.facts(MembersKnown):
            for member in known.event.members:
                ordinals[member["name"]] = member.get("ordinal")
                for address in (f"{member['address']}:{member['port']}", *member.get("aliases", ())):
                    put(member["name"], address)
        for pod in self.facts(Pod):
            if pod.event.ip:
                put(pod.event.name, pod.event.ip)
        for role in self.facts(Role):
            put(role.event.member, role.event.address, role.event.run_id)
        return found


def host(address: str) -> str:
    """Return an address without its port."""
    return split_address(address)[0]


def said_of_faults(recording: Recording, clocks: Clocks) -> tuple[list[FaultEvents], FaultEvents | None]:
    """Return the events of every fault, and the events of the origin. The latter are None if no fault was requested.

    An event belongs to the last request of the same fault before it, and a heal to the first request of that fault that
    is not healed yet. The origin is the fault that the experiment marks. If it marks none, the origin is the first
    fault on a Redis whose last known role was master, or else the first fault of all.
    """
    placed = [(at[1], one) for one in recording.events if (at := clocks.place(one.domain, one.at_ns))]
    found: list[FaultEvents] = []
    marked: FaultEvents | None = None
    on_a_master: FaultEvents | None = None
    roles: dict[str, str] = {}
    for _, one in sorted(placed, key=lambda each: each[0]):
        event = one.event
        if isinstance(event, Role):
            roles[event.member] = event.role
        elif isinstance(event, FaultRequested):
            found.append({FaultRequested: one})
            marked = marked or (found[-1] if event.origin else None)
            is_on_master = any(one and roles.get(one["name"]) == "master" for one in (event.target, *event.others))
            on_a_master = on_a_master or (found[-1] if is_on_master else None)
        elif isinstance(event, OF_A_FAULT):
            mine = [said for said in found if said[FaultRequested].event.fault == event.fault]
            if isinstance(event, (HealRequested, HealConfirmed)):  # several faults of one name are healed in turn
                mine = [said for said in mine if type(event) not in said][:1]
            if mine:
                mine[-1].setdefault(type(event), one)
    return found, marked or on_a_master or next(iter(found), None)
