"""The actions that an experiment's file can call. Each returns what chaostoolkit's journal records.

`target` is a word of `chaos.fault.aim`, a member's name, or a list of these. It is resolved when the action is played.
`when` is the moment of the fault, as the same module reads it. Without it the fault is made at once.
"""

from typing import Any, Literal

from chaos.experiment.session import HEAL_S, Session, current
from chaos.fault.aim import Shape
from chaos.fault.catalogue import ClientsSide, Hook
from chaos.model import Way

PROOF_S = 150.0
"""How long applying and proving a fault may take. A missing proof is recorded and raises nothing."""
ROLLOUT_S = 900.0
"""The same for a rollout, which takes as long as all its members, and for a drain, which takes as long as all its
pods."""
PEERS = ("redis", "sentinels", "operator")
"""The default peers that a partition cuts its target off from."""

Target = str | list[str]
Failure = Literal["crash-after-election", "crash-after-promotion"]


def crash(target: Target = "master", replace: bool = True, when: str = "") -> dict[str, Any]:
    """Send SIGKILL. With `replace` a new pod replaces the old one. Without it the process is restarted in place."""
    return _apply("crash", target, when, replace=replace)


def delete(target: Target = "master", hook: Hook = "", sleep_s: float = 0.0, when: str = "") -> dict[str, Any]:
    """Delete the pod gracefully. A `hook` runs instead of the scenario's preStop hook, and sleeps `sleep_s`."""
    return _apply("delete", target, when, **({"hook": hook, "sleep_s": sleep_s} if hook else {}))


def pause(target: Target = "master", when: str = "") -> dict[str, Any]:
    """Send SIGSTOP, until healed or for 300 s. The process hangs, and its connections stay open."""
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
    """Cut one side of the system off from the other, until healed or for `longest_s`.

    `shape` chooses the sides: `isolate` cuts off the target alone, `halves` splits the system in two, and `bridge`
    leaves one Sentinel between the halves that reaches both. `peers` are the members that an isolated target is cut off
    from. `way` is what the target's side cannot do: receive (`in`), send (`out`), or both. `reject` resets connections
    instead of dropping packets.
    """
    how = {"shape": shape, "clients": clients, "way": way, "reject": reject, "longest_s": longest_s}
    return _apply("partition", target, when, peers=list(PEERS if peers is None else peers), **how)


def keep_down(target: Target = "master", up_s: float = 0.0, longest_s: float = 120.0, when: str = "") -> dict[str, Any]:
    """Send SIGKILL, and again whenever the process has run for `up_s`, until healed. 0 keeps the process down."""
    return _apply("keep_down", target, when, up_s=up_s, longest_s=longest_s)


def oom(target: Target = "master", most_bytes: int = 4 << 20, when: str = "") -> dict[str, Any]:
    """Let the kernel kill the process for lack of memory, by a cgroup with a limit of `most_bytes`."""
    return _apply("oom", target, when, most_bytes=most_bytes)


def starve(target: Target = "master", percent: float = 1.0, longest_s: float = 120.0, when: str = "") -> dict[str, Any]:
    """Limit the process to `percent` of one core until healed."""
    return _apply("starve", target, when, percent=percent, longest_s=longest_s)


def disk(target: Target = "master", most_bytes: int = 1, longest_s: float = 120.0, when: str = "") -> dict[str, Any]:
    """Limit the size of the process's files to `most_bytes` until healed, so that the AOF cannot be written."""
    return _apply("disk", target, when, most_bytes=most_bytes, longest_s=longest_s)


def link(  # noqa: PLR0913  # as an experiment says it
    target: Target = "master",
    lossy_percent: int = 0,
    kbit: int = 0,
    delay_ms: int = 0,
    longest_s: float = 120.0,
    when: str = "",
) -> dict[str, Any]:
    """Slow the target's link down until healed. Give one argument.

    `lossy_percent` of the packets to and from the system are dropped, or at most `kbit` per second are sent, or every
    packet is sent `delay_ms` later.
    """
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
    """Set `name` to `value` by CONFIG SET until healed. The reply to `asked` must then begin with `answered`."""
    how = {"name": name, "value": value, "asked": asked or [], "answered": answered}
    return _apply("setting", target, when, longest_s=longest_s, **how)


def cordon(target: Target = "master", when: str = "") -> dict[str, Any]:
    """Schedule nothing on the target's node until healed."""
    return _apply("cordon", target, when)


def drain(target: Target = "master", when: str = "") -> dict[str, Any]:
    """Drain the target's node. Once healed it takes pods again."""
    return _apply("drain", target, when)


def stop_node(target: Target = "master", when: str = "") -> dict[str, Any]:
    """Kill the target's node. Once healed it is started again."""
    return _apply("stop_node", target, when)


def stop_kubelet(target: Target = "master", when: str = "") -> dict[str, Any]:
    """Stop the kubelet of the target's node until healed."""
    return _apply("stop_kubelet", target, when)


def scale_away(target: Target = "operator", when: str = "") -> dict[str, Any]:
    """Scale the target's Deployment to 0 until healed."""
    return _apply("scale_away", target, when)


def simulate(failure: Failure, target: Target = "sentinels", when: str = "") -> dict[str, Any]:
    """Send SENTINEL SIMULATE-FAILURE: the Sentinel that leads the next failover crashes at this point of it."""
    return _apply("simulate", target, when, failure=failure)


def failover(
    target: Target = "master", to: str = "", pause_ms: int = 0, timeout_ms: int = 10_000, when: str = ""
) -> dict[str, Any]:
    """Send FAILOVER to the master. `to` names the replica. `pause_ms` first stops writes for that long."""
    return _apply("failover", target, when, to=to, pause_ms=pause_ms, timeout_ms=timeout_ms)


def rollout(target: Target = "redis", ready_s: float = 180.0, when: str = "") -> dict[str, Any]:
    """Delete the targets gracefully one after the other, each once the one before is back and Ready."""
    return _apply("rollout", target, when, ready_s=ready_s)


def slow(target: Target = "master", seconds: float = 30.0, when: str = "") -> dict[str, Any]:
    """Send DEBUG SLEEP: the Redis serves nobody for `seconds`. Nothing can end this early."""
    return _apply("slow", target, when, seconds=seconds)


def handover(
    target: Target = "any-sentinel", master: str = "mymaster", coordinated: bool = False, when: str = ""
) -> dict[str, Any]:
    """Send SENTINEL FAILOVER to a Sentinel. `master` is the name by which the Sentinels know their master."""
    return _apply("handover", target, when, master=master, coordinated=coordinated)


def reset(target: Target = "any-sentinel", pattern: str = "*", when: str = "") -> dict[str, Any]:
    """Send SENTINEL RESET to one Sentinel, which then forgets and rediscovers its replicas and the other Sentinels."""
    return _apply("reset", target, when, pattern=pattern)


def nothing() -> dict[str, Any]:
    """Make no fault. This is the control."""
    return _apply("nothing", [], "")


def heal() -> str:
    """Undo every fault. Safe at any time, and run even if the trial is interrupted."""
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
