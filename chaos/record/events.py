"""Every kind of event, each a frozen dataclass, for writers, files and readers.

This module ships into pods and uses the standard library only. docs/file-formats.md has a table of these classes, made
by `nox -s formats`. A line with an undeclared kind or field is refused, so that a misspelt name never reads as "nothing
happened".
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Generic, TypedDict, TypeVar, dataclass_transform, get_type_hints

from chaos.clock import HOST, identity, mono_ns, reading
from chaos.record.shape import check, placed


class Event:
    """What an observer reports. Each kind is a subclass. Its time stamps are in `Stamped`."""

    kind: ClassVar[str]
    by: ClassVar[str]
    """Who writes it, and how often."""


E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamped(Generic[E_co]):
    """An event and its time, on the monotonic clock of `domain`.

    The fact became true between `since_ns`, when it was last seen not to hold, and `at_ns`. If `since_ns` is None, the
    time is exact, or the fact held when it was first looked at.
    """

    event: E_co
    domain: str
    at_ns: int
    since_ns: int | None = None


KINDS: dict[str, type[Event]] = {}
"""Maps each kind's name in a file to its class."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def _kind(name: str, *, by: str) -> Callable[[type[Any]], type[Any]]:
    """Make a class a kind of event: a frozen dataclass with the name `name` in files, written by `by`."""

    def declare(cls: type[Any]) -> type[Any]:
        made: type[Event] = dataclass(frozen=True, kw_only=True, slots=True)(cls)
        made.kind, made.by = name, by
        KINDS[name] = made
        return made

    return declare


class EndpointEntry(TypedDict, total=False):
    """One address in a Service's EndpointSlices."""

    ip: str
    pod: str | None
    ready: bool
    serving: bool
    terminating: bool


class ReplicaEntry(TypedDict, total=False):
    """A replica as a Sentinel knows it. `master` is the address (ip:port) that the replica says it follows."""

    address: str
    flags: str
    master: str


class ServerEntry(TypedDict, total=False):
    """A server in an HAProxy's backend. `address` is ip:port. `up` says whether it gets connections."""

    backend: str
    server: str
    address: str
    up: bool


class TargetEntry(TypedDict, total=False):
    """The target of a fault. `address` is ip:port. `run_id` is the id of the process, or empty if it was not known."""

    name: str
    ordinal: int | None
    address: str
    run_id: str


# Clocks, and the trial itself.


@_kind("clock.domain", by="every writer, as its first line; the host repeats those of the agent and the nodes")
class ClockDomain(Event):
    """The clock that stamps this file. Files with equal boot_id and timens have the same clock."""

    boot_id: str
    timens: str
    mono_ns: int
    wall_ns: int


@_kind("clock.pair", by="every writer, once a second")
class ClockPair(Event):
    """The wall clock at the time of the stamp, from which log lines are placed on the monotonic clock."""

    wall_ns: int


@_kind("clock.offset", by="the host")
class ClockOffset(Event):
    """The clock of the domain `of` minus the host's clock, ± error_ns: half the round trip of the exchange."""

    of: str
    offset_ns: int
    error_ns: int


@_kind("step", by="the host")
class Step(Event):
    """A step of the trial. `state` is begun, ended or failed."""

    number: int
    name: str
    state: str
    text: str


@_kind("random-wait", by="the host")
class RandomWait(Event):
    """How long the trial waits before the fault: random, by the seed, and uniform up to the system's longest period."""

    seconds: float
    period_s: float


@_kind("members", by="the host, when it changed")
class MembersKnown(Event):
    """The members as the platform knows them. Each is a `chaos.model.Member`."""

    members: list[dict[str, Any]]


@_kind("pressure", by="the host and the agent, once a second")
class Pressure(Event):
    """How busy the machine is.

    `some10` is the share of the last 10 s, in %, in which a task waited for a core; it is null if the kernel has no
    pressure stall information. `load1` is the load average of one minute.
    """

    some10: float | None
    load1: float


