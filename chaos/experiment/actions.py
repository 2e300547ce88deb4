"""The actions that an experiment's file names. Each returns what the journal should say of it.

`target` is a word of `chaos.fault.aim` or a member's name, resolved when the action is played.
"""

from typing import Any

from chaos.cluster.base import Effect
from chaos.experiment.session import HEAL_S, Session, current

PROOF_S = 120.0
"""How long applying a fault and proving it may take; a proof that does not come is written and raises nothing."""


def crash(target: str = "master", replace: bool = True) -> dict[str, Any]:
    """SIGKILL; with `replace` its pod comes back as a new one, without it the process is restarted in place."""
    return _apply("crash", target, replace=replace)


def delete(target: str = "master") -> dict[str, Any]:
    """A graceful delete."""
    return _apply("delete", target)


def pause(target: str = "master") -> dict[str, Any]:
    """SIGSTOP until healed, or for 300 s at most: a process that hangs, and whose connections stay open."""
    return _apply("pause", target)


def partition(target: str = "master", longest_s: float = 120.0) -> dict[str, Any]:
    """Cut off from every other Redis, every Sentinel and the operator until healed, or for `longest_s` at most."""
    return _apply("partition", target, longest_s=longest_s)


def slow(target: str = "master", seconds: float = 30.0) -> dict[str, Any]:
    """DEBUG SLEEP: the Redis serves nobody for so long, which nothing ends before."""
    return _apply("slow", target, seconds=seconds)


def handover(target: str = "any-sentinel", master: str = "mymaster") -> dict[str, Any]:
    """SENTINEL FAILOVER, asked of a Sentinel; `master` is the name by which the Sentinels know their master."""
    return _apply("handover", target, master=master)


def reset(target: str = "any-sentinel", pattern: str = "*") -> dict[str, Any]:
    """SENTINEL RESET, told to one Sentinel: it forgets replicas and other Sentinels, and finds them again."""
    return _apply("reset", target, pattern=pattern)


def nothing() -> dict[str, Any]:
    """No fault: the control."""
    return _apply("nothing", "")


def heal() -> str:
    """Undo everything that is held. Safe at any time, and played even when the trial is interrupted."""
    session: Session = current()
    session.call(session.heal(), within_s=HEAL_S, healing=True)
    return "nothing of ours is in effect"


def _apply(name: str, target: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401  as the file gives them
    session = current()
    return _told(session.call(session.apply(name, target, arguments), within_s=PROOF_S))


def _told(effect: Effect) -> dict[str, Any]:
    width_ms = (effect.latest_ns - effect.earliest_ns) / 1e6
    return {"effect_width_ms": width_ms, "proved": effect.confirmed_ns is not None, "evidence": effect.evidence}
