"""What a report takes from the recordings themselves: failed operations, raw lines, settings and versions.

Many recordings are read in processes of their own, which import this module. It therefore draws nothing.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from chaos.analysis.history import History
from chaos.analysis.result import TrialResult
from chaos.analysis.wording import count, error, number, numbers
from chaos.record.events import (
    Endpoints,
    Event,
    FaultConfirmed,
    FaultEffect,
    FaultUndone,
    FaultUnproved,
    Gap,
    Note,
    Pod,
    SentinelSaid,
)
from chaos.report.details import Row, flat
from chaos.report.failures import FailureGroup, as_csv, failures, groups
from chaos.report.timeline import Timeline, facts
from chaos.report.trace import trace

TRACES = "traces"
"""The folder of a campaign that holds a trace of each trial."""
FAULT_KINDS: tuple[type[Event], ...] = (FaultEffect, FaultConfirmed, FaultUnproved, FaultUndone)
RAW_KINDS: tuple[type[Event], ...] = (SentinelSaid, Endpoints, Pod, *FAULT_KINDS, Gap, Note)
RAW_MOST, LINE_MOST = 160, 400
"""How many raw lines the page shows, and how many characters of each. The trial's folder has everything."""


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