@_kind("note", by="the host and the agent")
class Note(Event):
    """A sentence for the reader of the record."""

    text: str


@_kind("watch.begin", by="the host")
class WatchBegin(Event):
    """The trial begins to watch whether what recovered stays recovered."""


@_kind("watch.end", by="the host")
class WatchEnd(Event):
    """The trial ends that watch. In `failover watch` an entry ends here: what follows is the audit."""


@_kind("onset", by="the host, for what was watched and not caused by us")
class Onset(Event):
    """t = 0 of an outage that this harness did not cause is between since_ns and at_ns.

    `what` was its first sign: a client's bad operation or a Sentinel's event; or, if nothing happened, the start of the
    observation.
    """

    what: str


@_kind("gap", by="whoever was silent, or whoever noticed it")
class Gap(Event):
    """The source reported nothing from since_ns to at_ns. What happened meanwhile is not known from it."""

    source: str
    text: str


# Faults.


@_kind("fault.requested", by="the host")
class FaultRequested(Event):
    """A fault is requested.

    `origin` is true for the fault whose effect is t = 0, and null if the experiment does not say; then it is the first
    fault on a master. `others` are hit at the same time as the target.
    """

    fault: str
    target: TargetEntry | None
    arguments: dict[str, Any]
    origin: bool | None = None
    others: list[TargetEntry] = field(default_factory=list)


@_kind("fault.accepted", by="the host, when the platform has answered")
class FaultAccepted(Event):
    """The platform accepted the fault."""

    fault: str


@_kind("fault.effect", by="the host, for whoever caused it")
class FaultEffect(Event):
    """The fault took effect between since_ns and at_ns, on the clock of the node where it happened."""

    fault: str


@_kind("fault.confirmed", by="the host, when the proof has come")
class FaultConfirmed(Event):
    """The fault is in effect. `evidence` is the proof."""

    fault: str
    evidence: str


@_kind("fault.unproved", by="the host, when the proof did not come in time")
class FaultUnproved(Event):
    """The fault is not known to be in effect. `evidence` is what was seen instead."""

    fault: str
    evidence: str


@_kind("fault.heal_requested", by="the host")
class HealRequested(Event):
    """The fault is about to be undone."""

    fault: str


@_kind("fault.heal_confirmed", by="the host")
class HealConfirmed(Event):
    """The fault is undone. `evidence` is the proof, or empty if there is none."""

    fault: str
    evidence: str = ""


@_kind("fault.undone", by="the host, for the helper on the node")
class FaultUndone(Event):
    """The executor undid a fault by itself, between since_ns and at_ns on the node's clock, before it was healed.

    `what` is the executor's word for the fault, such as cut or pause.
    """

    what: str
    because: str


# The platform.


@_kind("pod", by="the platform, on every change")
class Pod(Event):
    """A pod of the system.

    `role` is the value of the master label. `waiting` is why its container does not run (CrashLoopBackOff …), `ended`
    why its previous container ended (OOMKilled, Error …), `unschedulable` the scheduler's message.
    """

    name: str
    uid: str
    component: str
    ip: str | None
    node: str | None
    phase: str | None
    ready: bool
    role: str | None
    container: str
    restarts: int
    started_at: str | None
    deleting: bool
    gone: bool
    waiting: str = ""
    ended: str = ""
    unschedulable: str = ""


@_kind("failover.asked", by="the nest, for a master that is being deleted")
class FailoverAsked(Event):
    """A member asked a Sentinel for a failover before it ended. `reply` is OK, or the reason of a refusal."""

    member: str
    sentinel: str
    reply: str


@_kind("endpoints", by="the platform, on every change of the Service's EndpointSlices")
class Endpoints(Event):
    """The endpoints of a Service."""

    service: str
    endpoints: list[EndpointEntry]


