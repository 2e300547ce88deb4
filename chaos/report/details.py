"""A trial in detail: the rows of the tables that the page and the summary unfold."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import astuple, replace
from textwrap import shorten

from chaos.analysis import wording
from chaos.analysis.result import (
    Counts,
    FailoverResult,
    FaultRecord,
    Losses,
    LostSpell,
    Milestone,
    Node,
    PathResult,
    Tasks,
    TrialResult,
    Verdict,
    Window,
)

Row = tuple[str, ...]
WINDOWS = 12
"""How many outages of a path are shown. Further ones are only counted."""
APPLICATION_TITLES = (
    "client",
    "library",
    "time-outs and retries",
    "outage",
    "longest call",
    "errors",
    "at the end",
    "tasks",
)
"""The titles of the table of application clients."""


def ways(paths: Iterable[PathResult]) -> list[PathResult]:
    """Return the paths as a table shows them: the paths of an address that never worked are one row.

    This row counts the operations of all these paths. Example: given/new and given/kept are `given/new and given/kept`.
    """
    found: list[PathResult] = []
    never: dict[str, list[PathResult]] = {}
    for path in paths:
        if path.state == "never worked":
            never.setdefault(path.name.partition("/")[0], []).append(path)
        else:
            found.append(path)
    return [*found, *(each[0] if len(each) == 1 else _together(each) for each in never.values())]


def _together(each: list[PathResult]) -> PathResult:
    counts = [one.operations for one in each]
    return replace(
        each[0],
        name=wording.listed(one.name for one in each),
        state_why="; ".join(dict.fromkeys(one.state_why for one in each)),
        operations=Counts(
            sent=sum(one.sent for one in counts),
            ok=sum(one.ok for one in counts),
            failed=sum(one.failed for one in counts),
            unknown=sum(one.unknown for one in counts),
            missed=sum(one.missed for one in counts),
        ),
        errors=dict(sum((Counter(one.errors) for one in each), Counter())),
    )


def fault_text(trial: TrialResult) -> str:
    return ", ".join(fault.of_whom for fault in trial.faults)


def milestones(trial: TrialResult) -> list[tuple[str, Milestone]]:
    """Return the milestones in the order of time. Those that were not seen come last."""
    never = float("inf")
    return sorted(trial.milestones.items(), key=lambda item: item[1].at_s.least if item[1].at_s else never)


def fault_row(fault: FaultRecord) -> Row:
    healed = f"{wording.time(fault.heal_requested_s)}, done {wording.time(fault.heal_confirmed_s)}"
    return (
        fault.name,
        ", ".join(_node(one) for one in (fault.target, *fault.others)),
        wording.time(fault.requested_s),
        wording.time(fault.accepted_s),
        wording.span(fault.effect_s, none="not seen"),
        wording.time(fault.confirmed_s, "not proved"),
        "–" if fault.heal_requested_s is None else healed,
        (fault.unproved or fault.evidence or "–") + (f"; healed: {fault.healed_by}" if fault.healed_by else ""),
    )


def failover_row(failover: FailoverResult) -> Row:
    return (
        str(failover.epoch),
        failover.kind,
        failover.leader or "–",
        _node(failover.successor),
        failover.aborted or "no",
        _each(failover.per_sentinel),
        _each(failover.per_replica),
    )


def window_rows(trial: TrialResult) -> list[Row]:
    """Return rows for the first WINDOWS outages of each path, and for how many more there are.

    An outage that is the same as clients saw it and with lost writes counted as bad is one row.
    """
    found: list[Row] = []
    for path in trial.paths.values():
        alike: dict[tuple[object, ...], list[Window]] = {}
        for window in path.windows:
            alike.setdefault((window.onset_s, window.end_s, window.when), []).append(window)
        found += [_window(path, same) for same in [*alike.values()][:WINDOWS]]
        if len(alike) > WINDOWS:
            found.append((path.name, f"{len(alike) - WINDOWS} more", *"–––––"))
    return found


def _window(path: PathResult, same: list[Window]) -> Row:
    window, kinds = same[0], " and ".join(sorted((each.kind for each in same), reverse=True))
    kind = kinds if window.when == "fault" else f"{kinds}, {window.when}{' the fault' * (window.when == 'before')}"
    end = wording.span(window.end_s, none=f"not over at {window.censored}")
    phases = ", ".join(f"{phase.name} {wording.number(phase.seconds)}" for phase in window.phases) or "–"
    wider = f" (its {' and '.join(window.widened)} met a stall or a wait for a core)" if window.widened else ""
    length = wording.span(window.length_s) + wider
    unattributed = wording.time(window.unattributed_s) if window.phases else "–"
    return (path.name, kind, wording.span(window.onset_s), end, length, phases, unattributed)


def loss_row(spell: LostSpell) -> Row:
    return tuple(map(_cell, astuple(spell)))


def losses(trial: TrialResult) -> str:
    known = trial.losses
    if known.lost is None:
        return lost_text(known)
    kept = f"{wording.count(known.recovered)} of those whose outcome was unknown were there" if known.recovered else ""
    text = f"{lost_text(known)} of {wording.count(known.acknowledged)} acknowledged writes were missing at the audit"
    return "; ".join(part for part in (text, kept) if part)


def lost_text(known: Losses) -> str:
    """Return how many writes are lost in all classes. It is an interval if several masters hold different keys."""
    if known.lost is None:
        return f"undecided: {known.undecided}"
    return wording.counted(known.lost)


def not_ok(path: PathResult) -> str:
    counts = path.operations
    known = {"failed": counts.failed, "unknown": counts.unknown, "missed": counts.missed}
    text = ", ".join(f"{wording.count(value)} {name}" for name, value in known.items() if value) or "none"
    errors = ", ".join(
        f"{name} {wording.count(value)}" for name, value in sorted(path.errors.items(), key=lambda it: -it[1])
    )
    return f"{text} ({errors})" if errors else text


def application_rows(paths: Iterable[PathResult]) -> list[Row]:
    """Return a row of APPLICATION_TITLES for each path of application clients, in the scenario's order."""
    found: list[Row] = []
    for path, met in ((path, path.calls) for path in paths if path.calls):
        settings = ", ".join(f"{name} {value or 'none'}" for name, value in met.settings.items())
        errors = met.classes or path.errors  # by the library's classes if the client reported them, else by our codes
        at_end = {"works": "works", "out": "out", "unknown": "–"}[path.at_end]
        if path.never_again:
            at_end = f"never again: {path.never_again}"
        if met.hung:
            at_end = "a call had not ended"
        found.append(
            (
                path.name.removesuffix("/kept"),
                met.library or path.about,
                settings or "not told",
                wording.span(
                    path.outage_s, none="none" if path.state == "works" else f"{path.state}: {path.state_why}"
                ),
                wording.longest_call(path),
                ", ".join(f"{wording.count(count)} {name}" for name, count in errors.items()) or "none",
                met.gone or at_end,
                tasks_text(met.tasks),
            )
        )
    return found


