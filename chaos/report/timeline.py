"""One trial on one time axis: the values that figures.py draws and the page repeats as a table.

Times are seconds from t = 0. Operations are gathered into cells of time, so that a picture of a million operations
stays small. Every failed operation is in failed-operations.csv.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chaos.analysis import wording
from chaos.analysis.history import E, Fact, History
from chaos.analysis.operations import Bools
from chaos.analysis.result import TrialResult
from chaos.model import Outcome, split_address
from chaos.record.events import Endpoints, Hiccup, Hiccups, Pod, Role, RoleLost, SentinelSaid
from chaos.record.layout import NOBODY, RecordedClient
from chaos.report.bars import limits_s

Floats = npt.NDArray[np.float64]

CELLS = 480
"""The number of cells of the axis for runs and curves."""
MARKS = 110
"""The number of cells of the axis for single shapes."""
Axis = tuple[float, float]
Change = tuple[float, str, str]

SHOWN = ("+sdown", "-sdown", "+odown", "-odown")
"""The events about the master that are named at the axis. Events about other instances are among the raw lines."""
ALWAYS = ("+try-failover", "+elected-leader", "+promoted-slave", "+switch-master", "+tilt", "-tilt", "-failover-abort")
LEAST_S = 5.0
"""The axis reaches at least this many seconds to both sides of t = 0, if the recording does."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of time in which something held. `ink` names a colour of the palette."""

    start_s: float
    end_s: float
    text: str
    ink: str


@dataclass(frozen=True, slots=True)
class Lane:
    title: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class SentinelMark:
    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class PathOperations:
    """One path's operations. `good` and `stray` are runs, and `bad` has the middles of the cells that hold some.

    `stray` operations are good answers by another node than the final master.
    """

    title: str
    good: tuple[tuple[float, float], ...]
    stray: tuple[tuple[float, float], ...]
    bad: dict[str, tuple[float, ...]]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Curve:
    """The middle and the worst value of each cell, in ms."""

    at_s: Floats
    middle: Floats
    worst: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    title: str
    description: str
    start_s: float
    end_s: float
    band: tuple[float, float]
    limits: tuple[float, ...]
    faults: Lane
    sentinel: tuple[SentinelMark, ...]
    states: tuple[Lane, ...]
    operations: tuple[PathOperations, ...]
    latency: Curve
    lag: Curve


def kinds(history: History, promoted_s: float | None = None) -> dict[str, Bools]:
    """Return a mask of the trial's operations for each kind.

    A `stray` operation is good, but was answered after the promotion by another node than the final master. An
    application client has no deadline of ours, and so is never late.
    """
    ops = history.ops
    ok, metered = ops.outcome == Outcome.OK, sent_by(history, meters(history))
    late = ok & ~ops.good & metered
    good, answered = ok & ~late, ops.node != NOBODY
    last = np.flatnonzero(good & metered & answered)
    final = ops.node[last[ops.due_s[last].argmax()]] if len(last) else NOBODY
    after = np.zeros(len(ops), bool) if promoted_s is None else ops.due_s > promoted_s
    stray = good & after & answered & (ops.node != final)
    return {
        "good": good & ~stray,
        "stray": stray,
        "failed": ops.outcome == Outcome.FAILED,
        "unknown": ops.outcome == Outcome.UNKNOWN,
        "late": late,
        "missed": ops.outcome == Outcome.MISSED,
    }


def sent_by(history: History, clients: Iterable[RecordedClient]) -> Bools:
    """Return a mask of the operations of these clients."""
    return np.isin(history.ops.client, [client.number for client in clients])


def meters(history: History) -> list[RecordedClient]:
    return [client for client in history.clients.values() if client.is_meter]


def operations(
    title: str, at_s: Floats, kinds: dict[str, npt.NDArray[np.bool_]], axis: tuple[float, float]
) -> PathOperations:
    """Return a path's operations by kind: `good` and `stray` as runs, and the others as single shapes."""
    inside = (at_s >= axis[0]) & (at_s < axis[1])
    runs = {name: _runs(at_s[kinds[name] & inside], axis) for name in ("good", "stray")}
    bad = {name: _middles(at_s[mask & inside], axis) for name, mask in kinds.items() if name not in runs}
    counts = {name: int(np.count_nonzero(mask & inside)) for name, mask in kinds.items()}
    return PathOperations(title, runs["good"], runs["stray"], bad, counts)


