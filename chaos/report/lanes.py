"""From a recording to the values of its time line: who was master by whose word, and what each path's clients met."""

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from chaos.analysis.declared import master_value
from chaos.analysis.history import Fact, History
from chaos.analysis.result import TrialResult, middle
from chaos.report.bars import limits_s
from chaos.report.kinds import kinds, meters, sent_by
from chaos.report.timeline import CELLS, Curve, Lane, Mark, Operations, Run, Timeline, curve, operations, runs

Axis = tuple[float, float]
Change = tuple[float, str, str]

SHOWN = ("+sdown", "-sdown", "+odown", "-odown")
"""Sentinel's events about the master that the axis names; those about another instance are among the raw lines."""
ALWAYS = ("+try-failover", "+elected-leader", "+promoted-slave", "+switch-master", "+tilt", "-tilt", "-failover-abort")
LEAST_S = 5.0
"""The axis goes at least so far on both sides of t = 0, where there is that much."""


def timeline(history: History, trial: TrialResult) -> Timeline | None:
    """None where no fault took effect, or nothing was sent: there is no axis then."""
    if history.effect_s is None or not len(history.ops):
        return None
    axis = extent(history, trial)
    return Timeline(
        title=f"Trial {trial.number}, {trial.experiment}, on one time axis",
        description=f"From {axis[0]:.1f} to {axis[1]:.1f} s around t = 0. {trial.cause} The table below says the same.",
        start_s=axis[0],
        end_s=axis[1],
        band=(0.0, _band_end(trial)),
        limits=tuple(limits_s([trial])),
        faults=Lane("fault", tuple(_faults(trial))),
        sentinel=tuple(sentinel_marks(history, axis)),
        states=tuple(_states(history, axis)),
        operations=tuple(_operations(history, trial, axis)),
        latency=_latency(history, axis),
        lag=_lag(history, axis),
    )


def extent(history: History, trial: TrialResult) -> Axis:
    """From a little before the fault to a little after the last thing that happened because of it."""
    first, last = float(history.ops.due_s.min()), history.ops.end_s
    seen = [middle(milestone.span) for milestone in trial.milestones.values() if milestone.span]
    ends = [edge for window in _windows(trial) for edge in (window if window else (last,))]
    happened = max([LEAST_S, *seen, *ends, _band_end(trial)]) if trial.expects != "nothing" else last
    end = min(last, happened * 1.06 + LEAST_S)
    return max(first, -max(LEAST_S, 0.08 * end)), max(end, first + 1.0)


def _windows(trial: TrialResult) -> Iterator[tuple[float, float] | None]:
    return (window.end_s for path in trial.paths.values() for window in path.windows)


def _band_end(trial: TrialResult) -> float:
    healed = [fault.heal_requested_s for fault in trial.faults if fault.heal_requested_s is not None]
    latest = [path.recovered_s[1] for path in trial.paths.values() if path.recovered_s]
    return max(healed or [at_s for at_s in latest if at_s is not None] or [0.0])


def _faults(trial: TrialResult) -> Iterator[Run]:
    for fault in trial.faults:
        if fault.effect_s:
            who = f" {fault.target.name}" if fault.target else ""
            until = fault.heal_requested_s if fault.heal_requested_s is not None else fault.effect_s[1]
            yield Run(fault.effect_s[0], max(until, fault.effect_s[1]), f"{fault.name}{who}", "failed")


def facts(history: History, *kinds: str) -> list[Fact]:
    """Events of these kinds, each at its latest edge, in the order of time."""
    return sorted(itertools.chain(*map(history.facts, kinds)), key=lambda fact: fact.latest_s)


def sentinel_marks(history: History, axis: Axis) -> Iterator[Mark]:
    for fact in history.facts("sentinel.event"):
        channel, payload = fact.get("channel"), fact.get("payload")
        named = channel.startswith(ALWAYS) or (channel in SHOWN and payload.startswith("master "))
        if named and axis[0] <= fact.latest_s <= axis[1]:
            yield Mark(fact.latest_s, channel)


def _states(history: History, axis: Axis) -> Iterator[Lane]:
    """What each pod says it is, whom the label names, and whom each Service's slices name."""
    for member, said in _by(facts(history, "role", "role.lost"), lambda fact: fact.get("member")):
        yield Lane(f"{member} is", runs([_role(fact) for fact in said], axis[1]))
    yield Lane("master label on", runs(list(_labels(history)), axis[1]))
    asked = {client.address.partition(":")[0] for client in history.clients.values() if not client.via_sentinel}
    for service, said in _by(history.facts("endpoints"), lambda fact: fact.get("service")):
        if service in asked:
            yield Lane(f"{service} →", runs([_endpoints(fact) for fact in said], axis[1]))


def _by(said: Iterable[Fact], key: Callable[[Fact], str]) -> Iterator[tuple[str, Iterator[Fact]]]:
    """Facts by whom they are about, each group in the order of time."""
    return itertools.groupby(sorted(said, key=key), key=key)


def _role(fact: Fact) -> Change:
    if fact.kind == "role.lost":
        return fact.latest_s, "no answer", "line"
    role = "master" if fact.get("role") == "master" else "replica"
    return fact.latest_s, role, role


def _labels(history: History) -> Iterator[Change]:
    value = master_value(history) or "master"
    labelled: dict[str, bool] = {}
    for fact in history.facts("pod"):
        labelled[fact.get("name")] = fact.get("role") == value and not fact.get("gone")
        names = ", ".join(sorted(name for name, here in labelled.items() if here))
        yield fact.latest_s, names or "nobody", "master" if names else "line"


def _endpoints(fact: Fact) -> Change:
    ready = [str(each.get("pod") or each["ip"]) for each in fact.get("endpoints") if each.get("ready")]
    return fact.latest_s, ", ".join(ready) or "nobody", "master" if ready else "line"


def _operations(history: History, trial: TrialResult, axis: Axis) -> Iterator[Operations]:
    """A lane a path: the meters' first, each in the order of its clients."""
    promoted, due_s = trial.milestones.get("promoted"), history.ops.due_s
    masks = kinds(history, promoted.latest_s if promoted else None)
    for path, clients in sorted(history.paths.items(), key=lambda path: not path[1][0].is_meter):
        mine = sent_by(history, clients)
        yield operations(path, due_s[mine], {name: mask[mine] for name, mask in masks.items()}, axis)


def _latency(history: History, axis: Axis) -> Curve:
    ops = history.ops
    good = kinds(history)["good"] & sent_by(history, meters(history))
    return curve(ops.due_s[good], (ops.done_s[good] - ops.due_s[good]) * 1000, axis)


def _lag(history: History, axis: Axis) -> Curve:
    seen = [
        (fact.latest_s, fact.get("late_ns") or fact.get("worst_ns") or 0)
        for fact in facts(history, "hiccup", "hiccups")
    ]
    at_s, late_ns = np.array(seen, dtype=np.float64).reshape(-1, 2).T
    return curve(at_s, late_ns / 1e6, axis, cells=max(1, min(CELLS, int((axis[1] - axis[0]) / 2))))
