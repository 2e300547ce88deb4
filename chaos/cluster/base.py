"""The protocols that every kind of cluster implements. The fake cluster of the tests implements them too."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from chaos.agent.orders import AgentSpec
from chaos.clock import HOST, mono_ns
from chaos.model import Member, MemberKind, Way
from chaos.progress import Tells
from chaos.record.events import Event, Pod, Stamped
from chaos.undo import Undo

Members = dict[str, Member]
"""Maps the name of each present member to the member."""


def member_of(said: Pod, *, port: int, domain: str, numbered: bool) -> Member:
    """Return the member that a `pod` event describes. If it is `numbered`, its name ends with its ordinal."""
    number = said.name.rpartition("-")[2]
    return Member(
        name=said.name,
        kind=MemberKind(said.component),
        address=said.ip or "",
        port=port,
        node=said.node or "",
        domain=domain,
        uid=said.uid,
        container=said.container,
        ordinal=int(number) if numbered and number.isdigit() else None,
    )


class Ability(StrEnum):
    """An ability of a cluster. An experiment that needs one that the cluster lacks is refused before a deploy."""

    KILL = "kill"
    PAUSE = "pause"
    DELETE = "delete"
    CUT = "cut"
    TELL = "tell"
    STARVE = "cgroups of a core's share"
    MEMORY = "cgroups of memory"
    DISK = "limits of files"
    LINK = "slow links"
    DELAY = "netem"
    COORDINATED = "SENTINEL FAILOVER COORDINATED"
    HOOK = "a preStop hook of the experiment's own"
    DEBUG = "DEBUG"
    SCALE = "scaling"
    NODE = "nodes"
    ENGINE = "nodes in containers"
    MACHINES = "members on several machines"


SHARED = frozenset({Ability.NODE, Ability.ENGINE, Ability.SCALE})
"""Abilities whose faults affect every system on the cluster, not only the one of the trial."""


class Stop(StrEnum):
    """How a member is stopped. The effect of DELETE is the request; that of a signal is seen at the process."""

    KILL = "kill"
    """SIGKILL to the process. The pod stays, as after an OOM kill."""
    CRASH = "crash"
    """SIGKILL to the process, and within 200 ms a delete of the pod with grace 0, so that a new pod replaces it."""
    DELETE = "delete"
    """A graceful delete of the pod, as a drain or a rollout does it."""
    PAUSE = "pause"
    """SIGSTOP, until the process is resumed."""


class Disturbance(StrEnum):
    """What is done to a member's node or Deployment until it is healed."""

    CORDON = "cordon"
    """Nothing new is scheduled on the node. The pods on it keep running."""
    DRAIN = "drain"
    """The node is cordoned and every pod on it is evicted, as by `kubectl drain`."""
    STOP_NODE = "stop_node"
    """The node is killed, with every process on it."""
    STOP_KUBELET = "stop_kubelet"
    """The node's kubelet is stopped, so that it neither manages the node's pods nor reports on them. The pods keep
    running."""
    SCALE_AWAY = "scale_away"
    """The member's Deployment is scaled to 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """When a fault took effect, as an interval on the clock of `domain`, and the proof that it did.

    `accepted_ns` and `confirmed_ns` are on the host's clock: when the answer and the proof arrived at the host. Without
    a proof `confirmed_ns` is None, and `evidence` says why. `ends` is true if a fault that hits its targets in turn
    goes no further.
    """

    domain: str
    earliest_ns: int
    latest_ns: int
    accepted_ns: int
    confirmed_ns: int | None
    evidence: str
    ends: bool = False

    @classmethod
    def of_request(cls, before_ns: int) -> Self:
        """Return the unproved effect of a request that was sent at `before_ns` on the host clock and answered now."""
        now_ns = mono_ns()
        return cls(
            domain=HOST,
            earliest_ns=before_ns,
            latest_ns=now_ns,
            accepted_ns=now_ns,
            confirmed_ns=None,
            evidence="",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """One member's part of a network partition: the addresses (`peers`) that it can exchange no packets with.

    `way` says whether incoming packets, outgoing packets or both are dropped, as the member sees them. With `reject`,
    connections are reset instead. With `percent` below 100 only that share of the packets is dropped. `probes` are
    peers; the cut is proved over a connection that was opened to one of them before.
    """

    member: Member
    peers: tuple[str, ...]
    longest_s: float
    way: Way = "both"
    reject: bool = False
    percent: int = 100
    probes: tuple[Member, ...] = ()


class RunningAgent(Protocol):
    """The agent as its host sees it. What it records appears in the trial's directory within a second.

    `address` is the agent's own IP address, which its clients and observers connect from.
    """

    address: str

    async def put(self, path: str, text: str) -> None:
        """Write one of the control files of `chaos.agent.orders`, atomically."""

    async def pull(self) -> None:
        """Copy everything new to the trial's directory now. Raises SetupError if the agent is gone."""

    async def close(self) -> None:
        """Copy the rest of the recording, and remove the agent."""


