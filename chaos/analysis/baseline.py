"""What each path did before the effect: whether it works, works in part, never did, or is not known to.

A path is judged only if its own good writes were seen before anything was done to the system.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from chaos.analysis.history import History
from chaos.analysis.operations import Bools, Client
from chaos.model import WORKS_SHARE, ErrorCode, Outcome

PathState = Literal["works", "unreliable", "never worked", "unproved"]

LEAST_SHARE = 0.5
"""Of the operations that a client's rate demands: with fewer that count it proves nothing."""
SHORTEST_S = 1.0
"""A baseline shorter than this proves nothing."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """`why` says what is wrong with a path that does not work."""

    state: PathState
    good: int
    sent: int
    why: str = ""


def baseline(history: History, clients: Iterable[Client], suspect: Bools) -> Baseline:
    """The baseline of one path, from all its clients. What our own stalls made bad counts neither way."""
    span = history.baseline_s
    if span is None or span[1] - span[0] < SHORTEST_S:
        return Baseline("unproved", 0, 0, "there was no baseline")
    counted = [(client, *_count(history, client, suspect)) for client in clients]
    good, sent = sum(good for _, good, _ in counted), sum(sent for _, _, sent in counted)
    error = _error(history, [client for client, _, _ in counted])
    if any(sent < LEAST_SHARE * client.rate_hz * (span[1] - span[0]) for client, _, sent in counted):
        return Baseline("unproved", good, sent, f"a client sent too little before the fault: {sent} operations in all")
    if good == 0:
        return Baseline("never worked", 0, sent, f"{error}, 0 of {sent}")
    if good < WORKS_SHARE * sent or any(good == 0 for _, good, _ in counted):
        return Baseline("unreliable", good, sent, f"{good} of {sent} operations were good before the fault; {error}")
    return Baseline("works", good, sent)


def _count(history: History, client: Client, suspect: Bools) -> tuple[int, int]:
    assert history.baseline_s is not None
    ops, (start, end) = history.ops, history.baseline_s
    mine = ops.of(client.number)
    within = (ops.due_s[mine] >= start) & (ops.due_s[mine] < end) & ~suspect[mine]
    return int((ops.good[mine] & within).sum()), int(within.sum())


def _error(history: History, clients: list[Client]) -> str:
    """The commonest error of the baseline."""
    assert history.baseline_s is not None
    ops, (start, end) = history.ops, history.baseline_s
    found: Counter[str] = Counter()
    for client in clients:
        mine = ops.of(client.number)
        wrong = (ops.outcome[mine] != Outcome.OK) & (ops.due_s[mine] >= start) & (ops.due_s[mine] < end)
        codes, counts = np.unique(ops.error[mine][wrong], return_counts=True)
        found.update({ErrorCode(code).words: int(n) for code, n in zip(codes.tolist(), counts.tolist(), strict=True)})
    return found.most_common(1)[0][0] if found else "no error"
