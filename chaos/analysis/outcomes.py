"""The outcome table held against what Redis does not do: with its default settings a replica acknowledges no write.

An acknowledgement by a process that said before and after it that it is a replica was none. Pure, of the recording.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from chaos.analysis.history import History
from chaos.analysis.result import Span
from chaos.model import Outcome

TOGETHER_S = 1.5
"""ROLE is told at least once a second. Two words further apart than this say nothing of what was between them."""


def acknowledged_by_replicas(history: History) -> int:
    """How many operations are called ok although only a replica can have answered them."""
    ops = history.ops
    ok = ops.outcome == Outcome.OK
    nodes = {fact.get("index"): str(fact.get("run_id")) for fact in history.facts("node")}
    return sum(
        int((ok & (ops.node == index) & (ops.sent_s > begin_s) & (ops.done_s < end_s)).sum())
        for index, run_id in nodes.items()
        if np.any(ok & (ops.node == index))
        for begin_s, end_s in _as_replica(history, run_id)
    )


def _as_replica(history: History, run_id: str) -> Iterator[Span]:
    """Spells in which this process said that it is a replica, joined where one follows on the other."""
    said = [fact for fact in history.facts("role") if fact.get("run_id") == run_id]
    spells = [
        (one.latest_s, other.earliest_s)
        for one, other in pairwise(said)
        if one.get("role") == other.get("role") == "slave" and other.latest_s - one.latest_s < TOGETHER_S
    ]
    begin_s: float | None = None
    for index, (begin, end) in enumerate(spells):
        begin_s = begin if begin_s is None else begin_s
        if index + 1 == len(spells) or spells[index + 1][0] - end > TOGETHER_S:
            yield begin_s, end
            begin_s = None
