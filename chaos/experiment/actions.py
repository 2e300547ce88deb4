"""The actions that an experiment's file names. Each returns what the journal should say of it.

`target` is a word of `chaos.fault.aim`, a member's name, or several of them, resolved when the action is played.
`when` is the moment of a fault as `chaos.fault.moment` reads it; without it the fault is made at once.
"""

from typing import Any

from chaos.cluster.base import Effect
from chaos.experiment.session import HEAL_S, Session, current
from chaos.fault.aim import Shape
from chaos.fault.catalogue import ClientsSide
from chaos.net.cut import Way

PROOF_S = 120.0
"""How long applying a fault and proving it may take; a proof that does not come is written and raises nothing."""
PEERS = ("redis", "sentinels", "operator")
"""Whom a partition cuts its target off from, unless it is said."""

Target = str | list[str]


def crash(target: Target = "master", replace: bool = True, when: str = "") -> dict[str, Any]:
    """SIGKILL; with `replace` its pod comes back as a new one, without it the process is restarted in place."""
    return _apply("crash", target, when, replace=replace)


def delete(target: Target = "master", when: str = "") -> dict[str, Any]:
    """A graceful delete."""
    return _apply("delete", target, when)


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


def slow(target: Target = "master", seconds: float = 30.0, when: str = "") -> dict[str, Any]:
    """DEBUG SLEEP: the Redis serves nobody for so long, which nothing ends before."""
    return _apply("slow", target, when, seconds=seconds)


def handover(target: Target = "any-sentinel", master: str = "mymaster", when: str = "") -> dict[str, Any]:
    """SENTINEL FAILOVER, asked of a Sentinel; `master` is the name by which the Sentinels know their master."""
    return _apply("handover", target, when, master=master)


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


def _apply(name: str, target: Target, when: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401  as the file says
    session = current()
    which = [target] if isinstance(target, str) else target
    waits_s = session.scenario.limits.recovery if when else 0.0
    return _told(session.call(session.apply(name, which, when, arguments), within_s=PROOF_S + 2 * waits_s))


def _told(effect: Effect | None) -> dict[str, Any]:
    if effect is None:
        return {"proved": False, "evidence": "it was not made"}
    width_ms = (effect.latest_ns - effect.earliest_ns) / 1e6
    return {"effect_width_ms": width_ms, "proved": effect.confirmed_ns is not None, "evidence": effect.evidence}
