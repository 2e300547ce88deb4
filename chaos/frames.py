"""Many trials as pandas tables: `import chaos; chaos.load("reports/2026-11-26T0130-stock")`.

Only code about many trials imports this module: playing and analysing a trial need no tables, and pandas takes most of
a second to load. Every table is tidy, with one row per trial, path and measure. Units are in the names of columns.
docs/frames.md answers three questions with these tables.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from chaos.analysis import summary
from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.result import (
    MILESTONE_OF,
    NOT_APPLICABLE,
    CampaignResult,
    Milestone,
    PathResult,
    State,
    TargetResult,
    TrialResult,
)
from chaos.analysis.verdict import not_there
from chaos.errors import RecordingError
from chaos.model import ErrorCode, Outcome
from chaos.record.layout import CAMPAIGN, no_campaign

Row = dict[str, Any]
Table = pd.DataFrame

SUMMARY = "summary.json"
KEYS = ("campaign", "trial", "experiment", "variant", "group")
MEASURED = ("least_s", "most_s", "middle_s", "censored")
HELD = ("limit_s", "verdict", "gate")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "trials": (
        *(
            "scenario",
            "cluster",
            "machine",
            "parallel",
            "expects",
            "seed",
            "t0",
            "verdict",
            "ended",
            "failovers",
            "failover_kind",
        ),
        *("void", "doubts", "because", "cause"),
    ),
    "paths": ("path", "state", "application", "measure", *MEASURED, *HELD),
    "milestones": ("path", "milestone", "claim", "state", *MEASURED, *HELD, "source"),
    "phases": ("path", "phase", "seconds", "least_s", "most_s", "start_s", "end_s", "to"),
    "losses": ("loss", "least", "most", "limit", "verdict", "gate", "acknowledged", "undecided"),
    "findings": ("finding", "severity", "since_s", "until_s", "sentence", "advice", "price"),
}
"""The columns of each table after KEYS and before the covariates."""
NUMBERS = ("_s", "_percent", "_ordinal", "seconds", "least", "most", "limit", "load1")
"""How the names of numeric columns end. Columns of settings have a dot in their names, and contain text."""
_CLAIM_OF = {"recovered": "recovery", "downtime": "downtime"}
_CLAIM_OF_MILESTONE = {milestone: claim for claim, milestone in MILESTONE_OF.items()}


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The tables of one or several campaigns. `campaign` and `trial` together identify a trial in each table.

    A measured time has `least_s`, `most_s` and `middle_s`. If something had not ended when watching did, `censored` is
    true, `least_s` is how long it had lasted, and the other two are infinite, so that it sorts last and is never taken
    for a value. If something did not happen, all three are missing. `verdict`, `limit_s` and `gate` are those of the
    measure's target. The covariates are in every table; settings and versions are in `trials`. A `void` trial is one
    that the harness cannot vouch for, so its times mean nothing. `not_there` maps a campaign to a sentence on those of
    its trials that are missing, or a directory to one that says that its campaign was never analysed.
    """

    trials: pd.DataFrame
    paths: pd.DataFrame
    milestones: pd.DataFrame
    phases: pd.DataFrame
    losses: pd.DataFrame
    findings: pd.DataFrame
    folders: Mapping[str, Path]
    not_there: Mapping[str, str] = field(default_factory=dict)

    @property
    def variants(self) -> list[str]:
        """The variants that were played, in the order of their first trials."""
        return list(dict.fromkeys(self.trials["variant"]))

    def of_variant(self, name: str) -> "Frames":
        """Return the tables with one variant only."""
        tables = {table: getattr(self, table) for table in COLUMNS}
        return replace(self, **{table: rows[rows["variant"] == name] for table, rows in tables.items()})

    def operations(self, trial: int, campaign: str | None = None) -> pd.DataFrame:
        """Return every operation of one trial, in seconds from t = 0. `campaign` is needed if there are several.

        Raises RecordingError if the trial's recording is not there.
        """
        if campaign is None and len(self.folders) == 1:
            campaign = next(iter(self.folders))
        folder = self.folders.get(campaign or "")
        if folder is None:
            raise RecordingError(f"which campaign? There are {', '.join(self.folders) or 'none'}")
        directory = folder / f"trial-{trial:03d}"
        if not directory.is_dir():
            raise RecordingError(f"{directory} is not there")
        history = History.load(directory)
        ops, nodes = history.ops, {}
        for index in set(ops.node.tolist()):
            node = history.answered_by(index)
            nodes[index] = node.name if node else ""
        return pd.DataFrame(
            {
                "path": pd.Series(ops.client).map({number: one.name for number, one in history.clients.items()}),
                "client": ops.client,
                "seq": ops.seq,
                "due_s": ops.due_s,
                "sent_s": ops.sent_s,
                "done_s": ops.done_s,
                "outcome": pd.Series(ops.outcome).map({int(code): code.name.lower() for code in Outcome}),
                "error": pd.Series(ops.error).map({int(code): code.name.lower() for code in ErrorCode}),
                "node": pd.Series(ops.node).map(nodes),
                "good": ops.good,
                "lost": ops.lost,
            }
        )


