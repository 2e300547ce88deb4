"""Our own stalls: which operations were bad because the agent was late, and for how long it was not there at all."""

import numpy as np

from chaos.analysis.history import History
from chaos.analysis.operations import Bools
from chaos.analysis.result import Span


def suspects(history: History) -> Bools:
    """The bad operations that met a stall of the agent of half the deadline or more."""
    ops = history.ops
    bad = np.flatnonzero(~ops.good)
    due_s, done_s = ops.due_s[bad], ops.done_s[bad]
    met = np.zeros(len(bad), bool)
    for begin_s, end_s in long_stalls(history):
        met |= (due_s < end_s) & (done_s > begin_s)
    suspect = np.zeros(len(ops), bool)
    suspect[bad] = met
    return suspect


def long_stalls(history: History) -> list[Span]:
    """Each from when the agent's timer was due until it fired."""
    stalls = [(fact.latest_s - fact.fields["late_ns"] / 1e9, fact.latest_s) for fact in history.facts("hiccup")]
    return [(begin_s, end_s) for begin_s, end_s in stalls if end_s - begin_s >= history.deadline_s / 2]