def tasks_text(tasks: Tasks | None) -> str:
    """Format what became of a worker's tasks.

    Example: `190 of 200 done, 10 lost, 0 twice, 0 stuck, 2 without a result; the worker was back at 12.31 s`.
    """
    if tasks is None:
        return "–"
    lost = "lost: the broker could not be asked" if tasks.lost is None else f"{wording.count(tasks.lost)} lost"
    done = f"{wording.count(tasks.done)} of {wording.count(tasks.accepted)} done"
    counted = f"{done}, {lost}, {wording.count(tasks.twice)} twice, {wording.count(tasks.stuck)} stuck"
    if tasks.unknown is not None:
        counted += f", {wording.count(tasks.unknown)} without a result"
    if tasks.ended_s is not None:
        return f"{counted}; the worker ended at {wording.seconds(tasks.ended_s, 1)} with {tasks.ended}"
    if tasks.after == 0:
        return f"{counted}; none was handed over after the fault"
    if tasks.back_s is None:
        return f"{counted}; the worker did not pause"
    if tasks.back_s.is_open:
        return f"{counted}; the worker never came back"
    return f"{counted}; the worker was back at {wording.seconds(tasks.back_s.middle, 2)}"


def covariate_rows(trials: tuple[TrialResult, ...]) -> list[Row]:
    """Return the covariates of each trial, except settings and versions, which have a section of their own."""
    beside = {
        trial.number: {name: it for name, it in trial.covariates.items() if name not in ("settings", "versions")}
        for trial in trials
    }
    return [(str(number), name, value) for number, them in beside.items() for name, value in flat(them)]


def doubt_rows(trials: tuple[TrialResult, ...], most: int) -> list[Row]:
    """Return rows for `most` doubts, and for how many more there are. Doubts that void something are preferred."""
    told = [(trial.number, doubt) for trial in trials for doubt in trial.doubts]
    shown = sorted(told, key=lambda one: not one[1].voids) if len(told) > most else told
    found: list[Row] = [
        (str(number), doubt.name, doubt.path or "the trial", doubt.text, "inconclusive" if doubt.voids else "no")
        for number, doubt in shown[:most]
    ]
    more = len(told) - most
    return [*found, ("–", f"{more} more", "–", "in summary.json", "–")] if more > 0 else found


def short_row(trial: TrialResult) -> Row:
    """Return a trial's row: number, experiment, verdict, when its last path was back, and what was lost.

    For an inconclusive trial, the reason stands in place of when its last path was back.
    """
    back = [(it.recovered_s, it.name) for it in trial.paths.values() if it.recovered_s and not it.application]
    last = max(back, key=lambda one: float("inf") if one[0].is_open else one[0].middle, default=None)
    lost = lost_text(trial.losses)
    why = shorten(trial.because[0], 90) if trial.because and trial.verdict is Verdict.INCONCLUSIVE else ""
    when = f"{wording.span(last[0])}, {last[1]}" if last else "no outage"
    return (str(trial.number), trial.experiment, f"{wording.SIGNS[trial.verdict]} {trial.verdict}", why or when, lost)


def flat(value: object, name: str = "") -> list[tuple[str, str]]:
    """Return a tree of values as rows of (place, value), in the order of its keys."""
    if isinstance(value, dict) and value:
        return [line for key in value for line in flat(value[key], f"{name} {key}".strip().replace("_", " "))]
    return [(name, _cell(value))] if name else []


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return wording.brief(value)
    if isinstance(value, list | tuple):
        return ", ".join(_cell(each) for each in value) or "–"
    return str(value)


def _node(node: Node | None) -> str:
    if node is None:
        return "–"
    return f"{node.name} ({node.address})" if node.address else node.name


def _each(milestones: dict[str, Milestone]) -> str:
    return ", ".join(f"{name} {wording.milestone(milestone)}" for name, milestone in milestones.items()) or "–"