@_kind("service", by="the platform")
class ServiceKnown(Event):
    """A Service and the labels that it selects."""

    service: str
    cluster_ip: str | None
    selector: dict[str, str]


@_kind("log.opened", by="the platform")
class LogOpened(Event):
    """A container's log is being copied into `file`.

    The domain is the clock of the log's own stamps, which is the node's.
    """

    file: str
    component: str
    pod: str
    uid: str
    container: str


@_kind("log.closed", by="the platform")
class LogClosed(Event):
    """The container's log is no longer copied."""

    file: str
    component: str
    pod: str
    uid: str
    container: str


@_kind("waits", by="the host: on local once, on kind once for each node, on the clock of that node")
class Waits(Event):
    """Whether this kernel counts how long a process waits for a core."""

    counted: bool


@_kind("waited", by="the host, as `waits`, for waits of 10 ms or more")
class Waited(Event):
    """How long a member's main thread waited for a core from since_ns to at_ns. It is looked up ten times a second."""

    member: str
    waited_ns: int


# Clients.


@_kind("resolved", by="the agent, when it changed")
class Resolved(Event):
    """The addresses that a name resolves to. Empty if it was not found."""

    name: str
    addresses: list[str]
    error: str


@_kind("node", by="the agent, when a run id is first seen")
class NodeSeen(Event):
    """The server behind an operation's `node` index. The address is null if it is not known."""

    index: int
    run_id: str
    version: str
    address: str | None


@_kind("target", by="the agent, when an address is first asked")
class TargetAsked(Event):
    """The server behind an operation's `target` index. For an application client it is host:port as configured."""

    index: int
    address: str


@_kind("connection.opened", by="the agent: `kept` connections and application clients only")
class ConnectionOpened(Event):
    """A client opened the connection with this number. since_ns is when it began to connect."""

    client: int
    connection: int
    target: int | None
    node: int | None
    because: str


@_kind("connection.closed", by="the agent: `kept` connections and application clients only")
class ConnectionClosed(Event):
    """A client's connection ended, for the reason in `because`."""

    client: int
    connection: int
    target: int | None
    node: int | None
    because: str


@_kind("discovery", by="the agent, when the answer differs from the client's last")
class DiscoveryAnswered(Event):
    """The master that a Sentinel named to a client. The address is null if it named none."""

    client: int
    sentinel: str
    address: str | None
    took_us: int
    error: str


@_kind("clients.started", by="the agent")
class ClientsStarted(Event):
    """The clients begin to send, with this deadline. `left_out` are the numbers of clients that do not."""

    deadline_s: float
    left_out: list[int] = field(default_factory=list)


@_kind("clients.stopped", by="the agent")
class ClientsStopped(Event):
    """The clients have stopped sending."""

    deadline_s: float


@_kind("application.call", by="the agent, for calls of more than a second")
class ApplicationCall(Event):
    """A call of an application client that blocked for long."""

    client: int
    blocked_s: float
    error: str


@_kind("application.errors", by="the agent, at the first error of a class, then once a second, and at the end")
class ApplicationErrors(Event):
    """How many calls of an application client have failed so far, by the class of the error that its library raised."""

    client: int
    counts: dict[str, int]


@_kind("application.task", by="the agent, as an application client with a worker tells it")
class ApplicationTask(Event):
    """The state of a task that call number `task` handed to a worker: begun, done, and at the end waiting or result.

    The state `looked`, with -1 as the task, says that the last states were all reported.
    """

    client: int
    task: int
    state: str


@_kind("application.worker", by="the agent, as an application client with a worker tells it")
class ApplicationWorker(Event):
    """An application client's worker ended by itself. `how` is its error, or its exit code if it reported none."""

    client: int
    how: str


@_kind("sanity", by="the agent, at each start of the clients and at the audit, a member each")
class Sanity(Event):
    """What a Redis says of itself.

    Its counts are null if it did not answer. `masters` are all members that say they are master.
    """

    member: str
    address: str
    run_id: str
    role: str
    evicted_keys: int | None
    expired_keys: int | None
    error: str
    masters: list[str]