def load(*directories: str | Path) -> Frames:
    """Return the tables of these campaigns. A directory is a campaign's, or contains campaigns.

    Raises RecordingError if a directory has no analysed campaign, or if a campaign is given twice.
    """
    found: dict[str, tuple[Path, CampaignResult]] = {}
    for folder in (one for directory in directories for one in _campaigns(Path(directory))):
        result = summary.load(folder / SUMMARY)
        if result.name in found:
            raise RecordingError(f"{folder} and {found[result.name][0]} are the same campaign, {result.name}")
        found[result.name] = folder, result
    played = of((result for _, result in found.values()), {name: folder for name, (folder, _) in found.items()})
    without = [
        path.parent
        for directory in map(Path, directories)
        for path in directory.glob(f"*/{CAMPAIGN}")
        if not path.with_name(SUMMARY).is_file()
    ]
    unread = {one.name: f"it has no {SUMMARY}, which `failover analyse {one}` makes" for one in without}
    return replace(played, not_there={**played.not_there, **unread})


def of(results: Iterable[CampaignResult], folders: Mapping[str, Path] | None = None) -> Frames:
    """Return the tables of results. Without `folders`, operations cannot be read."""
    each = list(results)
    found = _frames(((_campaign(result), trial) for result in each for trial in result.trials), folders or {})
    missing = {result.name: not_there(result.trials, result.manifest) for result in each}
    return replace(found, not_there={name: text for name, text in missing.items() if text})


def of_trials(trials: Iterable[TrialResult]) -> Frames:
    """Return the tables of single trials, without a campaign."""
    return _frames((({"campaign": ""}, trial) for trial in trials), {})


def _frames(trials: Iterable[tuple[Row, TrialResult]], folders: Mapping[str, Path]) -> Frames:
    rows: dict[str, list[Row]] = {name: [] for name in COLUMNS}
    for campaign, trial in trials:
        _add(rows, campaign, trial)
    tables: dict[str, Any] = {name: _table(name, these) for name, these in rows.items()}
    return Frames(**tables, folders=folders)


def _campaign(result: CampaignResult) -> Row:
    of_manifest = {name: str(result.manifest.get(name, "")) for name in ("machine", "parallel")}
    return {"campaign": result.name, "scenario": result.scenario, "cluster": result.cluster, **of_manifest}


def _campaigns(directory: Path) -> list[Path]:
    found = [directory] if (directory / SUMMARY).is_file() else sorted(p.parent for p in directory.glob(f"*/{SUMMARY}"))
    if not found:
        raise no_campaign(directory, SUMMARY)
    return found


def _table(name: str, rows: list[Row]) -> pd.DataFrame:
    known = [*KEYS, *COLUMNS[name]]
    more = [column for column in dict.fromkeys(chain.from_iterable(rows)) if column not in known]
    frame = pd.DataFrame(rows, columns=[*known, *more])
    numbers = [column for column in frame.columns if column.endswith(NUMBERS) and "." not in column]
    frame = frame.astype(dict.fromkeys(numbers, float))  # a column in which nothing happened is one of numbers too
    if name == "trials":
        frame["t0"] = pd.to_datetime(frame["t0"], format="ISO8601", utc=True)
    return frame


def _add(rows: dict[str, list[Row]], campaign: Row, trial: TrialResult) -> None:
    clock_errors = [error for error in (trial.covariates.get("clock_error_s") or {}).values() if error is not None]
    covariates = {name: value for name, value in trial.covariates.items() if not isinstance(value, Mapping)}
    covariates["clock_error_s"] = max(clock_errors, default=None)
    keys = {"campaign": campaign["campaign"], "trial": trial.number}
    keys |= {"experiment": trial.experiment, "variant": trial.variant, "group": trial.group, **covariates}
    rows["trials"].append(campaign | keys | _trial(trial))
    rows["paths"] += [keys | row for path in trial.paths.values() for row in _path(path)]
    rows["milestones"] += [keys | row for row in _milestones(trial)]
    rows["phases"] += [keys | row for path in trial.paths.values() for row in _phases(path)]
    rows["losses"] += [keys | row for row in _losses(trial)]
    of_finding = COLUMNS["findings"][1:]
    rows["findings"] += [
        keys | {"finding": finding.name, **{name: getattr(finding, name) for name in of_finding}}
        for finding in trial.findings
    ]


