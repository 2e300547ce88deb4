"""What the machine did to the measurement: which operations were bad because somebody came late to a core.

The agent tells of its own stalls. On `local` the system is a guest of the same machine, and each member's wait for a
core is told too; elsewhere nobody says it.
"""

from dataclasses import dataclass

import numpy as np

from chaos.analysis.history import Fact, History
from chaos.analysis.operations import Bools, Floats
from chaos.analysis.result import Span
from chaos.model import MemberKind


@dataclass(frozen=True, slots=True)
class Late:
    """The bad operations that met a stall of the agent, and those that met waits of members, of half the deadline."""

    stalled: Bools
    waited: Bools

    @property
    def either(self) -> Bools:
        return self.stalled | self.waited


def late(history: History) -> Late:
    ops = history.ops
    bad = np.flatnonzero(~ops.good)
    due_s, done_s = ops.due_s[bad], ops.done_s[bad]
    found = Late(np.zeros(len(ops), bool), np.zeros(len(ops), bool))
    found.waited[bad] = _waited_by_operation(history, due_s, done_s) >= history.deadline_s / 2
    for begin_s, end_s in long_stalls(history):
        found.stalled[bad] |= (due_s < end_s) & (done_s > begin_s)
    return found


def long_stalls(history: History) -> list[Span]:
    """Each from when the agent's timer was due until it fired."""
    stalls = [(fact.latest_s - fact.fields["late_ns"] / 1e9, fact.latest_s) for fact in history.facts("hiccup")]
    return [(begin_s, end_s) for begin_s, end_s in stalls if end_s - begin_s >= history.deadline_s / 2]


def waited_s(history: History, span: Span) -> float | None:
    """What all members together waited for a core in a span: the most that it can have delayed.

    They wait side by side or one after the other, which nobody knows. None: nobody counted.
    """
    if not any(fact.get("counted") for fact in history.facts("waits")):
        return None
    met = (fact for fact in history.facts("waited") if fact.latest_s > span[0] and fact.earliest_s < span[1])
    return sum(map(_seconds, met))


def _waited_by_operation(history: History, due_s: Floats, done_s: Floats) -> Floats:
    """What those who answer clients waited during each operation, together: one of Sentinel's waits for two of them."""
    by_member: dict[str, list[Fact]] = {}
    for fact in history.facts("waited"):
        by_member.setdefault(str(fact.get("member")), []).append(fact)
    waited = np.zeros(len(due_s))
    for member in sorted(by_member.keys() - set(history.names(MemberKind.OPERATOR))):
        waited += _during(by_member[member], due_s, done_s)
    return waited


def _during(waits: list[Fact], due_s: Floats, done_s: Floats) -> Floats:
    """Of one member, whose waits are one after the other."""
    begin_s, end_s = np.array([wait.span for wait in waits]).T
    total_s = np.cumsum([0.0, *map(_seconds, waits)])
    begun, over = np.searchsorted(begin_s, done_s), np.searchsorted(end_s, due_s, side="right")
    during: Floats = total_s[begun] - total_s[over]
    return during


def _seconds(wait: Fact) -> float:
    return float(wait.fields["waited_ns"]) / 1e9
