"""How long an outage the effective settings allow, by how Sentinel and the operator work. Not what was measured.

Sentinel: +sdown not before down-after-milliseconds (D); a writable master and a Sentinel that names it within 3.6 s of
that. A process that comes back in place is a replica of itself: Sentinel waits D + 20 s more, read in INFO every 10 s.
The operator writes the master label only in its resync, every P seconds, and not while a pod is terminating. It walks
the pods in the order of their names and stops at one that has just come back, so that a new master with a higher
ordinal than the killed one is labelled one resync later. One that came back in place is mended by Sentinel as well,
failover-timeout after the promotion, and then stops no resync. Read in sentinel.c of 7.2 and in redis-operator
v1.3.0-rc1.
"""

from dataclasses import dataclass

from chaos.analysis.declared import resync_s
from chaos.analysis.history import History
from chaos.analysis.result import Failover, Node, Span
from chaos.scenario.floors import PROMOTION_S

SENTINEL_WORST_S = 3.6
"""After D: ping skew 1.1, asking the others 1.1, a timer 0.3, the leader's INFO 1.1."""
IN_PLACE_S = (21.0, 31.0)
"""After D, when the killed process came back at its address before Sentinel missed it."""
ROLE_STANDS_S = 20.0
"""After D, for how long a master that says it is a replica has to say so: two of Sentinel's INFO periods."""
MENDED_S = 2.0
"""From failover-timeout after the promotion until Sentinel has mended the old master, at the latest: its next INFO."""
LABEL_S = (1.0, 2.0)
"""From D to the earliest label, and to the latest but for the wait for a resync."""
POD_BACK_S = 6.0
"""A replaced pod runs again within this of its predecessor's end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What decides how long: settings, the fault, and who was killed and promoted. Seconds."""

    down_after_s: float
    failover_timeout_s: float | None
    period_s: float | None
    in_place: bool
    requested: bool
    lower: bool
    gone_s: float | None


def means(history: History, failover: Failover | None, target: Node | None) -> Means | None:
    """None where nothing decides: no failover, no settings, or a cut, whose outage is as long as the cut."""
    down_after_s = least_s(history, "down-after-milliseconds")
    if failover is None or down_after_s is None or history.heal_s is not None:
        return None
    new = failover.successor.ordinal if failover.successor else None
    killed = target.ordinal if target else None
    return Means(
        down_after_s=down_after_s,
        failover_timeout_s=least_s(history, "failover-timeout"),
        period_s=resync_s(history),
        in_place=came_back_in_place(history, failover, target),
        requested=failover.kind == "requested",
        lower=killed is not None and new is not None and killed < new,
        gone_s=gone_s(history, target),
    )


def through_sentinel(known: Means) -> tuple[float, float]:
    if known.requested:
        return 0.0, SENTINEL_WORST_S
    early, late = IN_PLACE_S if known.in_place else (PROMOTION_S, SENTINEL_WORST_S)
    return known.down_after_s + early, known.down_after_s + late


def through_service(known: Means) -> tuple[float, float] | None:
    """None where no operator resyncs, or where a pod that had to go first was not seen to."""
    if known.period_s is None:
        return None
    base = _gate(known)
    if base is None:
        return None
    more = _stopped_at_the_killed_one(known, known.period_s)
    return base[0] + more[0], base[1] + known.period_s + more[1]


def _stopped_at_the_killed_one(known: Means, period_s: float) -> Span:
    """How much longer where the operator comes to the killed pod before the new master's."""
    if not known.lower:
        return 0.0, 0.0
    if not known.in_place or known.failover_timeout_s is None:
        return period_s, period_s
    return min(known.failover_timeout_s, period_s), min(known.failover_timeout_s + MENDED_S, period_s)


def _gate(known: Means) -> tuple[float, float] | None:
    """When the operator can first act, at the earliest and at the latest."""
    if known.requested:
        return None if known.gone_s is None else (known.gone_s, known.gone_s + POD_BACK_S)
    early, late = IN_PLACE_S if known.in_place else LABEL_S
    return known.down_after_s + early, known.down_after_s + late


def least_s(history: History, setting: str) -> float | None:
    """The least that any Sentinel had of a setting in milliseconds; the scenario's word where none was read."""
    declared = history.scenario.get("system", {}).get("settings", {}).get("sentinel", {})
    read = list(history.recording.settings.get("sentinel", {}).values()) or [declared]
    values = [str(settings.get(setting, "")) for settings in read]
    return min((int(value) / 1000 for value in values if value.isdigit()), default=None)


def came_back_in_place(history: History, failover: Failover | None, target: Node | None) -> bool:
    """Whether the killed process was seen at its old address, as a replica, before Sentinel called it down."""
    sdown_s = failover.milestones["sdown"].earliest_s if failover and "sdown" in failover.milestones else None
    mine = [role for role in history.facts("role") if target and role.get("member") == target.name]
    back = [role for role in mine if role.latest_s > 0 and (sdown_s is None or role.latest_s < sdown_s)]
    return not _replaced(history) and any(role.get("role") == "slave" for role in back)


def _replaced(history: History) -> bool:
    """Whether the fault takes the pod away, so that its successor has another address."""
    fault = history.first("fault.requested")
    arguments = fault.get("arguments") or {} if fault else {}
    return bool(arguments.get("replace", True))


def gone_s(history: History, target: Node | None) -> float | None:
    """When the target's pod, terminating until then, was gone."""
    mine = [pod for pod in history.facts("pod") if target and pod.get("name") == target.name and pod.latest_s > 0]
    return next((pod.latest_s for pod in mine if pod.get("gone")), None)