def _trial(trial: TrialResult) -> Row:
    settings = {**(trial.covariates.get("settings") or {}), "versions": trial.covariates.get("versions") or {}}
    return {
        "expects": trial.expects,
        "seed": trial.seed,
        "t0": trial.t0 or None,
        "verdict": str(trial.verdict),
        "ended": trial.ended,
        "failovers": len(trial.failovers),
        "failover_kind": trial.failovers[0].kind if trial.failovers else "",
        "void": any(doubt.voids and not doubt.path for doubt in trial.doubts),
        "doubts": len(trial.doubts),
        "because": "; ".join(trial.because),
        "cause": trial.cause,
        **{f"{of}.{name}": str(value) for of, values in settings.items() for name, value in values.items()},
    }


def _path(path: PathResult) -> Iterator[Row]:
    measures = {name: getattr(path, f"{name}_s") for name in ("outage", "recovered", "downtime", "full", "any")}
    if path.application:
        blocked_s = path.longest_blocked_s
        measures["longest_blocked"] = None if blocked_s is None else Interval.at(blocked_s)
        measures["first_good"] = path.first_good_s
    for measure, value in measures.items():
        yield {
            "path": path.name,
            "state": path.state,
            "application": path.application,
            "measure": measure,
            **_measured(value),
            **_held(path.targets.get(_CLAIM_OF.get(measure, ""))),
        }


def _milestones(trial: TrialResult) -> Iterator[Row]:
    """Yield the system's milestones, even of claims that do not apply, and then pointer and routable of every path."""
    system = {**dict.fromkeys(MILESTONE_OF.values(), NOT_APPLICABLE), **trial.milestones}
    each: list[tuple[str, str, Milestone | None]] = [("", name, milestone) for name, milestone in system.items()]
    for path in trial.paths.values():
        each += [(path.name, "pointer", path.pointer), (path.name, "routable", path.routable)]
    for path_name, name, milestone in each:
        if milestone is None:
            continue
        claim = "" if path_name else _CLAIM_OF_MILESTONE.get(name, "")
        open_s = milestone.limit_s if milestone.state is State.NOT_YET else None
        yield {
            "path": path_name,
            "milestone": name,
            "claim": claim,
            "state": str(milestone.state),
            **_measured(milestone.at_s or (None if open_s is None else Interval(open_s))),
            **_held(trial.targets.get(claim)),
            "source": milestone.source,
        }


def _phases(path: PathResult) -> Iterator[Row]:
    """Yield the phases of the first durable outage after the fault, and then the time that no phase explains."""
    if path.head is None or path.application:
        return
    for phase in path.head.phases:
        same = {name: getattr(phase, name) for name in ("seconds", "start_s", "end_s", "to")}
        yield {"path": path.name, "phase": phase.name, **same, "least_s": phase.least, "most_s": phase.most}
    yield {"path": path.name, "phase": "unattributed", "seconds": path.head.unattributed_s}


def _losses(trial: TrialResult) -> Iterator[Row]:
    losses = trial.losses
    for name in ("before", "tail", "after"):
        count, target = getattr(losses, name), trial.targets.get(f"lost_{name}")
        yield {
            "loss": name,
            "least": None if count is None else count.least,
            "most": None if count is None else count.most,
            "limit": target.limit if target else None,
            "verdict": target.verdict if target else "",
            "gate": bool(target and target.gate),
            "acknowledged": losses.acknowledged,
            "undecided": losses.undecided,
        }


def _measured(value: Interval | None) -> Row:
    if value is None:
        return {"least_s": None, "most_s": None, "middle_s": None, "censored": False}
    middle_s = math.inf if value.is_open else value.middle
    return {"least_s": value.least, "most_s": value.most, "middle_s": middle_s, "censored": value.is_open}


def _held(target: TargetResult | None) -> Row:
    if target is None:
        return {"limit_s": None, "verdict": "", "gate": False}
    return {"limit_s": target.limit, "verdict": target.verdict, "gate": target.gate}