@_kind("audit", by="the agent")
class Audit(Event):
    """The keys were read back from the master at `address`.

    A watch without a Sentinel reads each Service's keys back through that Service, and names all of them.

    `undecided` says why this does not prove a loss, or is empty.

    `others` are further masters that were read, because no majority of Sentinels named one.
    """

    address: str
    run_id: str
    keys: int
    present: int
    took_s: float
    undecided: str
    others: list[str] = field(default_factory=list)


# Observers.


@_kind("role", by="the agent: polled every 50 ms, written when anything but the offset changed, or once a second")
class Role(Event):
    """A member's reply to ROLE.

    `role` is master or slave. `link` is up, or ROLE's own word if the replica is not connected.
    """

    member: str
    address: str
    run_id: str
    role: str
    master: str | None
    link: str | None
    syncing: bool
    offset: int | None


@_kind("role.lost", by="the agent")
class RoleLost(Event):
    """The member no longer answers ROLE, or is no longer a member."""

    member: str
    address: str
    error: str


@_kind("config.set", by="the agent: polled every 0.5 s, written when it changed; from Redis 7 on")
class ConfigSet(Event):
    """How many CONFIG SET calls a Redis process has received since it started, by INFO commandstats.

    Neither Sentinel nor this harness makes such calls. An operator does each time it reconciles.
    """

    member: str
    run_id: str
    calls: int


@_kind("sentinel.address", by="the agent: polled every 50 ms, written when it changed")
class SentinelAddress(Event):
    """The master that a Sentinel names. The address is null if it knows no such master."""

    sentinel: str
    address: str | None


@_kind("sentinel.state", by="the agent: polled once a second, written when it changed")
class SentinelState(Event):
    """What a Sentinel knows of the master, its replicas and the other Sentinels.

    If it knows no master, its flags are `not-monitored`.
    """

    sentinel: str
    flags: str
    num_slaves: int
    num_other_sentinels: int
    quorum: int
    address: str | None
    replicas: list[ReplicaEntry]


@_kind("sentinel.event", by="the agent: pub/sub, every event")
class SentinelSaid(Event):
    """An event that a Sentinel published. since_ns is when the last answered ping of this subscription was sent."""

    sentinel: str
    channel: str
    payload: str


@_kind("sentinel.lost", by="the agent")
class SentinelLost(Event):
    """The Sentinel no longer answers."""

    sentinel: str
    error: str | None


@_kind("sentinel.back", by="the agent")
class SentinelBack(Event):
    """The Sentinel answers again."""

    sentinel: str
    error: str | None = None


@_kind("proxy.servers", by="the agent: polled every 50 ms, written when it changed, or once a second")
class ProxyServers(Event):
    """The servers to which an HAProxy sends clients, from its stats socket."""

    proxy: str
    servers: list[ServerEntry]


@_kind("proxy.lost", by="the agent")
class ProxyLost(Event):
    """The HAProxy's stats socket no longer answers, or the HAProxy is no longer a member."""

    proxy: str
    error: str


@_kind("settings", by="the agent: read at first sight and every 5 s (a Sentinel's: every second), written when changed")
class SettingsRead(Event):
    """A member's effective settings. `error` is why they could not be read, or null."""

    member: str
    component: str
    settings: dict[str, str]
    error: str | None = None


@_kind("hiccup", by="the agent, for 5 ms or more")
class Hiccup(Event):
    """The agent may have been held up this long: its timer, which fires every 5 ms, was this late."""

    late_ns: int


@_kind("hiccups", by="the agent, once a second, so that silence is not taken for punctuality")
class Hiccups(Event):
    """The longest delay of the timer in the last second, and how often it fired."""

    worst_ns: int
    ticks: int


# Lines of a file.


