"""Every kind of fault: what it does, on what, and what a cluster must be able to do for it.

To add one, write a function that takes the scene, the target and the experiment's arguments, does one thing to the
cluster and returns its effect; then name it in `FAULTS`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from chaos.clock import HOST, mono_ns
from chaos.cluster.base import Ability, Cluster, Effect, Partition, Stop
from chaos.cluster.health import Facts
from chaos.errors import FaultError
from chaos.fault.aim import Shape, sides
from chaos.model import Member, MemberKind
from chaos.net.cut import Way
from chaos.record.event_files import EventWriter
from chaos.undo import UndoJournal
from chaos.until import until

ClientsSide = Literal["both", "with-target", "with-peers"]
"""On which side of a partition the clients are. Whoever observes the system is where they are."""
PUBLISHED_S = 5.0
"""How long a Sentinel's own event is waited for, which comes by way of the agent and its files."""


@dataclass
class Scene:
    """What a fault acts on and where it writes: the cluster, what is known of it now, and the events file of faults.

    `held` names the faults that last until they are healed, in the order in which they were applied. `journal` has how
    each of them is undone. `look` takes what has been recorded since the last look, so that `facts` are of now.
    `clients` is the address of the clients, and `at_host` places a stamp of another clock on the host's.
    """

    cluster: Cluster
    facts: Facts
    events: EventWriter
    journal: UndoJournal
    held: list[str] = field(default_factory=list)
    look: Callable[[], None] = lambda: None
    clients: str = ""
    at_host: Callable[[str, int], int] = lambda _domain, at_ns: at_ns


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One kind of fault. `apply` takes the scene, the target and the arguments of its experiment.

    `needs` is what a cluster must be able to do. A `lasting` fault holds until it is healed. One that is not `aimed`
    has no target. It is applied to each of several targets at the same time, or to all at once if it takes them
    `together`.
    """

    apply: Callable[..., Awaitable[Effect]]
    needs: frozenset[Ability]
    lasting: bool = False
    aimed: bool = True
    together: bool = False


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


async def partition(  # noqa: PLR0913  # as an experiment says it
    scene: Scene,
    targets: Sequence[Member],
    *,
    shape: Shape,
    peers: Sequence[str],
    clients: ClientsSide,
    way: Way,
    reject: bool,
    longest_s: float,
    percent: int = 100,
) -> Effect:
    """Cut one side of the system off from the other; `chaos.fault.aim.sides` says who is on which.

    Clients, and a proxy that they go through, reach both sides unless they are put on one, because the point of a
    partition is what clients are told by a master that was replaced. Established connections fall silent, unless
    packets are rejected. The cut is a lease of `longest_s` seconds, whatever becomes of the harness.
    """
    cut = sides(shape, targets, peers, scene.facts)
    outside = [scene.clients, *(one.address for one in scene.facts.of(MemberKind.PROXY))]
    probes = tuple(one for one in cut.far if one.kind in (MemberKind.REDIS, MemberKind.SENTINEL))
    far = [one.address for one in cut.far] + (outside if clients == "with-peers" else [])
    how: dict[str, Any] = {"longest_s": longest_s, "reject": reject, "percent": percent}
    parts = [Partition(member=one, peers=_known(far), way=way, probes=probes, **how) for one in cut.near if far]
    if clients == "with-target":
        back: Way = "out" if way == "in" else "in" if way == "out" else "both"
        spoken_to = [one for one in cut.far if one.kind is not MemberKind.OPERATOR]
        parts += [Partition(member=one, peers=_known(outside), way=back, **how) for one in spoken_to]
    if not parts:
        raise FaultError(f"there is nobody to cut {', '.join(one.name for one in targets)} off from")
    await asyncio.gather(*(scene.cluster.probe(part) for part in parts))
    return joined(scene, await asyncio.gather(*(scene.cluster.cut(part) for part in parts)))


def _known(addresses: Sequence[str]) -> tuple[str, ...]:
    """Each address once; a member without one has none yet."""
    return tuple(sorted({one for one in addresses if one}))


def joined(scene: Scene, effects: Sequence[Effect]) -> Effect:
    """Several effects as one: it began with the first, was whole with the last, and is proved if all are."""
    first, *more = effects
    if not more:
        return first
    domain = first.domain if all(one.domain == first.domain for one in more) else HOST
    place = (lambda _domain, at_ns: at_ns) if domain != HOST else scene.at_host
    confirmed = [one.confirmed_ns for one in effects if one.confirmed_ns is not None]
    unproved = [one for one in effects if one.confirmed_ns is None]
    return Effect(
        domain=domain,
        earliest_ns=min(place(one.domain, one.earliest_ns) for one in effects),
        latest_ns=max(place(one.domain, one.latest_ns) for one in effects),
        accepted_ns=max(one.accepted_ns for one in effects),
        confirmed_ns=None if unproved else max(confirmed),
        evidence="; ".join(one.evidence for one in unproved or effects),
    )


async def slow(scene: Scene, target: Member, *, seconds: float) -> Effect:
    """DEBUG SLEEP: a Redis that is busy with one long command. No signal shows it, and nothing ends it before its time.

    Redis from version 7 refuses it unless it was started with `enable-debug-command`; then there was no fault.
    """
    return await scene.cluster.afflict(target, "sleep", seconds=seconds)


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
    "partition": Fault(apply=partition, needs=frozenset({Ability.CUT}), lasting=True, together=True),
    "slow": Fault(apply=slow, needs=frozenset({Ability.TELL})),
    "handover": Fault(apply=handover, needs=frozenset({Ability.TELL})),
    "reset": Fault(apply=reset, needs=frozenset({Ability.TELL})),
    "nothing": Fault(apply=nothing, needs=frozenset(), aimed=False),
}
"""The faults by the names that experiments use."""
