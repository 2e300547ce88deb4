"""Analyses one trial, from its directory to its result. Each step is a section of docs/measuring.md."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from chaos import findings
from chaos.analysis.allowed import allowed_s
from chaos.analysis.cause import cause
from chaos.analysis.doubts import doubts, where
from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.lateness import suspect, waited_s
from chaos.analysis.losses import find_losses
from chaos.analysis.measured import Measured
from chaos.analysis.milestones import FAILOVER, detection, failover, of_attempt
from chaos.analysis.paths import measure
from chaos.analysis.phases import with_phases
from chaos.analysis.rearmed import rearmed
from chaos.analysis.result import NOT_APPLICABLE, Milestone, PathResult, State, TrialResult
from chaos.analysis.sentinels import Attempt, Said, attempts, everything_said, failover_was_due
from chaos.analysis.targets import hold, service_pointer
from chaos.analysis.verdict import of_trial
from chaos.operators.operator import Operator
from chaos.operators.spotahome.room import Spotahome
from chaos.record.events import Hiccups, Pressure, RandomWait, SentinelAddress

ROOMS: dict[str, type[Operator]] = {room.name: room for room in (Operator, Spotahome)}
"""The class that knows each kind of operator, by the name that a scenario gives as `system.operator`."""


def analyse_trial(directory: Path) -> TrialResult:
    """Return the result of one trial's directory. The result of a trial that was cut off is inconclusive."""
    return result(measured_in(History.load(directory)))


def measured_in(history: History) -> Measured:
    """Return everything that the recording of a trial shows, before it is compared with any promise."""
    operator = ROOMS.get(history.scenario.system.operator, Operator)()
    losses = find_losses(history)
    said = tuple(everything_said(history))
    tried = tuple(attempts(list(said)))
    after = [number for number, attempt in enumerate(tried) if attempt.started.at_s.most > 0]
    chosen = next(iter([*(number for number in after if tried[number].completed), *after]), None)
    measured = Measured(
        history=history,
        operator=operator,
        losses=losses,
        said=said,
        attempts=tried,
        failovers=tuple(failover(history, one, operator) for one in tried),
        chosen=chosen,
        milestones=_milestones(history, None if chosen is None else tried[chosen], said, operator),
        paths=measure(history, suspect(history), decided=not losses.undecided),
    )
    return replace(measured, paths={name: with_phases(measured, path) for name, path in measured.paths.items()})


def result(measured: Measured) -> TrialResult:
    """Return the result of a trial: explain what was measured, compare it with the promises, and judge it."""
    history = measured.history
    found = findings.find(measured)
    targets, paths = hold(measured)
    paths = {name: replace(path, allowed_s=allowed_s(measured, path)) for name, path in paths.items()}
    doubted = doubts(measured)
    verdict, because = of_trial(targets, paths, doubted)
    closed, directory = history.recording.closed, history.recording.directory.name
    named = directory.rpartition("-")[2]  # all that is known if the trial ended before its manifest was written
    return TrialResult(
        number=int(history.manifest.get("trial", named if named.isdigit() else 0)),
        directory=directory,
        experiment=history.experiment,
        expects=history.expects,
        seed=int(history.manifest.get("seed") or 0),
        t0=history.t0,
        verdict=verdict,
        because=because,
        faults=history.faults,
        failovers=measured.failovers,
        milestones=_with_what_clients_saw(measured, paths),
        targets=targets,
        paths=paths,
        losses=measured.losses,
        findings=found,
        doubts=doubted,
        covariates=_covariates(measured),
        cause=cause(measured, paths.values(), found),
        ended=str(closed.get("ended")) if closed else f"cut off {where(history)}",
        group=measured.operator.group(measured.target, measured.successor),
        variant=str(history.manifest.get("variant", "")),
        stands_for=history.stands_for,
    )


def _milestones(
    history: History, attempt: Attempt | None, said: tuple[Said, ...], operator: Operator
) -> dict[str, Milestone]:
    """Return the milestones of the failover, or of a failover that was due.

    If no failover was due, its steps do not apply, except +sdown and +odown if a Sentinel reported them. A control
    without a failover has no milestones.
    """
    if attempt is None and history.expects == "nothing":
        return {}
    found = of_attempt(history, attempt, operator)
    if attempt is not None:
        return found
    called_down = detection(history, None, said)
    if failover_was_due(history, said) or not history.facts(SentinelAddress):
        return found | called_down
    told = {name: it if it.state is State.SEEN else NOT_APPLICABLE for name, it in called_down.items()}
    return dict.fromkeys(FAILOVER, NOT_APPLICABLE) | told


