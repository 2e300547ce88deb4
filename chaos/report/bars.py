"""The phase bars: one bar for each trial and path, in per cent so that the same bar fits a desk and a phone.

This file has only the geometry. The template draws it, as shapes with presentation attributes and patterns, with a
table of the same figures.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from chaos.analysis import wording
from chaos.analysis.interval import Interval
from chaos.analysis.result import CampaignResult, Group, PathResult, TrialResult, Window
from chaos.report.many import group_title, is_many

UNATTRIBUTED, LATER = "unattributed", "later window"
COLUMNS = 60
"""How many trials a strip shows. A screen shows no more side by side."""
ROOM = 1.04
"""The axis is longer than the longest bar by this factor, so that an open end and the target's label can be seen."""


class Pattern(NamedTuple):
    """How a segment of a bar looks.

    `kind` is solid, or the shape that is drawn over the colour. `about` is for the legend.
    """

    colour: str
    kind: str
    about: str


PHASES = {
    "trigger": Pattern("#999999", "up", "until a Sentinel, asked to fail over, began"),
    "detection": Pattern("#0072b2", "solid", "until a Sentinel called the master down"),
    "quorum": Pattern("#56b4e9", "dots", "until enough Sentinels agreed"),
    "election": Pattern("#009e73", "up", "until a leader was elected"),
    "promotion": Pattern("#f0e442", "cross", "until the replica was a master"),
    "endpoint": Pattern("#d55e00", "down", "until the address named the new master"),
    "routing": Pattern("#cc79a7", "dots", "until the address led there"),
    "reconnection": Pattern("#e69f00", "across", "until the clients used it"),
    "unattributed": Pattern("#fdfdfd", "cross", "no phase explains it"),
    "later window": Pattern("#c9d1d9", "up", "another outage after the first"),
}
"""Maps the name of each segment to how it looks, in the order of a failover."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar, in per cent of the axis. `text` is its length with its error."""

    name: str
    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    trial: int
    experiment: str
    path: str
    total: str
    segments: tuple[Segment, ...]
    open_end: bool
    end: float

    def text_of(self, name: str) -> str:
        """Return how long a phase took in this bar, as the chart's table shows it."""
        return ", ".join(segment.text for segment in self.segments if segment.name == name) or "–"


@dataclass(frozen=True, slots=True)
class Chart:
    """All bars on one axis. `limits` are promised times, and `ticks` are round seconds, each as (per cent, text)."""

    bars: tuple[Bar, ...]
    phases: tuple[str, ...]
    limits: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    left_out: int

    @property
    def experiments(self) -> dict[str, list[Bar]]:
        """The bars by experiment, in the order in which the experiments were played."""
        names = dict.fromkeys(bar.experiment for bar in self.bars)
        return {name: [bar for bar in self.bars if bar.experiment == name] for name in names}


def chart(result: CampaignResult, most: int = 48) -> Chart:
    """Return the longest `most` bars, grouped by experiment and path, the longest first.

    If there are many trials, only a third as many bars are drawn.
    """
    drawn = [
        (trial, path)
        for trial in result.trials
        for path in trial.paths.values()
        if first(path) and not path.application
    ]
    most = most // 3 if is_many(result.trials) else most
    longest = sorted(drawn, key=lambda item: -end_s(item[1]))[:most]
    axis_s = max([end_s(path) for _, path in longest] + limits_s(result.trials) + [1.0]) * ROOM
    experiments = list(dict.fromkeys(trial.experiment for trial, _ in drawn))
    paths = list(dict.fromkeys(path.name for _, path in drawn))
    longest.sort(key=lambda item: (experiments.index(item[0].experiment), paths.index(item[1].name), -end_s(item[1])))
    bars = tuple(bar_of(trial, path, axis_s) for trial, path in longest)
    return Chart(
        bars=bars,
        phases=tuple(name for name in PHASES if any(segment.name == name for bar in bars for segment in bar.segments)),
        limits=limits(result.trials, axis_s),
        ticks=ticks(axis_s),
        left_out=len(drawn) - len(longest),
    )


@dataclass(frozen=True, slots=True)
class Strip:
    """One path over the trials of a group, the shortest outage first.

    `phases` has what each phase took in each trial.
    """

    path: str
    phases: Mapping[str, tuple[float, ...]]

    @property
    def totals(self) -> tuple[float, ...]:
        return tuple(map(sum, zip(*self.phases.values(), strict=True)))


def strips(result: CampaignResult) -> dict[str, tuple[Strip, ...]]:
    """Return the strips of each group, by the group's title, if there are many trials.

    Of too many trials, every nth by rank is shown. An outage that was not over is as long as it was watched. Time that
    no phase explains is `unattributed`.
    """
    found: dict[str, tuple[Strip, ...]] = {}
    for group in result.groups if is_many(result.trials) else ():
        mine, outages = set(group.trials), dict[str, list[dict[str, float]]]()
        for trial in result.trials:
            for path in trial.paths.values() if trial.number in mine else ():
                head = first(path)
                if head and path.working:
                    lengths: dict[str, float] = {}
                    for name, start, stop, _ in _stretches(head):
                        lengths[name] = lengths.get(name, 0.0) + stop - start
                    outages.setdefault(path.name, []).append(lengths)
        if outages:
            found[group_title(group)] = tuple(_strip(name, each) for name, each in outages.items())
    return found


