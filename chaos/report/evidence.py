"""What a report takes from the recordings themselves: failed operations, raw lines, settings and versions.

No verdict rests on it. Many recordings are read in processes of their own, which import this module. It therefore draws
nothing.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from chaos.analysis.history import History
from chaos.analysis.result import TrialResult
from chaos.analysis.wording import count, error, number, numbers
from chaos.model import ErrorCode
from chaos.record.events import (
    Endpoints,
    Event,
    FaultConfirmed,
    FaultEffect,
    FaultUndone,
    FaultUnproved,
    Gap,
    NodeSeen,
    Note,
    Pod,
    SentinelSaid,
    TargetAsked,
)
from chaos.record.layout import NOBODY
from chaos.report.details import Row, flat
from chaos.report.many import is_many, some
from chaos.report.timeline import Timeline, facts, kinds
from chaos.report.trace import trace

TRACES = "traces"
"""The folder of a campaign that holds a trace of each trial."""
FAULT_KINDS: tuple[type[Event], ...] = (FaultEffect, FaultConfirmed, FaultUnproved, FaultUndone)
RAW_KINDS: tuple[type[Event], ...] = (SentinelSaid, Endpoints, Pod, *FAULT_KINDS, Gap, Note)
RAW_MOST, LINE_MOST = 160, 400
"""How many raw lines the page shows, and how many characters of each. The trial's folder has everything."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What the page shows of the recordings. Pictures are SVG, or empty if there is nothing to draw."""

    timeline: str = ""
    spread: str = ""
    strips: str = ""
    lanes: Sequence[Row] = ()
    raw: Sequence[Row] = ()
    failed: Sequence[Row] = ()
    failed_total: int = 0
    settings: Sequence[Row] = ()
    versions: Sequence[Row] = ()
    command: str = ""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """What the report takes from one trial.

    `csv` are the trial's lines of failed-operations.csv, and `settings` are rows of (who, setting, value).
    """

    trial: int
    trace: bytes
    csv: bytes
    failed: int
    groups: list[FailureGroup]
    settings: list[Row]


def taken(history: History, result: TrialResult) -> Taken:
    """Return what the report takes from a trial's recording, beside its analysis."""
    trial, recording = result.number, history.recording
    failed = failures(history, trial)
    return Taken(
        trial=trial,
        trace=trace(history, result),
        csv=as_csv(failed),
        failed=len(failed),
        groups=groups(failed),
        settings=[
            (f"{kind} {name}", setting, value)
            for kind, members in recording.settings.items()
            for name, values in members.items()
            for setting, value in flat(values)
        ],
    )


def settings_rows(trials: Iterable[Taken]) -> list[Row]:
    """Return the rows of settings. A setting that is the same in several trials or for several members is one row."""
    told: dict[tuple[str, str, str], list[int]] = {}
    for one in trials:
        for who, name, value in one.settings:
            told.setdefault((who, name, value), []).append(one.trial)
    members: dict[tuple[str, str, tuple[int, ...]], list[str]] = {}
    for (who, name, value), numbered in told.items():
        members.setdefault((name, value, tuple(numbered)), []).append(who)
    return [(numbers(numbered), ", ".join(who), name, value) for (name, value, numbered), who in members.items()]


def lane_rows(picture: Timeline) -> list[Row]:
    """Return the rows of the picture's table: every run and mark, and how many operations of each kind a path had."""
    lanes = [
        (lane.title, run.start_s, run.end_s, run.text)
        for lane in (picture.faults, *picture.states)
        for run in lane.runs
    ]
    marks = [("Sentinel", mark.at_s, mark.at_s, mark.text) for mark in picture.sentinel]
    rows: list[Row] = [
        (title, number(start_s), number(end_s), text) for title, start_s, end_s, text in [*lanes, *marks]
    ]
    for path in picture.operations:
        counts = ", ".join(f"{count(value)} {name}" for name, value in path.counts.items() if value)
        rows.append((path.title, number(picture.start_s), number(picture.end_s), counts))
    return rows


def raw_lines(history: History, trial: TrialResult) -> list[Row]:
    """Return the trial's evidence and the events around it, in the order of time."""
    seen: list[tuple[float, float, str, str]] = []
    for milestone in trial.milestones.values():
        at = milestone.at_s
        if at and milestone.evidence:
            seen.append((at.middle, error(at), milestone.source, milestone.evidence))
    said = {line for *_, line in seen}
    for fact in facts(history, *RAW_KINDS):
        line = _line(fact.event)
        if fact.latest_s > -1.0 and line not in said:
            seen.append((fact.latest_s, 0.0, fact.event.kind, line))
            said.add(line)
    ordered = sorted(seen, key=lambda line: line[0])[:RAW_MOST]
    return [(number(at_s, 3), number(error_s), who, line[:LINE_MOST]) for at_s, error_s, who, line in ordered]


def command(manifest: dict[str, Any]) -> str:
    """Return the command that was typed, with the seed that was used."""
    typed = str(manifest.get("command") or "failover run")
    return typed if "--seed" in typed else f"{typed} --seed {manifest['seed']}"


def _line(event: Event) -> str:
    if isinstance(event, SentinelSaid):
        return f"{event.sentinel}: {event.channel} {event.payload}"
    return json.dumps({one.name: getattr(event, one.name) for one in fields(event)}, separators=(", ", ": "))  # type: ignore[arg-type]


# Failed operations: every one that was not good in time.


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


def groups(failures: Failures) -> list[FailureGroup]:
    """Return the groups of failed operations, ordered by path and by their first operation."""
    found: dict[tuple[str, str, str, str], list[float]] = {}
    for _, path, _, _, due_s, _, _, outcome, met, asked, _ in failures:
        found.setdefault((path, outcome, met, asked), []).append(due_s)
    made = [
        FailureGroup(
            trial=failures.trial,
            path=path,
            outcome=outcome,
            error=met,
            asked=asked,
            count=len(at_s),
            first_s=at_s[0],
            last_s=at_s[-1],
        )
        for (path, outcome, met, asked), at_s in found.items()
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
    times = (number(first_s), number(last_s))
    trials = some([*{group.trial for group in alike}])
    return (trials, one.path, one.outcome, said, whom, count(sum(each.count for each in alike)), *times)


def _named(codes: npt.NDArray[Any], names: dict[int, str]) -> npt.NDArray[np.object_]:
    known, where = np.unique(codes, return_inverse=True)
    return np.array([names.get(code, f"#{code}") for code in known.tolist()], dtype=object)[where]


_ERRORS = {code.value: "" if code is ErrorCode.NONE else code.name for code in ErrorCode}
