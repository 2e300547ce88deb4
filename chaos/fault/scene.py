"""What a fault acts on and where it writes: the cluster, what is known of it now, and the events file of faults."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from chaos.clock import HOST, mono_ns
from chaos.cluster.base import Ability, Cluster, Effect
from chaos.cluster.health import Facts
from chaos.model import Member, MemberKind
from chaos.record.event_files import EventWriter


@dataclass
class Scene:
    """`held` names the faults that last until they are healed, in the order they were applied."""

    cluster: Cluster
    facts: Facts
    events: EventWriter
    held: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """`apply` takes the scene, the target and the arguments of its experiment.

    `lasting`: it holds until healed. `aimed`: it has a target. `needs` is what a cluster must be able to do.
    """

    apply: Callable[..., Awaitable[Effect]]
    needs: frozenset[Ability]
    lasting: bool = False
    aimed: bool = True


def untouched(evidence: str) -> Effect:
    """The effect of a fault that does nothing: this instant, proved by having done nothing."""
    now = mono_ns()
    return Effect(domain=HOST, earliest_ns=now, latest_ns=now, accepted_ns=now, confirmed_ns=now, evidence=evidence)


def others(target: Member, members: dict[str, Member]) -> tuple[str, ...]:
    """The addresses of every Redis, Sentinel and operator but the target's own; a proxy is on the clients' side."""
    found = {member.address for member in members.values() if member.kind is not MemberKind.PROXY}
    return tuple(sorted(found - {target.address, ""}))
