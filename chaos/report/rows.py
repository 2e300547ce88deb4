"""A trial's values as the rows of the page's tables: text only, in the words of `chaos.report.words`."""

from dataclasses import astuple
from textwrap import shorten

from chaos.analysis.interval import Interval
from chaos.analysis.result import (
    Failover,
    FaultRecord,
    Losses,
    Milestone,
    Node,
    PathResult,
    TrialResult,
    Verdict,
    Window,
)
from chaos.report import words

Row = tuple[str, ...]


def fault_text(trial: TrialResult) -> str:
    return ", ".join(f"{fault.name} of {fault.target.name}" if fault.target else fault.name for fault in trial.faults)


def milestones(trial: TrialResult) -> list[tuple[str, Milestone]]:
    """In the order of time; what was not seen comes last."""
    never = float("inf")
    return sorted(trial.milestones.items(), key=lambda item: item[1].at_s.least if item[1].at_s else never)


def fault_rows(trial: TrialResult) -> list[Row]:
    return [_fault(fault) for fault in trial.faults]


def _fault(fault: FaultRecord) -> Row:
    healed = (
        "–" if fault.heal_requested_s is None else f"{_s(fault.heal_requested_s)}, done {_s(fault.heal_confirmed_s)}"
    )
    times = (_s(fault.requested_s), _s(fault.accepted_s), words.span(fault.effect_s, none="not seen"))
    return (fault.name, _node(fault.target), *times, _s(fault.confirmed_s, "not proved"), healed, fault.evidence or "–")


def failover_rows(trial: TrialResult) -> list[Row]:
    return [_failover(failover) for failover in trial.failovers]


def _failover(failover: Failover) -> Row:
    who = (
        str(failover.epoch),
        failover.kind,
        failover.leader or "–",
        _node(failover.successor),
        failover.aborted or "no",
    )
    return (*who, _each(failover.per_sentinel), _each(failover.per_replica))


def window_rows(trial: TrialResult, most: int = 12) -> list[Row]:
    """Of each path no more than `most`; the rest is counted."""
    return [row for path in trial.paths.values() for row in _windows(path, most)]


def _windows(path: PathResult, most: int) -> list[Row]:
    """One that was seen and is durable alike is told once."""
    kinds: dict[tuple[object, ...], list[Window]] = {}
    for window in path.windows:
        kinds.setdefault((window.onset_s, window.end_s, window.when), []).append(window)
    rows = [_window(path, same) for same in kinds.values()]
    more = (path.name, f"{len(rows) - most} more", *"–––––")
    return [*rows[:most], more] if len(rows) > most else rows


def _window(path: PathResult, same: list[Window]) -> Row:
    window, kinds = same[0], " and ".join(sorted((each.kind for each in same), reverse=True))
    kind = kinds if window.when == "fault" else f"{kinds}, {window.when}{' the fault' * (window.when == 'before')}"
    end = words.span(window.end_s, none=f"not over at {window.censored}")
    phases = ", ".join(f"{phase.name} {words.number(phase.seconds)}" for phase in window.phases) or "–"
    wider = f" (its {' and '.join(window.widened)} met a stall or a wait for a core)" if window.widened else ""
    length = words.span(window.length_s) + wider
    unattributed = _s(window.unattributed_s) if window.phases else "–"
    return (path.name, kind, words.span(window.onset_s), end, length, phases, unattributed)


def loss_rows(trial: TrialResult) -> list[Row]:
    return [tuple(map(_cell, astuple(spell))) for spell in trial.losses.places]


def losses(trial: TrialResult) -> str:
    known = trial.losses
    if known.lost is None:
        return f"undecided: {known.undecided}"
    kept = f"{words.count(known.recovered)} of those whose outcome was unknown were there" if known.recovered else ""
    text = f"{lost_text(known)} of {words.count(known.acknowledged)} acknowledged writes were missing at the audit"
    return "; ".join(part for part in (text, kept) if part)


def lost_text(known: Losses) -> str:
    """How many writes are lost in all classes; an interval where the masters hold different keys."""
    if known.lost is None:
        return "undecided"
    least, most = words.count(round(known.lost.least)), words.count(round(known.lost.most))
    return least if least == most else f"{least} to {most}"


def not_ok(path: PathResult) -> str:
    counts = path.operations
    known = {"failed": counts.failed, "unknown": counts.unknown, "missed": counts.missed}
    text = ", ".join(f"{words.count(value)} {name}" for name, value in known.items() if value) or "none"
    errors = ", ".join(
        f"{name} {words.count(value)}" for name, value in sorted(path.errors.items(), key=lambda it: -it[1])
    )
    return f"{text} ({errors})" if errors else text


def covariate_rows(trials: tuple[TrialResult, ...]) -> list[Row]:
    return [(str(trial.number), name, value) for trial in trials for name, value in flat(_beside(trial))]


def _beside(trial: TrialResult) -> dict[str, object]:
    """The covariates but for the settings, which have a section of their own."""
    return {name: value for name, value in trial.covariates.items() if name != "settings"}


def doubt_rows(trials: tuple[TrialResult, ...], most: int) -> list[Row]:
    """Those that decide first where not all are shown; the rest is counted."""
    told = [(trial.number, doubt) for trial in trials for doubt in trial.doubts]
    shown = sorted(told, key=lambda one: not one[1].voids) if len(told) > most else told
    found: list[Row] = [
        (str(number), doubt.name, doubt.path or "the trial", doubt.text, "inconclusive" if doubt.voids else "no")
        for number, doubt in shown[:most]
    ]
    more = len(told) - most
    return [*found, ("–", f"{more} more", "–", "in summary.json", "–")] if more > 0 else found


def short_row(trial: TrialResult) -> Row:
    """A trial in a line: number, experiment, verdict, when its last path was back, what was lost, or why not known."""
    back = [path for path in trial.paths.values() if path.recovered_s and not path.application]
    last = max(back, key=lambda path: _end_s(path.recovered_s), default=None)
    lost = lost_text(trial.losses)
    why = shorten(trial.because[0], 90) if trial.because and trial.verdict is Verdict.INCONCLUSIVE else ""
    when = f"{words.span(last.recovered_s)}, {last.name}" if last else "no outage"
    return (str(trial.number), trial.experiment, f"{words.SIGNS[trial.verdict]} {trial.verdict}", why or when, lost)


def _end_s(recovered_s: Interval | None) -> float:
    assert recovered_s is not None
    return float("inf") if recovered_s.is_open else recovered_s.middle


def flat(value: object, name: str = "") -> list[tuple[str, str]]:
    """A tree of values as lines of (where, value), in the order of its keys."""
    if isinstance(value, dict) and value:
        return [line for key in value for line in flat(value[key], f"{name} {key}".strip().replace("_", " "))]
    return [(name, _cell(value))] if name else []


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) >= 1e6 else words.number(value).rstrip("0").rstrip(".")
    if isinstance(value, list | tuple):
        return ", ".join(_cell(each) for each in value) or "–"
    return str(value)


def _node(node: Node | None) -> str:
    if node is None:
        return "–"
    return f"{node.name} ({node.address})" if node.address else node.name


def _each(milestones: dict[str, Milestone]) -> str:
    return ", ".join(f"{name} {words.milestone(milestone)}" for name, milestone in milestones.items()) or "–"


def _s(value: float | None, none: str = "–") -> str:
    return none if value is None else words.joined(words.number(value), "s")
