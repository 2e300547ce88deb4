"""Why an outage was as long as it was: a sentence made by rules from the record, naming a mechanism only where shown.

The dominating phase is what the clock says. The mechanism behind it is said when the record holds its traces: the
label's line in the operator's log, a resync that only repaired a pod, a pod that was terminating, aborted elections.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from chaos.analysis.allowed import came_back_in_place, gone_s
from chaos.analysis.declared import resync_s
from chaos.analysis.history import History
from chaos.analysis.logs import LogLine
from chaos.analysis.result import Failover, Losses, LostSpell, Milestone, Node, PathResult, Phase, Window, middle
from chaos.analysis.timeline import LABEL_LINE

REPAIR_LINE = "Making pod"
"""How the operator's log begins the line that says that a pod was made a replica."""
TICK_SLACK_S = 3.0
"""How far two resyncs may be from their period: each takes a while."""
ACKNOWLEDGED_S = 1.0
"""Spells of lost acknowledged writes longer than this come from a demoted master, not from the last moments of one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What a cause is made from."""

    history: History
    failover: Failover | None
    aborted: int
    target: Node | None
    losses: Losses


def cause(told: Told, paths: Collection[PathResult]) -> str:
    """Of the path that was out longest, and of an application that stayed out; empty where no path was out."""
    path = longest(paths)
    if path is None:
        return ""
    head = first(path, "durable")
    assert head is not None
    parts = [_dominated(told, path, head), _durable(told, path, head), _stuck(paths)]
    return " ".join(part for part in parts if part)


def longest(paths: Iterable[PathResult]) -> PathResult | None:
    out = [path for path in paths if path.state == "works" and path.outage_s is not None]
    return max(out, key=_length, default=None)


def longest_s(paths: Iterable[PathResult]) -> float:
    """How long that path was out. An outage without an end is longer than all."""
    path = longest(paths)
    return _length(path) if path else 0.0


def first(path: PathResult, kind: str) -> Window | None:
    return next((window for window in path.windows if window.kind == kind and not window.after_heal), None)


def dominating(window: Window) -> Phase | None:
    """The longest phase, where it is longer than what is unattributed."""
    phase = max(window.phases, key=lambda phase: phase.seconds, default=None)
    return phase if phase and phase.seconds > window.unattributed_s else None


def share(window: Window, seconds: float) -> str:
    total = sum(phase.seconds for phase in window.phases) + window.unattributed_s
    return f"{100 * seconds / total:.0f} %" if total else "–"


def _dominated(told: Told, path: PathResult, head: Window) -> str:
    if head.end_s is None:
        return _never_back(told, path, head)
    phase = dominating(head)
    if phase is None:
        lacking = share(head, head.unattributed_s)
        return f"{lacking} of the outage through {path.address} is unattributed: what would show it was not recorded."
    why = _MECHANISMS[phase.name](told, path) if phase.name in _MECHANISMS else ""
    return (
        f"{share(head, phase.seconds)} of the outage through {path.address} is {phase.name}{': ' + why if why else ''}."
    )


def _never_back(told: Told, path: PathResult, head: Window) -> str:
    limit = "while the fault lasted" if head.censored == "heal" else "while the trial watched"
    text = f"{path.address} did not come back on {path.connection} connections {limit} ({head.length_s[0]:.1f} s)"
    pointer = path.pointer
    if pointer and pointer.state == "not-yet" and told.failover and told.failover.successor:
        return f"{text}: it never named {told.failover.successor.name}, which was promoted{_after(told)}."
    return f"{text}."


def _after(told: Told) -> str:
    at = _middle(told.failover.milestones.get("promoted")) if told.failover else None
    return "" if at is None else f" at {at:.1f} s"


def _pointer(told: Told, path: PathResult) -> str:
    if path.via_sentinel:
        return "the Sentinel that was asked named the new master that much later than it was promoted"
    if path.pointer and path.pointer.source == "proxy":
        return "HAProxy called the new master up that much later than it was promoted"
    label = _label_line(told)
    if label is None:
        return "the Service named the new master that much later than it was promoted"
    return "; ".join(part for part in (_labelled(told, label), _resync(told, label), _terminating(told)) if part)


def _labelled(told: Told, label: LogLine) -> str:
    promoted = _middle(told.failover.milestones.get("promoted")) if told.failover else None
    after = f" {label.span[1] - promoted:.1f} s after the promotion" if promoted is not None else ""
    return f"the operator wrote the master label{after}, at {label.span[1]:.1f} s"


