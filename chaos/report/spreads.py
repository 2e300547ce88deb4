"""How late each path was back, over many trials: the share of trials that were back by then, as a stepped curve.

Geometry only, in a box of 100 by `HEIGHT` that the page stretches; the template draws it with a table of the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from chaos.analysis.result import CampaignResult, Group, PathResult, TrialResult
from chaos.report import words
from chaos.report.bars import ROOM, limits_s, ticks
from chaos.report.claims import group_title
from chaos.report.many import is_many
from chaos.report.rows import Row

HEIGHT = 48
STEP = 0.2
"""Per cent of the axis in which edges of a curve are drawn as one: no screen shows more."""
SHARES = (0.1, 0.5, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Curve:
    """One path over the trials of a group. `row` is (path, n, least, shares…, most, never)."""

    path: str
    line: str
    text: str
    row: Row


@dataclass(frozen=True, slots=True)
class Curves:
    """`groups` are (title, curves); empty where there are too few trials for a curve."""

    groups: tuple[tuple[str, tuple[Curve, ...]], ...] = ()
    limits: tuple[tuple[float, str], ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()


def curves(result: CampaignResult) -> Curves:
    """On one axis, as long as the longest that was back, or as what was promised."""
    if not is_many(result.trials):
        return Curves()
    late = [(group, _late(result, group)) for group in result.groups]
    known = [at for _, paths in late for values in paths.values() for at in values if math.isfinite(at)]
    axis_s = max([*known, *limits_s(result.trials), 1.0]) * ROOM
    drawn = [(group_title(group), tuple(_curve(*path, axis_s) for path in paths.items())) for group, paths in late]
    limits = tuple((100 * limit / axis_s, f"{words.number(limit, 0)} s promised") for limit in limits_s(result.trials))
    return Curves(tuple((title, each) for title, each in drawn if each), limits, ticks(axis_s))


def share_s(ordered: Sequence[float], share: float) -> float:
    """By when that share of the trials was back: an order statistic, never between two."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _late(result: CampaignResult, group: Group) -> dict[str, list[float]]:
    """By path: when each trial's was back, in order; 0 without an outage, endless where it was not back."""
    mine = set(group.trials)
    trials = [trial for trial in result.trials if trial.number in mine]
    names = dict.fromkeys(path.name for trial in trials for path in trial.paths.values() if _counts(path))
    return {name: sorted(map(_back_s, _of(trials, name))) for name in names}


def _of(trials: Sequence[TrialResult], name: str) -> list[PathResult]:
    return [path for trial in trials for path in trial.paths.values() if path.name == name and _counts(path)]


def _counts(path: PathResult) -> bool:
    return path.state == "works" and not path.application


def _back_s(path: PathResult) -> float:
    if path.recovered_s is None:
        return 0.0
    return math.inf if path.recovered_s.is_open else max(0.0, path.recovered_s.middle)


def _curve(path: str, ordered: Sequence[float], axis_s: float) -> Curve:
    n, never = len(ordered), sum(map(math.isinf, ordered))
    least, *shares, most = [ordered[0], *(share_s(ordered, share) for share in SHARES), ordered[-1]]
    near = words.joined(f"{100 * SHARES[-1]:.0f}", "%", "by")
    by = (
        words.joined("half", "by", _s(shares[1])),
        words.joined(near, _s(shares[-1])),
        words.joined("all", "by", _s(most)),
    )
    row = (path, str(n), *map(_s, (least, *shares, most)), str(never))
    return Curve(path, _line(ordered, axis_s), ", ".join(by), row)


def _line(ordered: Sequence[float], axis_s: float) -> str:
    """Up one step at each edge, to the right end of the box at last."""
    steps, done = [f"M0 {HEIGHT}"], 0
    for x, alike in _edges(ordered, axis_s):
        done += alike
        steps.append(f"H{x:g}V{HEIGHT * (1 - done / len(ordered)):.1f}")
    return "".join([*steps, "H100"])


def _edges(ordered: Sequence[float], axis_s: float) -> list[tuple[float, int]]:
    """(x, how many) where the curve rises."""
    places = [round(round(100 * at / axis_s / STEP) * STEP, 1) for at in ordered if math.isfinite(at)]
    return [(x, sum(1 for _ in alike)) for x, alike in groupby(places)]


def _s(value: float) -> str:
    return words.joined(words.number(value), "s") if math.isfinite(value) else "never"
