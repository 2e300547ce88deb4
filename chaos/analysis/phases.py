"""Where the seconds of an outage went: a path's first durable window, cut at the milestones.

A boundary is the middle of its interval; a phase carries the least and most that its two boundaries allow. A phase is
attributed only when both its boundaries were seen: the span between the nearest seen ones is unattributed. The last
one, reconnect, is attributed as far as the client's own period and time-out explain it, and no further.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from chaos.analysis.history import History
from chaos.analysis.operations import Client
from chaos.analysis.paths import Path
from chaos.analysis.result import Milestone, Node, Phase, Span, State, Window, middle
from chaos.analysis.roster import is_at
from chaos.analysis.timeline import NOT_APPLICABLE, answering, missing, seen

NAMES = {
    "sdown": "detection",
    "odown": "quorum",
    "try_failover": "trigger",
    "elected": "election",
    "promoted": "promotion",
    "pointer": "pointer",
    "routable": "routable",
}
"""The phase that ends with each milestone. Reconnect ends with the window."""
RECONNECT = "reconnect"


@dataclass(frozen=True, slots=True)
class Boundary:
    """The end of one phase and the beginning of the next. `span` None: it was not seen."""

    to: str
    span: Span | None

    @property
    def middle_s(self) -> float:
        assert self.span is not None
        return (self.span[0] + self.span[1]) / 2


def divided(window: Window, milestones: dict[str, Milestone], effect_s: Span, explained_s: float) -> Window:
    """The window with its phases. `milestones` are the path's own, pointer and routable among them, in any order.

    `explained_s` is what the client's period and time-out explain of the last phase. A window without an end is left
    as it is: its phases are not over. Without any milestone all of it is unattributed.
    """
    if window.end_s is None:
        return window
    if not milestones:
        return replace(window, unattributed_s=middle(window.end_s) - middle(window.onset_s))
    bounds = _clipped(_boundaries(milestones, effect_s), window, window.end_s)
    phases = [phase for last, this in _seen_pairs(bounds) if (phase := _phase(bounds, last, this))]
    found = tuple(phase for phase in phases if phase.seconds > 0)
    if found and found[-1].name == RECONNECT:
        found = (*found[:-1], _limited(found[-1], explained_s))
    length_s = middle(window.end_s) - middle(window.onset_s)
    rest_s = max(0.0, length_s - sum(phase.seconds for phase in found))
    return replace(window, phases=found, unattributed_s=rest_s if rest_s > 1e-9 else 0.0)


def routable(history: History, path: Path, siblings: list[Path], who: Node | None) -> Milestone:
    """The first good operation on a new connection that the successor answered, through that Service."""
    if path.via_sentinel:
        return NOT_APPLICABLE
    new = [client for each in siblings if each.connection == "new" for client in each.clients if each.works]
    first = min((span for client in new if (span := _first_good(history, client, who))), default=None)
    if not new or who is None:
        return Milestone(state=State.UNOBSERVED)
    if first is None:
        return Milestone(state=State.NOT_YET, limit_s=history.end_s, source="client")
    return seen(first, "client", f"first good operation of {new[0].name} answered by {who.name}")


def told_by_sentinel(history: History, window: Window, who: Node | None) -> Milestone:
    """When every Sentinel that this client asked named the successor: between two operations of the client itself.

    The last operation that went elsewhere shows the old answer, and the one after it the new one.
    """
    targets = _targets(history, who)
    if who is None or not targets:
        return missing(history, "sentinel", known=who)
    ops = history.ops
    mine = ops.of(window.client)
    due_s, sent_s, right = ops.due_s[mine], ops.sent_s[mine], np.isin(ops.target[mine], targets)
    until_s = window.end_s[1] if window.end_s else np.inf
    wrong = np.flatnonzero(~right & (sent_s < until_s))
    last = int(wrong[-1]) if len(wrong) else 0
    if last + 1 >= len(right) or not right[last + 1]:
        return missing(history, "sentinel")
    span = (max(float(due_s[last]), _first_told(history, who, window.onset_s[0])), float(sent_s[last + 1]))
    text = f"from then on operations were sent to {who.name} ({who.address}) on Sentinel's word"
    return seen((min(span), span[1]), "address", text)


def explained_s(client: Client, deadline_s: float) -> float:
    """A meter's next try comes a period later and may take its whole time-out; it backs off not at all."""
    return 1 / client.rate_hz + deadline_s