def curve(at_s: Floats, value: Floats, axis: tuple[float, float], cells: int = CELLS) -> Curve:
    """Return the middle and the worst value of each cell. Cells without values are NaN, and break the line."""
    width = (axis[1] - axis[0]) / cells
    inside = (at_s >= axis[0]) & (at_s < axis[1])
    cell = ((at_s[inside] - axis[0]) / width).astype(np.int64)
    order = np.lexsort((value[inside], cell))
    cell, ordered = cell[order], value[inside][order]
    found, starts, counts = np.unique(cell, return_index=True, return_counts=True)
    middle, worst = np.full(cells, np.nan), np.full(cells, np.nan)
    middle[found], worst[found] = ordered[starts + counts // 2], ordered[starts + counts - 1]
    return Curve(axis[0] + (np.arange(cells, dtype=np.float64) + 0.5) * width, middle, worst)


def runs(changes: list[tuple[float, str, str]], end_s: float) -> tuple[Run, ...]:
    """Return the runs between changes (at, text, ink). A change with an empty text begins a gap."""
    found: list[Run] = []
    for (at, text, ink), (until, *_) in zip(changes, [*changes[1:], (end_s, "", "")], strict=True):
        if found and found[-1].text == text and found[-1].end_s == at:
            found[-1] = Run(found[-1].start_s, until, text, ink)
        elif text and until > at:
            found.append(Run(at, until, text, ink))
    return tuple(found)


def _runs(at_s: Floats, axis: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """Return the stretches of adjacent cells that hold at least one operation."""
    width = (axis[1] - axis[0]) / CELLS
    cells = np.unique(((at_s - axis[0]) / width).astype(np.int64))
    parts = np.split(cells, np.flatnonzero(np.diff(cells) > 1) + 1) if len(cells) else []
    return tuple((axis[0] + part[0] * width, axis[0] + (part[-1] + 1) * width) for part in parts)


def _middles(at_s: Floats, axis: tuple[float, float]) -> tuple[float, ...]:
    width = (axis[1] - axis[0]) / MARKS
    cells = np.unique(((at_s - axis[0]) / width).astype(np.int64))
    return tuple(float(at) for at in axis[0] + (cells + 0.5) * width)


def timeline(history: History, trial: TrialResult) -> Timeline | None:
    """Return a trial's time line, or None if no fault took effect or nothing was sent, since there is no axis then."""
    if history.effect_s is None or not len(history.ops):
        return None
    axis = extent(history, trial)
    faults, states = lanes(history, trial, axis)
    ops = history.ops
    good = kinds(history)["good"] & sent_by(history, meters(history))
    late = [(fact.latest_s, fact.event.late_ns) for fact in history.facts(Hiccup)]
    late += [(fact.latest_s, fact.event.worst_ns) for fact in history.facts(Hiccups)]
    late_at_s, late_ns = np.array(sorted(late), dtype=np.float64).reshape(-1, 2).T
    cells = max(1, min(CELLS, int((axis[1] - axis[0]) / 2)))
    return Timeline(
        title=f"Trial {trial.number}, {trial.experiment}, on one time axis",
        description=f"From {wording.seconds(axis[0])} to {wording.seconds(axis[1])} around t = 0. {trial.cause} "
        "The table below says the same.",
        start_s=axis[0],
        end_s=axis[1],
        band=(0.0, _band_end(trial)),
        limits=tuple(limits_s([trial])),
        faults=faults,
        sentinel=tuple(sentinel_marks(history, axis)),
        states=tuple(states),
        operations=tuple(_operations(history, trial, axis)),
        latency=curve(ops.due_s[good], (ops.done_s[good] - ops.due_s[good]) * 1000, axis),
        lag=curve(late_at_s, late_ns / 1e6, axis, cells=cells),
    )


def lanes(history: History, trial: TrialResult, axis: Axis) -> tuple[Lane, list[Lane]]:
    """Return the lane of the faults, and a lane for what each member and each Service was at each time."""
    faults = []
    for fault in trial.faults:
        if fault.effect_s:
            until = fault.heal_requested_s if fault.heal_requested_s is not None else fault.effect_s.most
            text = f"{fault.name} {', '.join(fault.hit)}".rstrip()
            faults.append(Run(fault.effect_s.least, max(until, fault.effect_s.most), text, "failed"))
    return Lane("fault", tuple(faults)), list(_states(history, axis))


def extent(history: History, trial: TrialResult) -> Axis:
    """Return the time axis: from a little before the fault to a little after its last consequence."""
    first, last = float(history.ops.due_s.min()), history.ops.end_s
    seen = [milestone.at_s.middle for milestone in trial.milestones.values() if milestone.at_s]
    windows = [window.end_s for path in trial.paths.values() for window in path.windows]
    ends = [edge for end_s in windows for edge in ((end_s.least, end_s.most) if end_s else (last,))]
    happened = max([LEAST_S, *seen, *ends, _band_end(trial)]) if trial.expects != "nothing" else last
    end = min(last, happened * 1.06 + LEAST_S)
    return max(first, -max(LEAST_S, 0.08 * end)), max(end, first + 1.0)


def _band_end(trial: TrialResult) -> float:
    healed = [fault.heal_requested_s for fault in trial.faults if fault.heal_requested_s is not None]
    latest = [
        path.recovered_s.most for path in trial.paths.values() if path.recovered_s and not path.recovered_s.is_open
    ]
    return max(healed or latest or [0.0])


def facts(history: History, *kinds: type[E]) -> list[Fact[E]]:
    """Return the events of these kinds, in the order of their latest edges."""
    return sorted((fact for kind in kinds for fact in history.facts(kind)), key=lambda fact: fact.latest_s)


def sentinel_marks(history: History, axis: Axis) -> Iterator[SentinelMark]:
    for fact in history.facts(SentinelSaid):
        channel, payload = fact.event.channel, fact.event.payload
        named = channel.startswith(ALWAYS) or (channel in SHOWN and payload.startswith("master "))
        if named and axis[0] <= fact.latest_s <= axis[1]:
            yield SentinelMark(fact.latest_s, channel)


def _states(history: History, axis: Axis) -> Iterator[Lane]:
    """Yield a lane for what each Redis says it is, for the pod that has the label, and for whom each Service names."""
    told: list[Fact[Role | RoleLost]] = [*history.facts(Role), *history.facts(RoleLost)]
    told.sort(key=lambda fact: fact.latest_s)
    for member, said in _by(told, lambda fact: fact.event.member):
        yield Lane(f"{member} is", runs([_role(fact) for fact in said], axis[1]))
    labels = list(_labels(history))
    if labels:
        yield Lane("master label on", runs(labels, axis[1]))
    asked = {split_address(client.address)[0] for client in history.clients.values() if not client.via_sentinel}
    for service, named in _by(history.facts(Endpoints), lambda fact: fact.event.service):
        if service in asked:
            yield Lane(f"{service} →", runs([_endpoints(fact) for fact in named], axis[1]))


def _by(said: Iterable[Fact[E]], key: Callable[[Fact[E]], str]) -> Iterator[tuple[str, Iterator[Fact[E]]]]:
    """Yield the facts grouped by `key`, each group in the order of time."""
    return itertools.groupby(sorted(said, key=key), key=key)


def _role(fact: Fact[Role | RoleLost]) -> Change:
    if isinstance(fact.event, RoleLost):
        return fact.latest_s, "no answer", "line"
    role = "master" if fact.event.role == "master" else "replica"
    return fact.latest_s, role, role


def _labels(history: History) -> Iterator[Change]:
    value = (history.scenario.system.master_label or "").partition("=")[2] or "master"
    labelled: dict[str, bool] = {}
    for fact in history.facts(Pod):
        labelled[fact.event.name] = fact.event.role == value and not fact.event.gone
        names = ", ".join(sorted(name for name, here in labelled.items() if here))
        yield fact.latest_s, names or "nobody", "master" if names else "line"


def _endpoints(fact: Fact[Endpoints]) -> Change:
    ready = [str(each["pod"] or each["ip"]) for each in fact.event.endpoints if each["ready"]]
    return fact.latest_s, ", ".join(ready) or "nobody", "master" if ready else "line"


def _operations(history: History, trial: TrialResult, axis: Axis) -> Iterator[PathOperations]:
    """Yield a lane for each path, the meters' paths first."""
    promoted, due_s = trial.milestones.get("promoted"), history.ops.due_s
    masks = kinds(history, promoted.at_s.most if promoted and promoted.at_s else None)
    for path, clients in sorted(history.clients_by_path.items(), key=lambda path: not path[1][0].is_meter):
        mine = sent_by(history, clients)
        yield operations(path, due_s[mine], {name: mask[mine] for name, mask in masks.items()}, axis)
