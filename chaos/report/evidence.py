"""What a report takes from the recordings themselves: pictures, failed operations, raw lines, settings, versions."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from chaos.analysis.each import each
from chaos.analysis.history import History
from chaos.analysis.result import CampaignResult, TrialResult
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
from chaos.record.reader import campaign_manifest
from chaos.report import figures, svg, words
from chaos.report.failures import HEAD, grouped
from chaos.report.lanes import facts, timeline
from chaos.report.many import numbers
from chaos.report.page import Evidence
from chaos.report.rows import Row
from chaos.report.taken import taken
from chaos.report.timeline import Timeline
from chaos.report.worst import worst_first

FAULT_KINDS: tuple[type[Event], ...] = (FaultEffect, FaultConfirmed, FaultUnproved, FaultUndone)
RAW_KINDS: tuple[type[Event], ...] = (SentinelSaid, Endpoints, Pod, *FAULT_KINDS, Gap, Note)
RAW_MOST, LINE_MOST = 160, 400
"""Lines of the page's raw section, and characters of each; the trial's folder has them all."""


@dataclass(kw_only=True)
class Gathered:
    """The derived files' contents beside the page's own evidence. `csv` are parts; `png` is empty without an axis."""

    page: Evidence
    csv: list[bytes]
    png: bytes = b""


def gather(campaign: Path, result: CampaignResult) -> Gathered:
    """Read each trial once, and the worst one again, in full."""
    found = each(taken, [(campaign / trial.directory, trial.number) for trial in result.trials])
    worst = next(iter(worst_first(result)), None)
    history = History.load(campaign / worst.directory) if worst else None
    picture = timeline(history, worst) if history and worst else None
    vector, png = figures.pictures(picture) if picture else ("", b"")
    evidence = Evidence(
        figure=svg.inline(vector, picture.title, picture.description) if picture else "",
        lanes=lane_rows(picture) if picture else (),
        raw=raw_lines(history, worst) if history and worst else (),
        failed=grouped([one.groups for one in found]),
        failed_total=sum(one.failed for one in found),
        settings=_once([(one.trial, *row) for one in found for row in one.settings]),
        versions=list(dict.fromkeys(row for one in found for row in one.versions)),
        command=command(campaign_manifest(campaign)),
    )
    return Gathered(page=evidence, csv=[HEAD, *(one.csv for one in found)], png=png)


def lane_rows(picture: Timeline) -> list[Row]:
    """The picture's table: every run and mark, and how many operations of each kind a path had."""
    lanes = [
        (lane.title, run.start_s, run.end_s, run.text)
        for lane in (picture.faults, *picture.states)
        for run in lane.runs
    ]
    marks = [("Sentinel", mark.at_s, mark.at_s, mark.text) for mark in picture.sentinel]
    rows: list[Row] = [
        (title, words.number(start), words.number(end), text) for title, start, end, text in [*lanes, *marks]
    ]
    for path in picture.operations:
        counts = ", ".join(f"{words.count(value)} {name}" for name, value in path.counts.items() if value)
        rows.append((path.title, words.number(picture.start_s), words.number(picture.end_s), counts))
    return rows


def raw_lines(history: History, trial: TrialResult) -> list[Row]:
    """The worst trial's evidence and the events around it, in the order of time."""
    seen: list[tuple[float, float, str, str]] = []
    for milestone in trial.milestones.values():
        at = milestone.at_s
        if at and milestone.evidence:
            seen.append((at.middle, words.error(at), milestone.source, milestone.evidence))
    said = {line for *_, line in seen}
    for fact in facts(history, *RAW_KINDS):
        line = _said(fact.event)
        if fact.latest_s > -1.0 and line not in said:
            seen.append((fact.latest_s, 0.0, fact.event.kind, line))
            said.add(line)
    ordered = sorted(seen, key=lambda line: line[0])[:RAW_MOST]
    return [(words.number(at_s, 3), words.number(error), who, line[:LINE_MOST]) for at_s, error, who, line in ordered]


def command(manifest: dict[str, Any]) -> str:
    """What was typed, with the seed that it was given or took."""
    typed = str(manifest.get("command") or "failover run")
    return typed if "--seed" in typed else f"{typed} --seed {manifest['seed']}"


def _said(event: Event) -> str:
    if isinstance(event, SentinelSaid):
        return f"{event.sentinel}: {event.channel} {event.payload}"
    return json.dumps({one.name: getattr(event, one.name) for one in fields(event)}, separators=(", ", ": "))  # type: ignore[arg-type]


def _once(settings: Iterable[tuple[Any, ...]]) -> list[Row]:
    """Settings that are the same in several trials, or of several members, as one row."""
    trials: dict[tuple[str, str, str], list[int]] = {}
    for trial, who, name, value in settings:
        trials.setdefault((who, name, value), []).append(trial)
    members: dict[tuple[str, str, tuple[int, ...]], list[str]] = {}
    for (who, name, value), told in trials.items():
        members.setdefault((name, value, tuple(told)), []).append(who)
    return [(numbers(told), ", ".join(who), name, value) for (name, value, told), who in members.items()]