def _boundaries(milestones: dict[str, Milestone], effect_s: Span) -> list[Boundary]:
    """Those that apply, in order. A requested failover has a trigger instead of detection and quorum."""
    requested = milestones["sdown"].state is State.NOT_APPLICABLE
    order = [name for name in NAMES if name in milestones and (name != "try_failover" or requested)]
    due = [name for name in order if milestones[name].state is not State.NOT_APPLICABLE]
    return [Boundary("effect", effect_s), *(Boundary(name, milestones[name].span) for name in due)]


def _clipped(bounds: list[Boundary], window: Window, end_s: Span) -> list[Boundary]:
    """Within the window and in order: a later milestone bounds those before it, without which it cannot be."""
    found, latest = [Boundary(RECONNECT, end_s)], end_s
    for bound in reversed(bounds):
        if bound.span is not None:
            latest = (min(bound.span[0], latest[0]), min(bound.span[1], latest[1]))
            bound = Boundary(bound.to, latest)
        found.append(bound)
    found.reverse()
    onset = window.onset_s
    clipped = [replace(b, span=_not_before(b.span, onset)) if b.span else b for b in found]
    return [Boundary("effect", onset), *clipped[1:]]


def _not_before(span: Span, onset: Span) -> Span:
    return span if middle(span) > middle(onset) else onset


def _seen_pairs(bounds: list[Boundary]) -> list[tuple[int, int]]:
    at = [index for index, bound in enumerate(bounds) if bound.span is not None]
    return list(pairwise(at))


def _phase(bounds: list[Boundary], last: int, this: int) -> Phase | None:
    """The phase between two neighbours; None where something between them was not seen."""
    begin, end = bounds[last], bounds[this]
    if this - last > 1 or begin.span is None or end.span is None:
        return None
    seconds = max(0.0, end.middle_s - begin.middle_s)
    return Phase(
        name=NAMES.get(end.to, RECONNECT),
        start_s=begin.middle_s,
        end_s=begin.middle_s + seconds,
        seconds=seconds,
        least=max(0.0, end.span[0] - begin.span[1]),
        most=max(0.0, end.span[1] - begin.span[0]),
        to="first_good" if end.to == RECONNECT else end.to,
    )


def _limited(phase: Phase, explained_s: float) -> Phase:
    seconds = min(phase.seconds, explained_s)
    return replace(
        phase,
        start_s=phase.end_s - seconds,
        seconds=seconds,
        least=min(phase.least, seconds),
        most=max(seconds, min(phase.most, explained_s)),
    )


def _first_good(history: History, client: Client, who: Node | None) -> Span | None:
    """[sent of the operation before, done] of the first durable one after the effect that the successor answered."""
    ops = history.ops
    mine = ops.of(client.number)
    answered = np.isin(ops.node[mine], answering(history, who))
    right = answered & ops.good[mine] & ~ops.lost[mine] & (ops.sent_s[mine] > 0)
    if not right.any():
        return None
    first = int(np.argmax(right))
    return float(ops.sent_s[mine][max(0, first - 1)]), float(ops.done_s[mine][first])


def _targets(history: History, who: Node | None) -> list[int]:
    return [fact.get("index") for fact in history.facts("target") if is_at(who, fact.get("address"))]


def _first_told(history: History, who: Node, otherwise_s: float) -> float:
    """When the first Sentinel can have named the successor."""
    told = [fact.earliest_s for fact in history.facts("sentinel.address") if is_at(who, fact.get("address"))]
    return min((at for at in told if at > 0), default=otherwise_s)
