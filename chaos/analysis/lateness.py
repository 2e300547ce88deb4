"""Finds the bad operations that our own agent or the machine may have caused, and not the system.

The agent records its own stalls, and how long each member waited for a core, as the kernel counts it. A bad operation
is *suspect* if it met a stall of half the deadline or more, or if the shorter stalls or the waits during it add up to
half the deadline. See docs/measuring.md, "Stalls and waits".
"""

import numpy as np

from chaos.analysis.history import Fact, History
from chaos.analysis.interval import Interval
from chaos.analysis.operations import Bools, Floats
from chaos.model import ErrorCode, MemberKind, Outcome
from chaos.record.events import Hiccup, Waited, Waits

BY_LATENESS = (
    ErrorCode.CONNECT_TIMEOUT,
    ErrorCode.REPLY_TIMEOUT,
    ErrorCode.DISCOVERY_TIMEOUT,
    ErrorCode.NOT_SENT,
    ErrorCode.CLOSED,
)
"""The only errors that lateness can cause. A refusal, READONLY or OOM is the system's answer, however late we were.

CLOSED is one of them because a meter closes its connection after a time-out, which ends every other operation on that
connection.
"""
NOTHING_S = 1e-9
"""The rounding error, in seconds, that a sum of many stamps may have."""


def suspect(history: History) -> Bools:
    """Return which operations are suspect: they are bad, and stalls of the agent or waits for a core may be why."""
    ops = history.ops
    late = (ops.outcome == Outcome.OK) | (ops.outcome == Outcome.MISSED) | np.isin(ops.error, BY_LATENESS)
    bad = np.flatnonzero(~ops.good & late)
    due_s, done_s = ops.due_s[bad], ops.done_s[bad]
    met = _waited_s_of_each(history, due_s, done_s) >= history.deadline_s / 2
    met |= _stalled_s_of_each(history, due_s, done_s) >= history.deadline_s / 2 - NOTHING_S
    for stall in stalls(history):
        met |= (due_s < stall.most) & (done_s > stall.least)
    found = np.zeros(len(ops), bool)
    found[bad[met]] = True
    return found


def stalls(history: History) -> list[Interval]:
    """Return when the agent stalled for half the deadline or more: from when its timer was due until it fired."""
    return [stall for stall in _hiccups(history) if stall.width >= history.deadline_s / 2]


def _hiccups(history: History) -> list[Interval]:
    """Return every time in which the agent was late, however short it was."""
    return [Interval(fact.latest_s - fact.event.late_ns / 1e9, fact.latest_s) for fact in history.facts(Hiccup)]


def waited_s(history: History, during: Interval) -> float | None:
    """Return how many seconds all members together waited for a core, or None if the kernel did not count.

    Waits can have delayed the system by at most this long. The delay was shorter if members waited side by side, which
    is not known.
    """
    if not any(fact.event.counted for fact in history.facts(Waits)):
        return None
    return sum(fact.event.waited_ns / 1e9 for fact in history.facts(Waited) if fact.at_s.overlaps(during))


def _stalled_s_of_each(history: History, due_s: Floats, done_s: Floats) -> Floats:
    """Return, for each operation, how many seconds the agent stalled during it in all.

    An operation needs the agent several times: to connect, to send and to read. The stalls therefore add up.
    """
    edges_s = np.array([(stall.least, stall.most) for stall in _hiccups(history)]).reshape(-1, 2)

    def since_s(edge_s: Floats, at_s: Floats) -> Floats:
        """Return, for each time in `at_s`, the sum of the times from every earlier edge until then."""
        edge_s = np.sort(edge_s)
        before = np.searchsorted(edge_s, at_s)
        sums_s: Floats = np.concatenate([[0.0], np.cumsum(edge_s)])[before]
        total_s: Floats = before * at_s - sums_s
        return total_s

    def stalled_s(at_s: Floats) -> Floats:
        return since_s(edges_s[:, 0], at_s) - since_s(edges_s[:, 1], at_s)

    return stalled_s(done_s) - stalled_s(due_s)


def _waited_s_of_each(history: History, due_s: Floats, done_s: Floats) -> Floats:
    """Return, for each operation, how long all Redis, Sentinels and proxies together waited for a core during it."""
    by_member: dict[str, list[Fact[Waited]]] = {}
    for fact in history.facts(Waited):
        by_member.setdefault(fact.event.member, []).append(fact)
    waited = np.zeros(len(due_s))
    for member in sorted(by_member.keys() - set(history.names(MemberKind.OPERATOR))):
        waits = by_member[member]  # the waits of one member do not overlap: they are of one thread
        total_s = np.cumsum([0.0, *(wait.event.waited_ns / 1e9 for wait in waits)])
        begun = np.searchsorted([wait.earliest_s for wait in waits], done_s)
        over = np.searchsorted([wait.latest_s for wait in waits], due_s, side="right")
        waited += total_s[begun] - total_s[over]
    return waited
