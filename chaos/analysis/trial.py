"""One trial, from its directory to its result: what happened, what it means for each path, and what follows."""

from pathlib import Path

from chaos.analysis import quality, verdict
from chaos.analysis.cause import Told, cause
from chaos.analysis.covariates import covariates
from chaos.analysis.happened import Happened
from chaos.analysis.held import held, pointer
from chaos.analysis.history import History
from chaos.analysis.measured import path_results, seen_by_clients
from chaos.analysis.result import Milestone, PathResult, TrialResult
from chaos.analysis.timeline import seen


def analyse_trial(directory: Path) -> TrialResult:
    """What one trial's directory says. A trial that was cut off anywhere has a result too: an inconclusive one."""
    return result(Happened(History.load(directory)))


def result(happened: Happened) -> TrialResult:
    history = happened.history
    targets, paths = held(happened, path_results(happened))
    doubts = quality.doubts(history, happened.paths, happened.failovers)
    conclusion, because = verdict.trial(targets, paths, doubts)
    return TrialResult(
        number=int(history.manifest.get("trial", _number(history))),
        directory=history.recording.directory.name,
        experiment=history.experiment,
        expects=history.expects,
        seed=int(history.manifest.get("seed") or 0),
        t0=history.t0,
        verdict=conclusion,
        because=because,
        faults=happened.faults,
        failovers=happened.failovers,
        milestones=_milestones(happened, paths),
        targets=targets,
        paths=paths,
        losses=happened.losses,
        doubts=doubts,
        covariates=covariates(history, happened.failover, happened.target),
        cause=cause(_told(happened), paths.values()),
        ended=_ended(history),
    )


def _told(happened: Happened) -> Told:
    return Told(
        history=happened.history,
        failover=happened.failover,
        aborted=happened.aborted,
        target=happened.target,
        losses=happened.losses,
    )


def _milestones(happened: Happened, paths: dict[str, PathResult]) -> dict[str, Milestone]:
    """Everything that has a time: the effect, the failover's, the Services', what the clients saw, the healing."""
    history = happened.history
    found = dict(happened.milestones)
    if history.effect_s:
        proof = happened.faults[0].evidence if happened.faults else ""
        found = {"effect": seen(history.effect_s, "fault", proof), **found}
    slices, healed = pointer(paths), history.last("fault.heal_confirmed")
    if slices:
        found["pointer"] = slices
    stable_s = float(history.scenario.get("limits", {}).get("stable", 5.0))
    found |= seen_by_clients(paths, history.end_s, stable_s)
    return found | ({"healed": seen(healed.span, "fault", "healing was confirmed")} if healed else {})


def _ended(history: History) -> str:
    closed = history.recording.closed
    return str(closed.get("ended")) if closed else f"cut off {quality.where(history)}"


def _number(history: History) -> int:
    """By the directory's name, for a trial that died before its manifest."""
    digits = history.recording.directory.name.rpartition("-")[2]
    return int(digits) if digits.isdigit() else 0
