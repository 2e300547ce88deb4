"""Divides an outage into phases: the first durable window of a path, in which a lost write counts as bad too, is cut at
the milestones.

A phase lasts from the middle of one milestone's interval to the middle of the next. It carries the least and the most
that the two intervals allow. There is a phase only if both milestones were seen. Otherwise the time between the nearest
milestones that were seen is unattributed. The last phase, reconnection, is only as long as the client's own period and
time-out explain.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.measured import Measured
from chaos.analysis.milestones import answering, missing, named_by_all, service_pointer, successor
from chaos.analysis.result import (
    NOT_APPLICABLE,
    UNOBSERVED,
    Milestone,
    Node,
    PathResult,
    Phase,
    State,
    Window,
)
from chaos.model import service_in
from chaos.record.events import SentinelAddress, TargetAsked
from chaos.record.layout import RecordedClient

PHASE_OF = {
    "sdown": "detection",
    "odown": "quorum",
    "try_failover": "trigger",
    "elected": "election",
    "promoted": "promotion",
    "pointer": "endpoint",
    "routable": "routing",
}
"""Maps each milestone to the phase that ends with it. Reconnection ends with the window instead."""
RECONNECTION = "reconnection"
PHASES = (*PHASE_OF.values(), RECONNECTION)


def with_phases(measured: Measured, path: PathResult) -> PathResult:
    """Return a path with the phases of its first outage and with its own milestones.

    These milestones are `pointer`, when the path's address named the new master, and `routable`, when the new master
    could be connected to there.
    """
    history, milestones = measured.history, measured.milestones
    if not path.working or history.effect_s is None:
        return path
    due = milestones and milestones["promoted"].state is not State.NOT_APPLICABLE
    none = NOT_APPLICABLE if milestones else None
    pointer, routable = _own_milestones(measured, path) if due else (none, none)
    head = path.head
    if head is None:
        return replace(path, pointer=pointer, routable=routable)
    own = {name: it for name, it in (("pointer", pointer), ("routable", routable)) if it}
    client = history.clients[head.client]
    explained_s = 1 / client.rate_hz + history.deadline_s  # the next try comes a period later, and may time out
    divided = divide(head, {**milestones, **own}, history.effect_s, explained_s)
    windows = tuple(divided if window is head else window for window in path.windows)
    return replace(path, pointer=pointer, routable=routable, windows=windows)


def _own_milestones(measured: Measured, path: PathResult) -> tuple[Milestone, Milestone]:
    """Return the path's `pointer` and `routable`."""
    history, attempt = measured.history, measured.attempt
    who = successor(history, attempt)
    if not path.via_sentinel:
        service = service_of(path)
        siblings = [
            client
            for other in measured.paths.values()
            if other.working and service_of(other) == service
            for client in history.clients_by_path[other.name]
        ]
        pointer = service_pointer(history, service, who, attempt, measured.operator)
        return pointer, _routable(history, siblings, who)
    if path.head is None:
        return NOT_APPLICABLE, NOT_APPLICABLE
    asked = told_by_sentinel(history, path.head, who)
    named = named_by_all(history, attempt)
    # A client that keeps its connection may ask only long after every Sentinel names the new master.
    by_polls = path.connection == "kept" and named.at_s and (not asked.at_s or named.at_s.most < asked.at_s.most)
    return (named if by_polls else asked), NOT_APPLICABLE


def service_of(path: PathResult) -> str:
    """Return the Service that a path's address names, or an empty string if the path asks Sentinel."""
    return "" if path.via_sentinel else service_in(path.address)


def divide(window: Window, milestones: dict[str, Milestone], effect_s: Interval, explained_s: float) -> Window:
    """Return the window with its phases, cut at the path's `milestones` in the order of `PHASE_OF`.

    `explained_s` is how many seconds of the last phase the client's period and time-out explain. A window without an
    end is returned as it is, since its phases are not over. Without any milestone, all of the window is unattributed.
    """
    if window.end_s is None:
        return window
    length_s = window.end_s.middle - window.onset_s.middle
    if not milestones:
        return replace(window, unattributed_s=length_s)
    # A requested failover has the phase trigger, and neither detection nor quorum.
    requested = milestones["sdown"].state is State.NOT_APPLICABLE
    order = [name for name in PHASE_OF if name in milestones and (name != "try_failover" or requested)]
    due = [name for name in order if milestones[name].state is not State.NOT_APPLICABLE]
    boundaries = [_Boundary("effect", effect_s), *(_Boundary(name, milestones[name].at_s) for name in due)]
    bounds = _clipped(boundaries, window.onset_s, window.end_s)
    found: list[Phase] = []
    seen = [index for index, bound in enumerate(bounds) if bound.at_s is not None]
    for begin, end in pairwise(seen):
        phase = _phase(bounds[begin], bounds[end]) if end - begin == 1 else None
        if phase and phase.seconds > 0:
            found.append(phase)
    if found and found[-1].name == RECONNECTION:
        last = found[-1]
        seconds = min(last.seconds, explained_s)
        most = max(seconds, min(last.most, explained_s))
        found[-1] = replace(
            last, start_s=last.end_s - seconds, seconds=seconds, least=min(last.least, seconds), most=most
        )
    rest_s = max(0.0, length_s - sum(phase.seconds for phase in found))
    return replace(window, phases=tuple(found), unattributed_s=rest_s if rest_s > 1e-9 else 0.0)


