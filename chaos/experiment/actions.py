"""The actions that an experiment's file names. Each returns what the journal should say of it.

`target` is a word of `chaos.fault.aim`, a member's name, or several of them, resolved when the action is played.
`when` is the moment of a fault as `chaos.fault.moment` reads it; without it the fault is made at once.
"""

from typing import Any, Literal

from chaos.experiment.session import HEAL_S, Session, current
from chaos.fault.aim import Shape
from chaos.fault.catalogue import ClientsSide, Hook
from chaos.model import Way

PROOF_S = 150.0
"""How long applying a fault and proving it may take; a proof that does not come is written and raises nothing."""
ROLLOUT_S = 900.0
"""The same for a rollout, which takes as long as all its members, and for a drain, which takes as long as all pods."""
PEERS = ("redis", "sentinels", "operator")
"""Whom a partition cuts its target off from, unless it is said."""

Target = str | list[str]
Failure = Literal["crash-after-election", "crash-after-promotion"]


def crash(target: Target = "master", replace: bool = True, when: str = "") -> dict[str, Any]:
    """SIGKILL; with `replace` its pod comes back as a new one, without it the process is restarted in place."""
    return _apply("crash", target, when, replace=replace)


def delete(target: Target = "master", hook: Hook = "", sleep_s: float = 0.0, when: str = "") -> dict[str, Any]:
    """A graceful delete; `hook` is run before SIGTERM in place of the scenario's preStop hook, and sleeps `sleep_s`."""
    return _apply("delete", target, when, **({"hook": hook, "sleep_s": sleep_s} if hook else {}))


def pause(target: Target = "master", when: str = "") -> dict[str, Any]:
    """SIGSTOP until healed, or for 300 s at most: a process that hangs, and whose connections stay open."""
    return _apply("pause", target, when)


def partition(  # noqa: PLR0913  # as an experiment says it
    target: Target = "master",
    shape: Shape = "isolate",
    peers: list[str] | None = None,
    clients: ClientsSide = "both",
    way: Way = "both",
    reject: bool = False,
    longest_s: float = 120.0,
    when: str = "",
) -> dict[str, Any]:
    """Cut one side off from the other until healed, or for `longest_s` at most.

    `shape`: the target alone, the system in `halves`, or halves with one Sentinel between them, a `bridge`. `peers`:
    whom an isolated target is cut off from. `way`: what the target's side is not able to do, to hear (`in`), to speak
    (`out`), or both. `reject` resets connections instead of dropping packets in silence.
    """
    how = {"shape": shape, "clients": clients, "way": way, "reject": reject, "longest_s": longest_s}
    return _apply("partition", target, when, peers=list(PEERS if peers is None else peers), **how)


def keep_down(target: Target = "master", up_s: float = 0.0, longest_s: float = 120.0, when: str = "") -> dict[str, Any]:
    """SIGKILL, and again whenever it has run for `up_s`, until healed: kept down, or crashing again and again."""
    return _apply("keep_down", target, when, up_s=up_s, longest_s=longest_s)


def oom(target: Target = "master", most_bytes: int = 4 << 20, when: str = "") -> dict[str, Any]:
    """An OOM kill by the kernel, by a cgroup with so little memory."""
    return _apply("oom", target, when, most_bytes=most_bytes)


def starve(target: Target = "master", percent: float = 1.0, longest_s: float = 120.0, when: str = "") -> dict[str, Any]:
    """So little of one core until healed."""
    return _apply("starve", target, when, percent=percent, longest_s=longest_s)


def disk(target: Target = "master", most_bytes: int = 1, longest_s: float = 120.0, when: str = "") -> dict[str, Any]:
    """Files of the process cannot grow beyond so many bytes until healed: the AOF cannot be written."""
    return _apply("disk", target, when, most_bytes=most_bytes, longest_s=longest_s)


def link(  # noqa: PLR0913  # as an experiment says it
    target: Target = "master",
    lossy_percent: int = 0,
    kbit: int = 0,
    delay_ms: int = 0,
    longest_s: float = 120.0,
    when: str = "",
) -> dict[str, Any]:
    """One of: some packets of the system are lost, so little is let out a second, or all later. Until healed."""
    how = {"lossy_percent": lossy_percent, "kbit": kbit, "delay_ms": delay_ms}
    return _apply("link", target, when, longest_s=longest_s, **how)


