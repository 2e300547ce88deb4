"""What every kind of cluster can be asked, as protocols. The fake cluster of the tests keeps them too."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from chaos.agent.orders import AgentSpec
from chaos.clock import HOST, mono_ns
from chaos.model import Member, Way
from chaos.progress import Tells
from chaos.record.events import Event, Stamped
from chaos.undo import Undo

Members = dict[str, Member]
"""The members that are there now, by name."""


class Ability(StrEnum):
    """What a cluster can do; a scenario or an experiment that needs more is refused before anything is deployed."""

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
"""What cannot be done to one system alone, where several stand side by side on one cluster."""


class Stop(StrEnum):
    """How a member is stopped. The effect of a delete is the request itself, that of a signal the process's end."""

    KILL = "kill"
    """SIGKILL to the process, the pod kept: what an OOM kill does."""
    CRASH = "crash"
    """SIGKILL, and the pod deleted with grace 0 within 200 ms, so that it comes back as a new pod."""
    DELETE = "delete"
    """A graceful delete, as a drain or a rollout does it."""
    PAUSE = "pause"
    """SIGSTOP, until resumed."""


class Disturbance(StrEnum):
    """What is done to the node of a member, or to the Deployment that keeps it, until it is healed."""

    CORDON = "cordon"
    """Nothing is scheduled on the node any more; what runs there goes on."""
    DRAIN = "drain"
    """The node is cordoned, and every pod on it is evicted, as `kubectl drain` does it."""
    STOP_NODE = "stop_node"
    """The node ends at once, and everything on it."""
    STOP_KUBELET = "stop_kubelet"
    """Nobody looks after the pods of the node, or says anything of them; they go on."""
    SCALE_AWAY = "scale_away"
    """Its Deployment is scaled to 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """When a fault took effect: an interval on the clock of `domain`, and its proof.

    `accepted_ns` and `confirmed_ns` are the host's stamps, taken when its answer and its proof had arrived: only the
    effect itself is stamped where it happens. Without a proof `confirmed_ns` is None, and `evidence` says why.
    """

    domain: str
    earliest_ns: int
    latest_ns: int
    accepted_ns: int
    confirmed_ns: int | None
    evidence: str

    @classmethod
    def of_request(cls, before_ns: int) -> Self:
        """Return what was asked for at `before_ns` on the host's clock, and is answered now. It has no proof yet."""
        now_ns = mono_ns()
        stamps = {"earliest_ns": before_ns, "latest_ns": now_ns, "accepted_ns": now_ns}
        return cls(domain=HOST, **stamps, confirmed_ns=None, evidence="")


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """The part of a partition in one member's network: what it exchanges no packet with, by `peers`, their addresses.

    `way` says which packets are stopped, as the member sees them: those that come in, those that go out, or both.
    `reject` resets connections instead of falling silent. With less than 100 `percent` the link is lossy and not cut.
    A connection from before the cut to one of `probes`, who are peers, is to prove it.
    """

    member: Member
    peers: tuple[str, ...]
    longest_s: float
    way: Way = "both"
    reject: bool = False
    percent: int = 100
    probes: tuple[Member, ...] = ()


class RunningAgent(Protocol):
    """The agent as its host sees it. Files that it writes appear under the trial's directory within a second.

    `address` is that of the clients, and of those who observe.
    """

    domain: str
    address: str

    async def put(self, path: str, text: str) -> None:
        """Write one of the control files of `chaos.agent.orders`, atomically."""

    async def pull(self) -> None:
        """Bring everything that is new to the trial's directory now; raises SetupError when the agent is gone."""

    async def close(self) -> None:
        """Pull the rest, and remove the agent."""


class Cluster(Protocol):
    """One running system. Any method may be called at any time within the context that made it."""

    name: str
    kind: str
    can: frozenset[Ability]
    cannot: Mapping[Ability, str]
    """Why it cannot do the rest."""

    async def members(self) -> Members: ...

    async def stop(self, member: Member, how: Stop) -> Effect: ...

    async def api_server(self) -> tuple[str, ...]:
        """Return the addresses by which pods reach the API server.

        On local there are none: the operator has it by pipes.
        """

    async def resume(self, member: Member) -> None: ...

    async def probe(self, cut: Partition) -> None:
        """Open the connection that is to prove this cut. Of a partition in several parts all are opened first."""

    async def cut(self, cut: Partition) -> Effect:
        """Make a cut in one member's network, in place of the one that is there."""

    async def afflict(self, member: Member, do: str, **how: object) -> Effect:
        """Have the executor make a fault; `do` is its word in `chaos.agent.faults`. If it lasts, `heal` ends it."""

    async def disturb(self, member: Member, how: Disturbance) -> Effect:
        """Do this to the node of a member, or to the Deployment that keeps it, until `heal`."""

    async def tell(self, member: Member, *command: str) -> Effect:
        """Send one command. `evidence` is the reply, also where it is an error; what proves the effect is not asked."""

    async def heal(self) -> str:
        """Undo every fault of ours, and say what proves it. It may be called at any time, and again and again."""

    def undoing(self, fault: str, target: Member | None) -> Undo:
        """How somebody else undoes a fault that lasts until it is healed, should this process be gone by then."""

    async def keep(self, undos: Sequence[Undo]) -> None:
        """Write this list of undos down where the system is, in place of the one before. On local it does nothing."""

    def events(self) -> AsyncIterator[Stamped[Event]]:
        """What the platform says of pods, endpoints and logs, with its gaps. Raw logs go to the trial's `logs/`."""

    async def launch(self, spec: AgentSpec) -> RunningAgent: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """What the campaign's manifest says of the platform."""

    platform: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)


Made = Callable[[Undo], Path]
"""Writes down how to remove something that a platform is about to make. Whoever has removed it deletes the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformOptions:
    """What a campaign asks of its platform. `keep` leaves what it makes; `tell` shows a message."""

    keep: bool
    tell: Tells
    made: Made
    agent_image: str | None = None


class Able(Protocol):
    """A cluster, or a platform that is up: it says which experiments it can play."""

    @property
    def name(self) -> str: ...

    @property
    def can(self) -> frozenset[Ability]: ...

    @property
    def cannot(self) -> Mapping[Ability, str]:
        """Why it cannot do the rest."""


def refusal(experiment: str, needs: frozenset[Ability], able: Able) -> str:
    """Return why an experiment cannot be played there, as a sentence; empty if it can."""
    missing = needs - able.can
    if not missing:
        return ""
    said = f"{experiment} needs {', '.join(sorted(missing))}, which {able.name} cannot do"
    why = dict.fromkeys(able.cannot[one] for one in sorted(missing) if one in able.cannot)
    return f"{said}: {'; '.join(why)}" if why else said


class Platform(Able, Protocol):
    """The platform under the system, which a campaign holds for all its trials. An async context manager.

    Entering it makes the platform or reuses one. Leaving it removes what this run made, unless that is to be kept.
    """

    kind: str

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def deploy(self, *, fresh: bool = False, nth: int = 0) -> None:
        """Bring the scenario's system up; `fresh` removes what is there first. It need not be healthy yet.

        Where systems stand side by side, it is the one of `scenario.beside(nth)`.
        """

    def ref(self) -> dict[str, str]:
        """Return what a worker connects with: `module`, whose `connect(ref, scenario, directory)` gives a Cluster."""

    def versions(self) -> Versions: ...