def _with_what_clients_saw(measured: Measured, paths: dict[str, PathResult]) -> dict[str, Milestone]:
    """Return all milestones: the effect, the failover's steps, the Services, what clients saw, and the healing."""
    history, origin = measured.history, measured.origin
    found = dict(measured.milestones)
    if history.effect_s and origin:
        found = {"effect": Milestone.seen(history.effect_s, "fault", origin.evidence), **found}
    slices = service_pointer(paths.values())
    if slices:
        found["pointer"] = slices
    windows = [(path.name, window) for path in measured.working for window in path.windows if window.when != "before"]
    if windows:
        first = min(windows, key=lambda one: one[1].onset_s)
        found["first_failed"] = Milestone.seen(first[1].onset_s, "client", f"{first[0]}: the first bad operation")
        back = [(window.end_s, name) for name, window in windows if window.end_s]
        if back:
            at_s, name = min(back)
            found["first_good"] = Milestone.seen(at_s, "client", f"{name}: the first good operation")
        stable_s, last = history.scenario.limits.stable, max(back, default=None)
        found["stable"] = Milestone(state=State.NOT_YET, limit_s=history.end_s, source="client")
        if last and len(back) == len(windows) and history.end_s - last[0].most >= stable_s:
            text = f"{last[1]} was the last to be back; nothing bad for {stable_s:g} s after it"
            found["stable"] = Milestone.seen(last[0], "client", text)
    healed = [fault.heal_confirmed_s for fault in history.faults if fault.heal_confirmed_s is not None]
    if healed:
        found["healed"] = Milestone.seen(Interval.at(max(healed)), "fault", "healing was confirmed")
    if armed := rearmed(history, measured.said):
        found["rearmed"] = armed
    return found


def _covariates(measured: Measured) -> dict[str, Any]:
    """Return what else may explain a trial: which member was hit, which was promoted, settings, versions, and load."""
    history, target, promoted = measured.history, measured.target, measured.successor
    wait = history.last(RandomWait)
    pressure = [fact.event for fact in history.facts(Pressure) if fact.latest_s > 0]
    some10 = [one.some10 for one in pressure if one.some10 is not None]
    manifest, cluster = history.manifest, history.manifest.get("cluster", {})
    versions = (manifest.get("versions", {}), cluster.get("platform", {}), cluster.get("images", {}))
    errors_ns = {domain: history.clocks.error_ns(domain) for domain in history.clocks.domains}
    return {
        "target": target.name if target else None,
        "target_ordinal": target.ordinal if target else None,
        "successor": promoted.name if promoted else None,
        "successor_ordinal": promoted.ordinal if promoted else None,
        "random_wait_s": wait.event.seconds if wait else None,
        "period_s": history.scenario.system.period,
        "system": history.manifest.get("system"),
        "deadline_s": history.deadline_s,
        "effect_width_s": history.width_s,
        "clock_error_s": {domain: None if ns is None else ns / 1e9 for domain, ns in errors_ns.items()},
        "lag_worst_s": max(
            (fact.event.worst_ns / 1e9 for fact in history.facts(Hiccups) if fact.latest_s > 0), default=None
        ),
        "cpu_pressure_percent": max(some10, default=None),
        "cpu_waited_s": waited_s(history, Interval(0.0, history.end_s)),
        "load1": max((one.load1 for one in pressure), default=None),
        "settings": _settings(history),
        "versions": {name: str(value) for part in versions for name, value in part.items()},
        **measured.operator.covariates(history),
    }


def _settings(history: History) -> dict[str, object]:
    """Return the effective settings by component: one value if all members agree, else the value of each member."""
    found: dict[str, object] = {}
    for component, members in sorted(history.recording.settings.items()):
        names = sorted({name for values in members.values() for name in values})
        of_each = {name: {member: values.get(name) for member, values in members.items()} for name in names}
        found[component] = {
            name: next(iter(values.values())) if len(set(map(str, values.values()))) == 1 else values
            for name, values in of_each.items()
        }
    return found
