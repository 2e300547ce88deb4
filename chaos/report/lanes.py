"""From a recording to the values of its time line: who was master by whose word, and what each path's clients met."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from chaos.analysis.result import TrialResult
from chaos.model import Event
from chaos.report import words
from chaos.report.placed import Client, Placed, kinds
from chaos.report.timeline import CELLS, Curve, Lane, Mark, Operations, Run, Timeline, curve, operations, runs

Axis = tuple[float, float]
Change = tuple[float, str, str]

SHOWN = ("+sdown", "-sdown", "+odown", "-odown")
"""Sentinel's events about the master that the axis names; those about another instance are among the raw lines."""
ALWAYS = ("+try-failover", "+elected-leader", "+promoted-slave", "+switch-master", "+tilt", "-tilt", "-failover-abort")
LEAST_S = 5.0
"""The axis goes at least so far on both sides of t = 0, where there is that much."""


def timeline(placed: Placed, trial: TrialResult) -> Timeline | None:
    """None where no fault took effect, or nothing was sent: there is no axis then."""
    if placed.t0_ns is None or not any(len(client.at_s) for client in placed.clients):
        return None
    axis = extent(placed, trial)
    latency, lag = _latency(placed, axis), _lag(placed, axis)
    return Timeline(
        title=f"Trial {trial.number}, {trial.experiment}, on one time axis",
        description=f"From {axis[0]:.1f} to {axis[1]:.1f} s around t = 0. {trial.cause} The table below says the same.",
        start_s=axis[0],
        end_s=axis[1],
        band=(0.0, _band_end(trial)),
        limits=tuple(
            sorted({held.limit_s for path in trial.paths.values() for held in path.targets.values() if held.gate})
        ),
        faults=Lane("fault", tuple(_faults(trial))),
        sentinel=tuple(sentinel_marks(placed, axis)),
        states=tuple(_states(placed, axis)),
        operations=tuple(_operations(placed, trial, axis)),
        latency=latency,
        lag=lag,
    )


def extent(placed: Placed, trial: TrialResult) -> Axis:
    """From a little before the fault to a little after the last thing that happened because of it."""
    first = min(float(client.at_s[0]) for client in placed.clients if len(client.at_s))
    last = max(float(client.at_s[-1]) for client in placed.clients if len(client.at_s))
    seen = [words.middle(at) for at in map(words.at, trial.milestones.values()) if at]
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


def sentinel_marks(placed: Placed, axis: Axis) -> Iterator[Mark]:
    for at_s, event in placed.events("sentinel.event"):
        channel, payload = event.fields["channel"], event.fields["payload"]
        named = channel.startswith(ALWAYS) or (channel in SHOWN and payload.startswith("master "))
        if named and axis[0] <= at_s <= axis[1]:
            yield Mark(at_s, channel)


def _states(placed: Placed, axis: Axis) -> Iterator[Lane]:
    """What each pod says it is, whom the label names, and whom each Service's slices name."""
    said = placed.events("role", "role.lost")
    for member, changes in _by(said, lambda event: event.fields["member"]):
        yield Lane(f"{member} is", runs([_role(at_s, event) for at_s, event in changes], axis[1]))
    yield Lane("master label on", runs(list(_labels(placed)), axis[1]))
    asked = {client.about["address"].partition(":")[0] for client in placed.clients if not client.about["via_sentinel"]}
    for service, changes in _by(placed.events("endpoints"), lambda event: event.fields["service"]):
        if service in asked:
            yield Lane(f"{service} →", runs([_endpoints(at_s, event) for at_s, event in changes], axis[1]))


def _by(
    events: Iterator[tuple[float, Event]], key: Callable[[Event], str]
) -> Iterator[tuple[str, list[tuple[float, Event]]]]:
    """Events by whom they are about, each group in the order of time."""
    ordered = sorted(events, key=lambda item: (key(item[1]), item[0]))
    for name, group in itertools.groupby(ordered, key=lambda item: key(item[1])):
        yield name, list(group)


def _role(at_s: float, event: Event) -> Change:
    if event.kind == "role.lost":
        return at_s, "no answer", "line"
    return (at_s, "master", "master") if event.fields["role"] == "master" else (at_s, "replica", "replica")


def _labels(placed: Placed) -> Iterator[Change]:
    kube = placed.recording.manifest.get("scenario", {}).get("system", {}).get("kube", {})
    value = str(kube.get("master_label") or "=master").partition("=")[2]
    labelled: dict[str, bool] = {}
    for at_s, event in placed.events("pod"):
        fields = event.fields
        labelled[fields["name"]] = fields.get("role") == value and not fields.get("gone")
        names = ", ".join(sorted(name for name, here in labelled.items() if here))
        yield at_s, names or "nobody", "master" if names else "line"


def _endpoints(at_s: float, event: Event) -> Change:
    ready = [str(each.get("pod") or each["ip"]) for each in event.fields["endpoints"] if each.get("ready")]
    return at_s, ", ".join(ready) or "nobody", "master" if ready else "line"


def _operations(placed: Placed, trial: TrialResult, axis: Axis) -> Iterator[Operations]:
    promoted = trial.milestones.get("promoted")
    promoted_s = promoted.latest_s if promoted else None
    for path, group in itertools.groupby(placed.clients, key=lambda client: client.path):
        members = list(group)
        each = [kinds(placed, client, promoted_s) for client in members]
        together = {name: np.concatenate([kind[name] for kind in each]) for name in each[0]}
        yield operations(path, np.concatenate([client.at_s for client in members]), together, axis)


def _latency(placed: Placed, axis: Axis) -> Curve:
    meters = [client for client in placed.clients if client.meter]
    good = [(client, kinds(placed, client, None)["good"]) for client in meters]
    at_s = np.concatenate([np.zeros(0), *(client.at_s[mask] for client, mask in good)])
    return curve(at_s, np.concatenate([np.zeros(0), *(_took_ms(client)[mask] for client, mask in good)]), axis)


def _took_ms(client: Client) -> np.ndarray:
    return np.asarray(client.rows["done_us"] / 1000.0)


def _lag(placed: Placed, axis: Axis) -> Curve:
    seen = [
        (at_s, event.fields.get("late_ns", event.fields.get("worst_ns", 0)))
        for at_s, event in placed.events("hiccup", "hiccups")
    ]
    at_s, late_ns = (
        (np.array(column, dtype=np.float64) for column in zip(*seen, strict=True)) if seen else (np.zeros(0),) * 2
    )
    return curve(at_s, late_ns / 1e6, axis, cells=max(1, min(CELLS, int((axis[1] - axis[0]) / 2))))