def to_line(stamped: Stamped[Event]) -> str:
    """Return the line of a file for an event, with its line end."""
    return json.dumps(to_json(stamped), separators=(",", ":")) + "\n"


def to_json(stamped: Stamped[Event]) -> dict[str, Any]:
    """Return the object of a line for an event."""
    stamps: dict[str, Any] = {"kind": stamped.event.kind, "domain": stamped.domain, "at_ns": stamped.at_ns}
    if stamped.since_ns is not None:
        stamps["since_ns"] = stamped.since_ns
    return stamps | {one.name: getattr(stamped.event, one.name) for one in fields(stamped.event)}  # type: ignore[arg-type]


def from_line(line: str | bytes) -> Stamped[Event]:
    """Return the event in a line. Raises ValueError with the reason if the line is no declared kind with its fields."""
    return from_json(json.loads(line))


def from_json(said: Any) -> Stamped[Event]:  # noqa: ANN401  whatever stands in a file
    """Return the event in the object of a line. Raises ValueError as `from_line` does."""
    if not isinstance(said, dict) or said.get("kind") not in KINDS:
        raise ValueError(f"{said.get('kind') if isinstance(said, dict) else said!r} is no kind of event")
    said = dict(said)
    kind = KINDS[said.pop("kind")]
    try:
        domain, at_ns, since_ns = said.pop("domain"), said.pop("at_ns"), said.pop("since_ns", None)
        return Stamped(event=kind(**said), domain=domain, at_ns=at_ns, since_ns=since_ns)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{kind.kind}: {error}") from error


def wrong_with(said: object) -> str:
    """Return what is wrong with the object of a line, or an empty string if it is an event.

    This checks types too, for files that may have been edited. `from_json` does not, because that takes time.
    """
    if not isinstance(said, dict):
        return "an object of JSON was expected, as every event is"
    kind: Any = KINDS.get(str(said.get("kind")))
    if kind is None:
        return f"{said.get('kind')!r:.40} is no kind of event"
    rest = {name: value for name, value in said.items() if name not in STAMPS}
    misfit = check(Stamps)(said) or check(kind)(rest)
    return f"{kind.kind}: {placed(misfit[0])}{misfit[1]}" if misfit else ""


class _Kind(TypedDict):
    kind: str
    domain: str
    at_ns: int


class Stamps(_Kind, total=False):
    """The keys of every line besides the fields of its event."""

    since_ns: int | None


STAMPS = frozenset(get_type_hints(Stamps))


# The events that every writer needs.


def domain_event(domain: str) -> Stamped[ClockDomain]:
    """Return an event that describes this process's clock, under the name `domain`."""
    clock: dict[str, Any] = {**identity(), **reading()}
    return Stamped(event=ClockDomain(**clock), domain=domain, at_ns=mono_ns())


def gap_event(source: str, text: str, since_ns: int) -> Stamped[Gap]:
    """Return a Gap: the host heard nothing from `source` between `since_ns`, by its clock, and now. `text` says why."""
    return Stamped(event=Gap(source=source, text=text), domain=HOST, at_ns=mono_ns(), since_ns=since_ns)


def pair_event(domain: str) -> Stamped[ClockPair]:
    """Return an event with the wall clock and the monotonic clock of now."""
    pair = reading()
    return Stamped(event=ClockPair(wall_ns=pair["wall_ns"]), domain=domain, at_ns=pair["mono_ns"])


def offset_event(domain: str, sent_ns: int, theirs_ns: int, received_ns: int) -> Stamped[ClockOffset]:
    """Return the offset of another clock from ours by Cristian's method: the middle of the round trip, ± half of it."""
    offset_ns, error_ns = theirs_ns - (sent_ns + received_ns) // 2, (received_ns - sent_ns + 1) // 2
    event = ClockOffset(of=domain, offset_ns=offset_ns, error_ns=error_ns)
    return Stamped(event=event, domain=HOST, at_ns=received_ns, since_ns=sent_ns)