def _strip(path: str, outages: list[dict[str, float]]) -> Strip:
    ordered = sorted(outages, key=lambda one: sum(one.values()))
    step = max(1, -(-len(ordered) // COLUMNS))
    shown = ordered[::-1][::step][::-1]  # the longest is always there
    names = [name for name in PHASES if any(name in one for one in shown)]
    return Strip(path, {name: tuple(one.get(name, 0.0) for one in shown) for name in names})


def phase_rows(group: Group) -> list[tuple[str, ...]]:
    """Return (path, phase, n, median, its 95 % interval, most) for each phase over the trials of a group."""
    rows: list[tuple[str, ...]] = []
    for figure, spread in group.figures.items():
        path, colon, phase = figure.partition(": ")
        if colon and spread.n and spread.median is not None and spread.maximum is not None:
            low, high = (wording.number(edge) if edge is not None else "?" for edge in spread.interval)
            median, most = wording.number(spread.median), wording.number(spread.maximum)
            rows.append((path, phase, str(spread.n), median, f"{low} to {high}", most))
    return rows


def first(path: PathResult) -> Window | None:
    """Return the window that a path's phases are about: its first durable one, or else the first that was seen."""
    mine = [window for window in path.windows if window.when != "before"]
    durable = [window for window in mine if window.kind == "durable"]
    return next(iter(durable or mine), None)


def end_s(path: PathResult) -> float:
    return max(_edges(window)[1] for window in _same_kind(path))


def ticks(axis_s: float) -> tuple[tuple[float, str], ...]:
    """Return five to ten round seconds as (per cent, text), beginning with 0."""
    step = next(step for step in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if axis_s / step <= 9)
    return tuple((100 * n * step / axis_s, wording.brief(n * step, 1)) for n in range(int(axis_s / step) + 1))


def limits(trials: Iterable[TrialResult], axis_s: float) -> tuple[tuple[float, str], ...]:
    """Return what `limits_s` does as (per cent of the axis, text)."""
    return tuple((100 * at_s / axis_s, f"{wording.number(at_s, 0)} s promised") for at_s in limits_s(trials))


def limits_s(trials: Iterable[TrialResult]) -> list[float]:
    """Return each limit of a gate that clients were promised, once. The 0 of a control is left out."""
    held = [target for trial in trials for path in trial.paths.values() for target in path.targets.values()]
    return sorted({target.limit for target in held if target.gate and target.limit})


def _same_kind(path: PathResult) -> list[Window]:
    """Return a path's windows of the same kind as its `first`. Windows of the other kind show the same outages."""
    kind = next(window.kind for window in [first(path)] if window)
    return [window for window in path.windows if window.kind == kind and window.when != "before"]


def bar_of(trial: TrialResult, path: PathResult, axis_s: float) -> Bar:
    head, *later = _same_kind(path)
    stretches = _stretches(head) + [(LATER, *_edges(window), wording.span(window.length_s)) for window in later]
    segments = tuple(
        Segment(name, round(100 * start / axis_s, 3), round(100 * (stop - start) / axis_s, 3), text)
        for name, start, stop, text in stretches
        if stop > start
    )
    end = round(100 * end_s(path) / axis_s, 3)
    return Bar(
        trial=trial.number,
        experiment=trial.experiment,
        path=path.name,
        total=wording.span(head.length_s),
        segments=segments,
        open_end=any(window.end_s is None for window in _same_kind(path)),
        end=end,
    )


def _stretches(window: Window) -> list[tuple[str, float, float, str]]:
    """Return (name, from, to, text) for a window's phases, and for the unattributed time between and after them."""
    onset, end = _edges(window)
    found, at = [], onset
    for phase in sorted(window.phases, key=lambda phase: phase.start_s):
        if phase.start_s - at > 0.005:
            found.append((UNATTRIBUTED, at, phase.start_s, wording.time(phase.start_s - at)))
        error = (phase.most - phase.least) / 2
        text = wording.joined(
            wording.number(phase.seconds), "±", wording.number(wording.error(Interval(0.0, 2 * error))), "s"
        )
        found.append((phase.name, max(at, phase.start_s), phase.end_s, text))
        at = max(at, phase.end_s)
    if end - at > 0.005:
        found.append((UNATTRIBUTED, at, end, wording.time(end - at)))
    return found


def _edges(window: Window) -> tuple[float, float]:
    """Return from when to when a window is drawn: the middles of its two intervals, or the end of watching."""
    onset = max(0.0, window.onset_s.middle)
    end = onset + window.length_s.least if window.end_s is None else window.end_s.middle
    return onset, max(onset, end)