class Cluster(Protocol):
    """One running system. Its methods may be called at any time within the context that made it."""

    name: str
    cannot: Mapping[Ability, str]
    """The abilities that it lacks, each with the reason."""

    async def members(self) -> Members: ...

    async def stop(self, member: Member, how: Stop) -> Effect: ...

    async def api_server(self) -> tuple[str, ...]:
        """Return the addresses at which pods reach the API server. On local there are none: pipes lead to it."""

    async def resume(self, member: Member) -> None: ...

    async def probe(self, cut: Partition) -> None:
        """Open the connection that will prove this cut. Call it for all cuts of a partition before the first."""

    async def cut(self, cut: Partition) -> Effect:
        """Cut one member's network. The new cut replaces an earlier one of that member."""

    async def afflict(self, member: Member, do: str, **how: object) -> Effect:
        """Make a fault that has the name `do` in `chaos.agent.faults`. If the fault lasts, `heal` ends it."""

    async def disturb(self, member: Member, how: Disturbance) -> Effect:
        """Disturb the member's node or Deployment until `heal` is called."""

    async def tell(self, member: Member, *command: str) -> Effect:
        """Send one command. `evidence` is the reply, even an error. The effect of the command is not checked."""

    async def heal(self) -> str:
        """Undo every fault of this harness, and return the proof in words. It may be called at any time."""

    def undoing(self, fault: str, target: Member | None) -> Undo:
        """Return how another process can undo this fault, in case this process dies before it heals."""

    async def keep(self, undos: Sequence[Undo]) -> None:
        """Store these undos on the cluster, in place of the earlier list. On local nothing is stored."""

    def events(self) -> AsyncIterator[Stamped[Event]]:
        """Yield the platform's events, and its gaps. Log lines go to files in the trial's `logs/`."""

    async def launch(self, spec: AgentSpec) -> RunningAgent: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """The versions of the platform and the image ids, for the campaign's manifest."""

    platform: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)


Made = Callable[[Undo], Path]
"""Writes down how to remove something that a platform is about to make, and returns the file. Whoever removes the thing
deletes the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformOptions:
    """A campaign's options for its platform. If `keep` is set, the platform leaves what it made in place. `tell` shows
    a message. `made` records how to remove what the platform makes.
    """

    keep: bool
    tell: Tells
    made: Made
    agent_image: str | None = None


class Able(Protocol):
    """A cluster, or a platform that is up, with the abilities that it lacks."""

    @property
    def name(self) -> str: ...

    @property
    def cannot(self) -> Mapping[Ability, str]:
        """Return the abilities that it lacks, each with the reason."""


def refusal(experiment: str, needs: frozenset[Ability], able: Able) -> str:
    """Return a sentence on why an experiment cannot be played there, or an empty string if it can."""
    missing = needs & able.cannot.keys()
    if not missing:
        return ""
    said = f"{experiment} needs {', '.join(sorted(missing))}, which {able.name} cannot do"
    why = dict.fromkeys(able.cannot[one] for one in sorted(missing) if able.cannot[one])
    return f"{said}: {'; '.join(why)}" if why else said


class Platform(Able, Protocol):
    """The platform that systems run on, held for all trials of a campaign.

    It is an async context manager. Entering makes or reuses the platform. Leaving removes what this run made, unless
    `keep` is set.
    """

    kind: str

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def deploy(self, *, fresh: bool = False, nth: int = 0) -> None:
        """Deploy the scenario's system; with `fresh`, remove the present one first. The system need not be healthy on
        return. If several systems run side by side, `nth` chooses the system of `scenario.beside(nth)`.
        """

    def ref(self) -> dict[str, str]:
        """Return what a worker needs to connect:

        `module`, whose `connect(ref, scenario, directory)` yields a Cluster, and more.
        """

    def versions(self) -> Versions: ...
