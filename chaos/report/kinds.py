"""Each operation in one of six kinds, for the pictures and the tables: nothing is decided from them."""

from collections.abc import Iterable

import numpy as np

from chaos.analysis.history import History
from chaos.analysis.operations import Bools, Client
from chaos.model import Outcome
from chaos.record.layout import NOBODY

BAD = ("failed", "unknown", "late", "missed")


def kinds(history: History, promoted_s: float | None = None) -> dict[str, Bools]:
    """Masks of the trial's operations. `stray`: good, by another node than the final master, after the promotion.

    An application client has no deadline of ours, and so is never late.
    """
    ops = history.ops
    ok, metered = ops.outcome == Outcome.OK, sent_by(history, meters(history))
    late = ok & ~ops.good & metered
    good, answered = ok & ~late, ops.node != NOBODY
    last = np.flatnonzero(good & metered & answered)
    final = ops.node[last[ops.due_s[last].argmax()]] if len(last) else NOBODY
    after = np.zeros(len(ops), bool) if promoted_s is None else ops.due_s > promoted_s
    stray = good & after & answered & (ops.node != final)
    return {
        "good": good & ~stray,
        "stray": stray,
        "failed": ops.outcome == Outcome.FAILED,
        "unknown": ops.outcome == Outcome.UNKNOWN,
        "late": late,
        "missed": ops.outcome == Outcome.MISSED,
    }


def sent_by(history: History, clients: Iterable[Client]) -> Bools:
    """A mask of those clients' operations."""
    return np.isin(history.ops.client, [client.number for client in clients])


def meters(history: History) -> list[Client]:
    return [client for client in history.clients.values() if client.is_meter]
