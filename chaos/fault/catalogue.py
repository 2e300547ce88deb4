"""Every kind of fault: what it does, to which target, and which abilities it needs of a cluster.

To add one, write a function that takes the scene, the target and the experiment's arguments, makes the fault and
returns its effect. Then add it to `FAULTS`. `failover run --list` shows the first line of the function's docstring.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from chaos.clock import HOST, mono_ns
from chaos.cluster.base import Ability, Disturbance, Effect, Partition, Stop
from chaos.errors import FaultError
from chaos.fault.aim import Scene, Shape, joined, select, sides
from chaos.model import Member, MemberKind, Way
from chaos.record.events import Pod
from chaos.until import until

API_SERVER = "api-server"
"""The word, in `peers` of a partition, for the API server, which is no member."""
ClientsSide = Literal["both", "with-target", "with-peers"]
"""On which side of a partition the clients and observers are."""
Hook = Literal["", "none", "failover", "sleep", "save", "shutdown"]
"""What a pod's preStop hook does: ask Sentinel for a failover, only sleep, or run SAVE or SHUTDOWN by redis-cli. Empty
means the scenario's own hook."""
SIMULATED_S = 60.0
"""How long a Sentinel may take to reach the point at which it was told to crash."""
SLOW_S = 0.2
"""If a PING takes this long over a connection that answered at once before, the link is slow."""
LOOK_S, PUBLISHED_S = 0.05, 5.0
"""How often to look for an event that a Sentinel publishes, and how long to wait. The agent records it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One kind of fault.

    `apply` makes the fault: it takes the scene, the target and the experiment's arguments. `needs` are the abilities
    that a cluster must have, and `more` maps an argument to an ability that is needed only with it. A `lasting` fault
    holds until it is healed. A fault that is not `aimed` has no target. With several targets, `apply` is called for
    each at the same time or, if `together`, once for all. If `in_turn`, each target is a fault of its own: the highest
    ordinal first, and the next once the one before is proved. `proof` and `undo` describe its proof and its undoing for
    the user.
    """

    apply: Callable[..., Awaitable[Effect]]
    needs: frozenset[Ability]
    lasting: bool = False
    aimed: bool = True
    together: bool = False
    in_turn: bool = False
    more: Mapping[str, Ability] = field(default_factory=dict)
    proof: str = ""
    undo: str = "nothing has to be undone"

    def needed(self, arguments: Mapping[str, Any]) -> frozenset[Ability]:
        """Return the abilities that the fault needs with these arguments."""
        return self.needs | {ability for name, ability in self.more.items() if arguments.get(name)}


async def crash(scene: Scene, target: Member, *, replace: bool) -> Effect:
    """SIGKILL: the process ends with no last word, and its peers see connections reset.

    With `replace` the pod is deleted with grace 0 right after, before the kubelet restarts the process. A new pod of
    the same name, with a new address, replaces it. Without `replace` the process is restarted in place, as after an OOM
    kill.
    """
    return await scene.cluster.stop(target, Stop.CRASH if replace else Stop.KILL)


async def delete(scene: Scene, target: Member, *, hook: Hook = "", sleep_s: float = 0.0) -> Effect:
    """A graceful delete, as a drain or a rollout does it: the pod's preStop hook runs, and a master hands over.

    If `hook` is given, it runs instead of the scenario's hook. The fault is proved if it has done its work. It then
    sleeps for `sleep_s`.
    """
    if hook:
        return await scene.cluster.afflict(target, "delete", hook=hook, sleep_s=sleep_s)
    return await scene.cluster.stop(target, Stop.DELETE)


async def pause(scene: Scene, target: Member) -> Effect:
    """SIGSTOP until it is healed: the process hangs, and its connections stay open and are not answered.

    After SIGCONT the process continues as before: a master answers the requests that wait in its sockets, until
    Sentinel makes it a replica.
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

    Clients and proxies reach both sides unless `clients` puts them on one, because a partition is meant to show what a
    replaced master answers to clients. Established connections fall silent, unless packets are rejected. The cut ends
    after `longest_s` seconds, even if the harness has died.
    """
    if list(peers) == [API_SERVER]:
        return await _from_api(scene, targets, longest_s)
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