@dataclass(frozen=True, slots=True)
class _Boundary:
    """The milestone `to`, with which one phase ends and the next begins. `at_s` is None if it was not seen."""

    to: str
    at_s: Interval | None


def _clipped(bounds: list[_Boundary], onset_s: Interval, end_s: Interval) -> list[_Boundary]:
    """Return the boundaries moved into the window, and none of them later than the boundary after it."""
    found, latest = [_Boundary("first_good", end_s)], end_s
    for bound in reversed(bounds):
        if bound.at_s is not None:
            latest = Interval(min(bound.at_s.least, latest.least), min(bound.at_s.most, latest.most))
            bound = _Boundary(bound.to, latest)
        found.append(bound)
    found.reverse()
    clipped = [
        replace(bound, at_s=bound.at_s if bound.at_s.middle > onset_s.middle else onset_s) if bound.at_s else bound
        for bound in found
    ]
    return [_Boundary("effect", onset_s), *clipped[1:]]


def _phase(begin: _Boundary, end: _Boundary) -> Phase:
    assert begin.at_s is not None
    assert end.at_s is not None
    seconds = max(0.0, end.at_s.middle - begin.at_s.middle)
    return Phase(
        name=PHASE_OF.get(end.to, RECONNECTION),
        start_s=begin.at_s.middle,
        end_s=begin.at_s.middle + seconds,
        seconds=seconds,
        least=max(0.0, end.at_s.least - begin.at_s.most),
        most=max(0.0, end.at_s.most - begin.at_s.least),
        to=end.to,
    )


def _routable(history: History, siblings: list[RecordedClient], who: Node | None) -> Milestone:
    """Return when the successor first answered a good durable operation on a new connection through the Service."""
    ops, answers = history.ops, answering(history, who)
    new = [client for client in siblings if client.connection == "new"]
    if not new or who is None:
        return UNOBSERVED
    first: list[Interval] = []
    for client in new:
        mine = ops.of(client.number)
        right = np.isin(ops.node[mine], answers) & ops.good[mine] & ~ops.lost[mine] & (ops.sent_s[mine] > 0)
        if right.any():
            at = int(np.argmax(right))
            first.append(Interval(float(ops.sent_s[mine][max(0, at - 1)]), float(ops.done_s[mine][at])))
    if not first:
        return Milestone(state=State.NOT_YET, limit_s=history.end_s, source="client")
    return Milestone.seen(min(first), "client", f"first good operation of {new[0].name} answered by {who.name}")


def told_by_sentinel(history: History, window: Window, who: Node | None) -> Milestone:
    """Return when every Sentinel that this client asked named the successor.

    That was between two operations of the client. The last one that was sent elsewhere followed the old answer, and the
    one after it the new answer.
    """
    targets = [fact.event.index for fact in history.facts(TargetAsked) if history.is_at(who, fact.event.address)]
    if who is None or not targets:
        return missing(history, "sentinel", known=who)
    ops = history.ops
    mine = ops.of(window.client)
    due_s, sent_s, right = ops.due_s[mine], ops.sent_s[mine], np.isin(ops.target[mine], targets)
    until_s = window.end_s.most if window.end_s else np.inf
    wrong = np.flatnonzero(~right & (sent_s < until_s))
    last = int(wrong[-1]) if len(wrong) else 0
    if last + 1 >= len(right) or not right[last + 1]:
        return missing(history, "sentinel")
    told_s = [fact.earliest_s for fact in history.facts(SentinelAddress) if history.is_at(who, fact.event.address)]
    first_told_s = min((at_s for at_s in told_s if at_s > 0), default=window.onset_s.least)
    latest_s = float(sent_s[last + 1])
    at_s = Interval(min(max(float(due_s[last]), first_told_s), latest_s), latest_s)
    text = f"from then on operations were sent to {who.name} ({who.address}) on Sentinel's word"
    return Milestone.seen(at_s, "address", text)
