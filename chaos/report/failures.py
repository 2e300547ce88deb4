"""Every operation that was not good in time: its kind, its line in a file, and its group on the page.

The kinds are for pictures and tables. No verdict rests on them.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chaos.analysis import wording
from chaos.analysis.history import History
from chaos.analysis.operations import Bools
from chaos.model import ErrorCode, Outcome
from chaos.record.events import NodeSeen, TargetAsked
from chaos.record.layout import NOBODY, RecordedClient
from chaos.report.details import Row
from chaos.report.many import is_many, some

BAD = ("failed", "unknown", "late", "missed")
ROWS = 400
"""The page shows at most this many groups of failed operations. failed-operations.csv has every operation."""

COLUMNS = (
    "trial",
    "path",
    "client",
    "seq",
    "at_s",
    "sent_after_ms",
    "decided_after_ms",
    "outcome",
    "error",
    "asked",
    "answered",
)
"""The columns of failed-operations.csv. `at_s` is when an operation was due, from t = 0, to a millisecond.

The two columns after `at_s` count from there, to 10 µs. They are no finer because there can be many rows. ops/*.rows
has the whole operation, which `client` and `seq` identify.
"""

HEAD = ",".join(COLUMNS).encode() + b"\n"

Line = tuple[int, str, int, int, float, float, float, str, str, str, str]


def kinds(history: History, promoted_s: float | None = None) -> dict[str, Bools]:
    """Return a mask of the trial's operations for each kind.

    A `stray` operation is good, but was answered after the promotion by another node than the final master. An
    application client has no deadline of ours, and so is never late.
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


def sent_by(history: History, clients: Iterable[RecordedClient]) -> Bools:
    """Return a mask of the operations of these clients."""
    return np.isin(history.ops.client, [client.number for client in clients])


def meters(history: History) -> list[RecordedClient]:
    return [client for client in history.clients.values() if client.is_meter]


@dataclass(frozen=True, slots=True)
class Failures:
    """The failed operations of one trial, in the order in which they were due.

    `columns` are of equal length, in the order of `COLUMNS` without `trial`.
    """

    trial: int
    columns: Sequence[npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[Line]:
        for line in zip(*(column.tolist() for column in self.columns), strict=True):
            yield (self.trial, *line)


def failures(history: History, trial: int) -> Failures:
    ops, masks = history.ops, kinds(history)
    bad = np.flatnonzero(np.logical_or.reduce([masks[kind] for kind in BAD]))
    bad = bad[np.argsort(ops.due_s[bad], kind="stable")]
    due_s, client = ops.due_s[bad], ops.client[bad]
    asked = {fact.event.index: fact.event.address for fact in history.facts(TargetAsked)}
    answered = {}
    for fact in history.facts(NodeSeen):
        node = history.ran(fact.event.run_id)
        answered[fact.event.index] = node.name if node else fact.event.run_id
    columns = (
        _named(client, {number: client.name for number, client in history.clients.items()}),
        client,
        ops.seq[bad],
        due_s.round(3) + 0.0,
        ((ops.sent_s[bad] - due_s) * 1000).round(2),
        ((ops.done_s[bad] - due_s) * 1000).round(2),
        np.select([masks[kind][bad] for kind in BAD], [np.array(kind, object) for kind in BAD]),
        _named(ops.error[bad], _ERRORS),
        _named(ops.target[bad], {NOBODY: "", **asked}),
        _named(ops.node[bad], {NOBODY: "", **answered}),
    )
    return Failures(trial, columns)


def as_csv(failures: Failures) -> bytes:
    """Return a trial's part of failed-operations.csv, with a line for each operation."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(failures)
    return text.getvalue().encode()


@dataclass(frozen=True, kw_only=True, slots=True)
class FailureGroup:
    """Operations of one trial that failed alike. The first was due at `first_s` and the last at `last_s`."""

    trial: int
    path: str
    outcome: str
    error: str
    asked: str
    count: int
    first_s: float
    last_s: float


def groups(failures: Failures) -> list[FailureGroup]:
    """Return the groups of failed operations, ordered by path and by their first operation."""
    found: dict[tuple[str, str, str, str], list[float]] = {}
    for _, path, _, _, due_s, _, _, outcome, error, asked, _ in failures:
        found.setdefault((path, outcome, error, asked), []).append(due_s)
    made = [
        FailureGroup(
            trial=failures.trial,
            path=path,
            outcome=outcome,
            error=error,
            asked=asked,
            count=len(at_s),
            first_s=at_s[0],
            last_s=at_s[-1],
        )
        for (path, outcome, error, asked), at_s in found.items()
    ]
    return sorted(made, key=lambda group: (group.path, group.first_s))


def grouped(trials: Sequence[Sequence[FailureGroup]]) -> list[Row]:
    """Return the first ROWS rows of the page's table, in the order of trials.

    If there are many trials, a row is about all of them together, by path, outcome and error.
    """
    told = [[group] for trial in trials for group in trial]
    if is_many(trials):
        alike: dict[tuple[str, str, str], list[FailureGroup]] = {}
        for [group] in told:
            alike.setdefault((group.path, group.outcome, group.error), []).append(group)
        told = list(alike.values())
    return [_row(group) for group in told[:ROWS]]


def _row(alike: Sequence[FailureGroup]) -> Row:
    one, asked = alike[0], sorted({group.asked or "nobody" for group in alike})
    said = ErrorCode[one.error].words if one.error else "–"
    whom = asked[0] if len(asked) == 1 else f"{len(asked)} addresses"
    first_s, last_s = min(group.first_s for group in alike), max(group.last_s for group in alike)
    times = (wording.number(first_s), wording.number(last_s))
    trials = some([*{group.trial for group in alike}])
    return (trials, one.path, one.outcome, said, whom, wording.count(sum(each.count for each in alike)), *times)


def _named(codes: npt.NDArray[Any], names: dict[int, str]) -> npt.NDArray[np.object_]:
    known, where = np.unique(codes, return_inverse=True)
    return np.array([names.get(code, f"#{code}") for code in known.tolist()], dtype=object)[where]


_ERRORS = {code.value: "" if code is ErrorCode.NONE else code.name for code in ErrorCode}