async def _from_api(scene: Scene, targets: Sequence[Member], longest_s: float) -> Effect:
    """Cut the targets off from the API server alone.

    Dropped packets are the only proof, because a connection to that server would need a certificate.
    """
    known = await scene.cluster.api_server()
    if not known:
        cuts = [scene.cluster.afflict(one, "cut_api", longest_s=longest_s) for one in targets]
    else:
        cuts = [scene.cluster.cut(Partition(member=one, peers=known, longest_s=longest_s)) for one in targets]
    return joined(scene, await asyncio.gather(*cuts))


def _known(addresses: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses, each once. A member without an address has an empty one, which is left out."""
    return tuple(sorted({one for one in addresses if one}))


async def slow(scene: Scene, target: Member, *, seconds: float) -> Effect:
    """DEBUG SLEEP: a Redis that is busy with one long command. No signal shows it, and nothing ends it before its time.

    Redis from version 7 on refuses DEBUG unless it was started with `enable-debug-command`. There is no fault then.
    """
    return await scene.cluster.afflict(target, "sleep", seconds=seconds)


async def keep_down(scene: Scene, target: Member, *, up_s: float, longest_s: float) -> Effect:
    """SIGKILL, and again whenever it was started again and has run for `up_s`, until it is healed.

    With an `up_s` of 0 the process is looked for every 5 ms, and so kept down. On Kubernetes the kubelet waits longer
    before each further start, so the process may come back minutes after the heal.
    """
    return await scene.cluster.afflict(target, "keep_down", up_s=up_s, longest_s=longest_s)


async def oom(scene: Scene, target: Member, *, most_bytes: int) -> Effect:
    """An OOM kill by the kernel: the process may have little memory in its cgroup, and needs more.

    The limit of the container's own cgroup is lowered. On local a cgroup is made for the process.
    """
    return await scene.cluster.afflict(target, "oom", most_bytes=most_bytes)


async def starve(scene: Scene, target: Member, *, percent: float, longest_s: float) -> Effect:
    """A small share of one core, by a cgroup, until it is healed."""
    return await scene.cluster.afflict(target, "change", what="starve", percent=percent, longest_s=longest_s)


async def disk(scene: Scene, target: Member, *, most_bytes: int, longest_s: float) -> Effect:
    """No file may grow beyond so many bytes until it is healed: to write to the AOF is an error, as on a full disk."""
    return await scene.cluster.afflict(target, "change", what="disk", most_bytes=most_bytes, longest_s=longest_s)


async def cordon(scene: Scene, target: Member) -> Effect:
    """The target's node takes no more pods until it is healed; what runs there goes on."""
    return await scene.cluster.disturb(target, Disturbance.CORDON)


async def drain(scene: Scene, target: Member) -> Effect:
    """The target's node is drained as by kubectl: cordoned, every pod on it evicted. Healed, it takes pods again.

    PodDisruptionBudgets are respected. Pods of DaemonSets and of the harness stay.
    """
    return await scene.cluster.disturb(target, Disturbance.DRAIN)


async def stop_node(scene: Scene, target: Member) -> Effect:
    """The target's node ends at once, with all that runs on it, until it is healed; then it starts again."""
    return await scene.cluster.disturb(target, Disturbance.STOP_NODE)


async def stop_kubelet(scene: Scene, target: Member) -> Effect:
    """The kubelet of the target's node is stopped until it is healed: its pods go on, and nobody says so."""
    return await scene.cluster.disturb(target, Disturbance.STOP_KUBELET)


async def scale_away(scene: Scene, target: Member) -> Effect:
    """The target's Deployment is scaled to 0 until it is healed: there is no operator."""
    return await scene.cluster.disturb(target, Disturbance.SCALE_AWAY)


async def setting(  # noqa: PLR0913  # as an experiment says it
    scene: Scene, target: Member, *, name: str, value: str, asked: Sequence[str], answered: str, longest_s: float
) -> Effect:
    """CONFIG SET until it is healed; then the value from before is set again, or the process has forgotten it."""
    how: dict[str, Any] = {"what": "setting", "name": name, "value": value, "asked": list(asked), "answered": answered}
    return await scene.cluster.afflict(target, "change", longest_s=longest_s, **how)


async def link(  # noqa: PLR0913  # as an experiment says it
    scene: Scene, target: Member, *, lossy_percent: int, kbit: int, delay_ms: int, longest_s: float
) -> Effect:
    """A bad link until it is healed: it loses some packets of the system, or lets little or late out.

    The proof is that a PING, over a connection from before the fault, takes at least 0.2 s, after which TCP resends a
    lost packet, or `delay_ms` if that is shorter.
    """
    if lossy_percent:
        how: dict[str, Any] = {"shape": "isolate", "clients": "both", "way": "both", "reject": False}
        peers = ("redis", "sentinels", "operator")
        return await partition(scene, [target], peers=peers, percent=lossy_percent, longest_s=longest_s, **how)
    probes = tuple(one for kind in (MemberKind.REDIS, MemberKind.SENTINEL) for one in scene.facts.of(kind))
    probes = tuple(one for one in probes if one != target)
    await scene.cluster.probe(Partition(member=target, peers=(), longest_s=longest_s, probes=probes))
    how = {"what": "link", "kbit": kbit, "delay_ms": delay_ms, "longest_s": longest_s}
    effect = await scene.cluster.afflict(target, "change", **how)
    shown = await scene.cluster.afflict(target, "flow", least_s=min(SLOW_S, delay_ms / 1000) if delay_ms else SLOW_S)
    return replace(effect, confirmed_ns=shown.confirmed_ns, evidence=shown.evidence)


async def simulate(scene: Scene, targets: Sequence[Member], *, failure: str) -> Effect:
    """SENTINEL SIMULATE-FAILURE: a Sentinel ends at this point of the next failover that it leads.

    All targets get the command. The proof is that one of them ends. All others then get a command that cancels the
    simulation, as they do when the fault is healed.
    """
    before = {one.name: one.container for one in targets}
    begun_ns = mono_ns()
    forget = ["SENTINEL", "SIMULATE-FAILURE", "help"]  # `help` also cancels the simulation
    how: dict[str, Any] = {"command": [*forget[:2], failure], "undo": forget, "longest_s": 10 * SIMULATED_S}
    told = [scene.cluster.afflict(one, "change", what="told", **how) for one in targets]
    accepted_ns = max(one.accepted_ns for one in await asyncio.gather(*told))
    ended = ""

    async def one_ended() -> bool:
        nonlocal ended
        scene.look()
        pods = {name: scene.facts.pods.get(name) for name in before}
        over = [name for name, pod in pods.items() if pod and (not pod.started_at or pod.container != before[name])]
        ended = ", ".join(over)
        return bool(over)

    try:
        because = f"no Sentinel ended within {SIMULATED_S:g} s after it was told to {failure}"
        await until(one_ended, within_s=SIMULATED_S, because=because, every_s=LOOK_S, error=FaultError)
        confirmed_ns, evidence = mono_ns(), f"{ended} ended by itself"
    except FaultError as error:
        confirmed_ns, evidence = None, str(error)
    now_ns = mono_ns()
    for one in targets:
        if one.name not in ended.split(", "):  # otherwise the next leader would end too
            await scene.cluster.tell(one, *forget)
    return Effect(
        domain=HOST,
        earliest_ns=begun_ns,
        latest_ns=now_ns,
        accepted_ns=accepted_ns,
        confirmed_ns=confirmed_ns,
        evidence=evidence,
    )


async def failover(scene: Scene, target: Member, *, to: str, pause_ms: int, timeout_ms: int) -> Effect:
    """FAILOVER, told to the master itself: it stops writes, waits until a replica has all, and becomes its replica.

    If `pause_ms` is given, CLIENT PAUSE stops writes for that long beforehand. No Sentinel is involved.
    """
    scene.look()
    words = ["TO", *select(to, scene.facts).ip_port.rsplit(":", 1)] if to else []
    paused = await scene.cluster.tell(target, "CLIENT", "PAUSE", str(pause_ms), "WRITE") if pause_ms else None
    asked = await scene.cluster.tell(target, "FAILOVER", *words, "TIMEOUT", str(timeout_ms))
    effect = replace(asked, earliest_ns=paused.earliest_ns) if paused else asked
    said = f"{target.name} answered {asked.evidence} to FAILOVER"

    async def is_replica() -> bool:
        scene.look()
        role = scene.facts.role(target)
        return role is not None and role.role == "slave"

    try:
        because = "it did not become a replica"
        within_s = timeout_ms / 1000 + PUBLISHED_S
        await until(is_replica, within_s=within_s, because=because, every_s=LOOK_S, error=FaultError)
    except FaultError as error:
        return replace(effect, evidence=f"{said}, and {error}")
    return replace(effect, confirmed_ns=mono_ns(), evidence=f"{said} and says that it is a replica")


async def rollout(scene: Scene, target: Member, *, ready_s: float) -> Effect:
    """Delete the targets gracefully one after the other, as a StatefulSet is updated: the highest ordinal first.

    The next one is deleted once the successor of the one before is Ready. The proof is that each deleted target has a
    successor. A successor that is not Ready within `ready_s` ends the rollout, and is a failure of the system.
    """
    effect = await scene.cluster.stop(target, Stop.DELETE)

    def successor() -> Pod | None:
        scene.look()
        pod = scene.facts.pods.get(target.name)
        return pod if pod is not None and pod.uid != target.uid else None

    async def is_ready() -> bool:
        pod = successor()
        return pod is not None and pod.ready

    try:
        because = f"{target.name} was not replaced by a pod that is Ready"
        await until(is_ready, within_s=ready_s, because=because, every_s=LOOK_S, error=FaultError)
    except FaultError as error:
        if successor() is None:
            return replace(effect, confirmed_ns=None, evidence=str(error), ends=True)
        why = f"{target.name} came back as another pod and was not Ready within {ready_s:g} s: the rollout ended there"
        return replace(effect, confirmed_ns=mono_ns(), evidence=why, ends=True)
    return replace(effect, confirmed_ns=mono_ns(), evidence=f"{target.name} came back as another pod and was Ready")


async def handover(scene: Scene, target: Member, *, master: str, coordinated: bool) -> Effect:
    """SENTINEL FAILOVER, by which people move the master on purpose: the failover begins at once, without a detection.

    A Sentinel refuses if it has no replica to promote, or if a failover is already running. There is no fault then.
    With `coordinated`, the Sentinel uses the master's FAILOVER command, as Valkey can from version 9 on.
    """
    words = ["COORDINATED"] if coordinated else []
    return await _published(scene, target, "+try-failover", "SENTINEL", "FAILOVER", master, *words)


async def reset(scene: Scene, target: Member, *, pattern: str) -> Effect:
    """SENTINEL RESET: one Sentinel forgets the replicas and the other Sentinels, and finds them again by itself."""
    return await _published(scene, target, "+reset-master", "SENTINEL", "RESET", pattern)


async def _published(scene: Scene, sentinel: Member, channel: str, *command: str) -> Effect:
    """Send a command to a Sentinel. The proof is the event that the Sentinel then publishes."""
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


HELD = "heal; the executor's lease"
FAULTS: dict[str, Fault] = {
    "crash": Fault(
        apply=crash,
        needs=frozenset({Ability.KILL, Ability.DELETE}),
        proof="the process is gone, and no container of the old pod was started",
    ),
    "keep_down": Fault(
        apply=keep_down, needs=frozenset({Ability.KILL}), lasting=True, proof="the process is gone", undo=HELD
    ),
    "delete": Fault(
        apply=delete,
        needs=frozenset({Ability.DELETE}),
        more={"hook": Ability.HOOK},
        proof="the pod has a deletion stamp; a hook of the experiment's own has done its work",
    ),
    "rollout": Fault(
        apply=rollout,
        needs=frozenset({Ability.DELETE}),
        in_turn=True,
        proof="each pod has another uid, and the next one waits until it is Ready",
    ),
    "pause": Fault(
        apply=pause, needs=frozenset({Ability.PAUSE}), lasting=True, proof="the process's state is T", undo=HELD
    ),
    "slow": Fault(
        apply=slow,
        needs=frozenset({Ability.TELL, Ability.DEBUG}),
        proof="a PING is not answered",
        undo="it ends by itself",
    ),
    "starve": Fault(
        apply=starve,
        needs=frozenset({Ability.STARVE}),
        lasting=True,
        proof="the kernel counts that it was made to wait, and a PING is answered late",
        undo=HELD,
    ),
    "partition": Fault(
        apply=partition,
        needs=frozenset({Ability.CUT}),
        lasting=True,
        together=True,
        proof="a counter of packets counts, and a connection from before passes no more",
        undo=HELD,
    ),
    "link": Fault(
        apply=link,
        needs=frozenset({Ability.CUT}),
        lasting=True,
        more={"kbit": Ability.LINK, "delay_ms": Ability.DELAY},
        proof="a PING over a connection from before takes long; of a lossy link a counter counts too",
        undo=HELD,
    ),
    "disk": Fault(apply=disk, needs=frozenset({Ability.DISK}), lasting=True, proof="MISCONF is answered", undo=HELD),
    "oom": Fault(
        apply=oom,
        needs=frozenset({Ability.MEMORY}),
        proof="the process is gone, and the kernel counts an OOM kill",
    ),
    "cordon": Fault(
        apply=cordon,
        needs=frozenset({Ability.NODE}),
        lasting=True,
        proof="the node is tainted unschedulable, which its controller does",
        undo="heal, which uncordons; `failover cleanup`",
    ),
    "drain": Fault(
        apply=drain,
        needs=frozenset({Ability.NODE}),
        lasting=True,
        proof="each pod of the node is gone, or another uid",
        undo="heal, which uncordons; `failover cleanup`",
    ),
    "stop_node": Fault(
        apply=stop_node,
        needs=frozenset({Ability.ENGINE}),
        lasting=True,
        proof="the node is NodeNotReady",
        undo="heal, which starts it, until it is Ready; `failover cleanup`",
    ),
    "stop_kubelet": Fault(
        apply=stop_kubelet,
        needs=frozenset({Ability.ENGINE}),
        lasting=True,
        proof="the node is NodeNotReady",
        undo="heal, which lets it go on, until the node is Ready; `failover cleanup`",
    ),
    "scale_away": Fault(
        apply=scale_away,
        needs=frozenset({Ability.SCALE}),
        lasting=True,
        proof="the pod is gone",
        undo="heal, which scales it back; `failover cleanup`",
    ),
    "setting": Fault(
        apply=setting,
        needs=frozenset({Ability.TELL}),
        lasting=True,
        proof="CONFIG GET shows it, and a command is answered as it should be then",
        undo=HELD,
    ),
    "simulate": Fault(
        apply=simulate,
        needs=frozenset({Ability.TELL}),
        lasting=True,
        together=True,
        proof="a Sentinel ended by itself",
        undo=HELD,
    ),
    "reset": Fault(apply=reset, needs=frozenset({Ability.TELL}), proof="the Sentinel publishes +reset-master"),
    "handover": Fault(
        apply=handover,
        needs=frozenset({Ability.TELL}),
        more={"coordinated": Ability.COORDINATED},
        proof="the Sentinel publishes +try-failover",
    ),
    "failover": Fault(
        apply=failover, needs=frozenset({Ability.TELL}), proof="the old master says that it is a replica"
    ),
    "nothing": Fault(apply=nothing, needs=frozenset(), aimed=False, proof="none is needed"),
}
"""The faults, by the names that experiments use."""