def setting(  # noqa: PLR0913  # as an experiment says it
    name: str,
    value: str,
    target: Target = "master",
    asked: list[str] | None = None,
    answered: str = "",
    longest_s: float = 120.0,
    when: str = "",
) -> dict[str, Any]:
    """CONFIG SET until healed. A command that is `asked` then has to be answered by what begins so."""
    how = {"name": name, "value": value, "asked": asked or [], "answered": answered}
    return _apply("setting", target, when, longest_s=longest_s, **how)


def cordon(target: Target = "master", when: str = "") -> dict[str, Any]:
    """Nothing is scheduled on the target's node until healed."""
    return _apply("cordon", target, when)


def drain(target: Target = "master", when: str = "") -> dict[str, Any]:
    """The target's node is drained, and takes pods again once healed."""
    return _apply("drain", target, when)


def stop_node(target: Target = "master", when: str = "") -> dict[str, Any]:
    """The target's node ends at once, and is started again once healed."""
    return _apply("stop_node", target, when)


def stop_kubelet(target: Target = "master", when: str = "") -> dict[str, Any]:
    """The kubelet of the target's node is stopped until healed."""
    return _apply("stop_kubelet", target, when)


def scale_away(target: Target = "operator", when: str = "") -> dict[str, Any]:
    """The target's Deployment is scaled to 0 until healed."""
    return _apply("scale_away", target, when)


def simulate(failure: Failure, target: Target = "sentinels", when: str = "") -> dict[str, Any]:
    """SENTINEL SIMULATE-FAILURE: whoever leads the next failover ends at this point of it."""
    return _apply("simulate", target, when, failure=failure)


def failover(
    target: Target = "master", to: str = "", pause_ms: int = 0, timeout_ms: int = 10_000, when: str = ""
) -> dict[str, Any]:
    """FAILOVER, told to the master; `to` names the replica, and `pause_ms` stops writes before it for so long."""
    return _apply("failover", target, when, to=to, pause_ms=pause_ms, timeout_ms=timeout_ms)


def rollout(target: Target = "redis", ready_s: float = 180.0, when: str = "") -> dict[str, Any]:
    """One after the other is deleted gracefully, the next once the one before is back and Ready."""
    return _apply("rollout", target, when, ready_s=ready_s)


def slow(target: Target = "master", seconds: float = 30.0, when: str = "") -> dict[str, Any]:
    """DEBUG SLEEP: the Redis serves nobody for so long, which nothing ends before."""
    return _apply("slow", target, when, seconds=seconds)


def handover(
    target: Target = "any-sentinel", master: str = "mymaster", coordinated: bool = False, when: str = ""
) -> dict[str, Any]:
    """SENTINEL FAILOVER, asked of a Sentinel; `master` is the name by which the Sentinels know their master."""
    return _apply("handover", target, when, master=master, coordinated=coordinated)


def reset(target: Target = "any-sentinel", pattern: str = "*", when: str = "") -> dict[str, Any]:
    """SENTINEL RESET, told to one Sentinel: it forgets replicas and other Sentinels, and finds them again."""
    return _apply("reset", target, when, pattern=pattern)


def nothing() -> dict[str, Any]:
    """No fault: the control."""
    return _apply("nothing", [], "")


def heal() -> str:
    """Undo everything that is held. Safe at any time, and played even when the trial is interrupted."""
    session: Session = current()
    session.call(session.heal(), within_s=HEAL_S, healing=True)
    return "nothing of ours is in effect"


def _apply(fault: str, target: Target, when: str, /, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401  as the file says
    session = current()
    which = [target] if isinstance(target, str) else target
    proof_s = ROLLOUT_S if fault in ("rollout", "drain") else PROOF_S
    waits_s = session.scenario.limits.recovery if when else 0.0
    effect = session.call(session.apply(fault, which, when, arguments), within_s=proof_s + 2 * waits_s)
    if effect is None:
        return {"proved": False, "evidence": "it was not made"}
    width_ms = (effect.latest_ns - effect.earliest_ns) / 1e6
    return {"effect_width_ms": width_ms, "proved": effect.confirmed_ns is not None, "evidence": effect.evidence}