def _resync(told: Told, label: LogLine) -> str:
    """Whether that was a resync later than one that only repaired the killed pod, as its log shows."""
    period_s = resync_s(told.history)
    repairs = [line.span[1] for line in told.history.lines("operator", REPAIR_LINE) if 0 < line.span[1] < label.span[1]]
    late_s = label.span[1] - repairs[-1] if repairs else 0.0
    if period_s is None or abs(late_s - period_s) > TICK_SLACK_S:
        return f"it labels only in its {period_s:.0f} s resync" if period_s else ""
    return f"one {period_s:.0f} s resync after the one that only made a pod a replica{_ordinals(told)}"


def _ordinals(told: Told) -> str:
    new, killed = told.failover.successor if told.failover else None, told.target
    if new is None or killed is None or new.ordinal is None or killed.ordinal is None:
        return ""
    if killed.ordinal < new.ordinal:
        order = f"killed {killed.ordinal} is before new {new.ordinal}"
        return f" (it stops at the first pod that has just come back, and {order})"
    return ""


def _terminating(told: Told) -> str:
    if told.failover is None or told.failover.kind != "requested":
        return ""
    gone = gone_s(told.history, told.target)
    return f"it does nothing while a pod is terminating, here until {gone:.1f} s" if gone and gone > 5 else ""


def _detection(told: Told, _path: PathResult) -> str:
    target = told.target
    if target and came_back_in_place(told.history, told.failover, target):
        return (
            f"{target.name} was back at its address as a replica of itself before Sentinel missed it, "
            "and Sentinel waits 20 s more for a master that says it is a replica"
        )
    return "Sentinel calls a master down only after down-after-milliseconds"


def _election(told: Told, _path: PathResult) -> str:
    if not told.aborted:
        return "the Sentinels took that long to agree on a leader"
    return f"{told.aborted} failover{'s were' if told.aborted > 1 else ' was'} aborted before the one that succeeded"


def _promotion(_told: Told, _path: PathResult) -> str:
    return "the elected leader took that long until the replica was a master"


def _routable(_told: Told, path: PathResult) -> str:
    return f"the slice named the new master, and {path.address} led there only that much later"


def _reconnect(_told: Told, path: PathResult) -> str:
    return f"the address was right, and the {path.connection} connections took that long to use it"


def _durable(told: Told, path: PathResult, head: Window) -> str:
    """What a demoted master's promises add to the outage that clients saw."""
    spells = [spell for spell in told.losses.places if spell.path == path.name and _lasted_s(spell) > ACKNOWLEDGED_S]
    if not spells:
        return ""
    spell = max(spells, key=_lasted_s)
    seen = first(path, "seen")
    seen_text = (
        f"; clients saw {_middle_length(seen)}"
        if seen and seen.length_s != head.length_s
        else "; clients saw no outage"
    )
    promised = f"{spell.node} went on saying OK for {_lasted_s(spell):.1f} s{_demoted(told, spell.node)}"
    return f"{promised}, and {spell.count} such writes are lost{seen_text}."


def _demoted(told: Told, node: str) -> str:
    """One that was cut off is demoted only after healing."""
    hit = told.target is not None and node == told.target.name
    return " after it was demoted" if hit and told.history.heal_s is None else ""


def _stuck(paths: Collection[PathResult]) -> str:
    """An application that never wrote again though its address was back, so that its library is to be looked at."""
    back = {path.address for path in paths if path.state == "works" and path.recovered_s and path.recovered_s[1]}
    mine = [path for path in paths if path.never_again and path.address in back]
    return " ".join(
        f"{path.name} never wrote again though {path.address} was back: {path.never_again}." for path in mine
    )


def _lasted_s(spell: LostSpell) -> float:
    return spell.to_s - spell.from_s


def _label_line(told: Told) -> LogLine | None:
    who = told.failover.successor if told.failover else None
    lines = told.history.lines("operator", LABEL_LINE)
    return next((line for line in lines if who and who.name in line.text and line.span[1] > 0), None)


def _middle(milestone: Milestone | None) -> float | None:
    return middle(milestone.span) if milestone and milestone.span else None


def _middle_length(window: Window) -> str:
    return f"{'over ' if window.length_s[1] is None else ''}{middle(window.length_s):.1f} s"


def _length(path: PathResult) -> float:
    least, most = path.outage_s or (0.0, 0.0)
    return float("inf") if most is None else (least + most) / 2


_MECHANISMS = {
    "pointer": _pointer,
    "detection": _detection,
    "election": _election,
    "promotion": _promotion,
    "routable": _routable,
    "reconnect": _reconnect,
}
