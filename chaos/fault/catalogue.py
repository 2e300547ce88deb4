"""Every kind of fault: what it does, on what, and what a cluster must be able to do for it.

To add one, write a function that takes the scene, the target and the experiment's arguments, does one thing to the
cluster and returns its effect; then name it in `FAULTS`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from chaos.clock import HOST, mono_ns
from chaos.cluster.base import Ability, Cluster, Effect, Partition, Stop
from chaos.cluster.health import Facts
from chaos.errors import FaultError
from chaos.model import Member, MemberKind
from chaos.record.event_files import EventWriter
from chaos.undo import UndoJournal
from chaos.until import until

PUBLISHED_S = 5.0
"""How long a Sentinel's own event is waited for, which comes by way of the agent and its files."""


@dataclass
class Scene:
    """What a fault acts on and where it writes: the cluster, what is known of it now, and the events file of faults.

    `held` names the faults that last until they are healed, in the order in which they were applied. `journal` has how
    each of them is undone. `look` takes what has been recorded since the last look, so that `facts` are of now.
    """

    cluster: Cluster
    facts: Facts
    events: EventWriter
    journal: UndoJournal
    held: list[str] = field(default_factory=list)
    look: Callable[[], None] = lambda: None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One kind of fault. `apply` takes the scene, the target and the arguments of its experiment.

    `needs` is what a cluster must be able to do. A `lasting` fault holds until it is healed. One that is not `aimed`
    has no target.
    """

    apply: Callable[..., Awaitable[Effect]]
    needs: frozenset[Ability]
    lasting: bool = False
    aimed: bool = True


async def crash(scene: Scene, target: Member, *, replace: bool) -> Effect:
    """SIGKILL: the process ends with no last word, and its peers see connections reset.

    With `replace` the pod is deleted with grace 0 right after, before the kubelet restarts the process, so that it
    comes back under its name with a new address. Without `replace` it is restarted in place, as after an OOM kill.
    """
    return await scene.cluster.stop(target, Stop.CRASH if replace else Stop.KILL)


async def delete(scene: Scene, target: Member) -> Effect:
    """A graceful delete, as a drain or a rollout does it: the pod's preStop hook runs, and a master hands over."""
    return await scene.cluster.stop(target, Stop.DELETE)


async def pause(scene: Scene, target: Member) -> Effect:
    """SIGSTOP until it is healed: the process hangs, and its connections stay open and are not answered.

    Once it goes on it acts as it did before, until it is told otherwise: a master answers what waits in its sockets.
    """
    return await scene.cluster.stop(target, Stop.PAUSE)


async def partition(scene: Scene, target: Member, *, longest_s: float) -> Effect:
    """Cut the target off from every other Redis, every Sentinel and the operator, in both directions.

    Clients, and a proxy that they go through, still reach the target, because the point of a partition is what clients
    are told by a master that was replaced. Established connections fall silent and are not reset. The cut is a lease of
    `longest_s` seconds, whatever becomes of the harness.
    """
    members = await scene.cluster.members()
    others = {member.address for member in members.values() if member.kind is not MemberKind.PROXY}
    peers = tuple(sorted(others - {target.address, ""}))
    return await scene.cluster.cut(Partition(member=target, peers=peers, longest_s=longest_s))


async def slow(scene: Scene, target: Member, *, seconds: float) -> Effect:
    """DEBUG SLEEP: a Redis that is busy with one long command. No signal shows it, and nothing ends it before its time.

    Redis from version 7 refuses it unless it was started with `enable-debug-command`; then there was no fault.
    """
    return await scene.cluster.sleep(target, seconds)


async def handover(scene: Scene, target: Member, *, master: str) -> Effect:
    """SENTINEL FAILOVER, as somebody asks for it who moves the master on purpose: it is not detected but begun at once.

    A Sentinel that has no replica to promote, or a failover under way, refuses; then there was no fault.
    """
    return await _published(scene, target, "+try-failover", "SENTINEL", "FAILOVER", master)


async def reset(scene: Scene, target: Member, *, pattern: str) -> Effect:
    """SENTINEL RESET: one Sentinel forgets the replicas and the other Sentinels, and finds them again by itself."""
    return await _published(scene, target, "+reset-master", "SENTINEL", "RESET", pattern)


async def _published(scene: Scene, sentinel: Member, channel: str, *command: str) -> Effect:
    """Send a command to a Sentinel; what it publishes then is the proof, as the agent hears it."""
    scene.look()
    of, before = (sentinel.name, channel), scene.facts.said[sentinel.name, channel]
    effect = await scene.cluster.tell(sentinel, *command)
    reply = f"{sentinel.name} answered {effect.evidence} to {' '.join(command)}"

    async def published() -> bool:
        scene.look()
        return scene.facts.said[of] > before

    try:
        await until(published, within_s=PUBLISHED_S, because=f"it published no {channel}", error=FaultError)
    except FaultError as error:
        return replace(effect, evidence=f"{reply}, and {error}")
    return replace(effect, confirmed_ns=mono_ns(), evidence=f"{reply} and published {channel}")


async def nothing(scene: Scene, _target: None) -> Effect:
    """The control: t = 0 without a fault, so that a measurement that invents outages is caught."""
    now = mono_ns()
    evidence = f"nothing was done to {scene.cluster.name}"
    return Effect(domain=HOST, earliest_ns=now, latest_ns=now, accepted_ns=now, confirmed_ns=now, evidence=evidence)


FAULTS: dict[str, Fault] = {
    "crash": Fault(apply=crash, needs=frozenset({Ability.KILL, Ability.DELETE})),
    "delete": Fault(apply=delete, needs=frozenset({Ability.DELETE})),
    "pause": Fault(apply=pause, needs=frozenset({Ability.PAUSE}), lasting=True),
    "partition": Fault(apply=partition, needs=frozenset({Ability.CUT}), lasting=True),
    "slow": Fault(apply=slow, needs=frozenset({Ability.TELL})),
    "handover": Fault(apply=handover, needs=frozenset({Ability.TELL})),
    "reset": Fault(apply=reset, needs=frozenset({Ability.TELL})),
    "nothing": Fault(apply=nothing, needs=frozenset(), aimed=False),
}
"""The faults by the names that experiments use."""
