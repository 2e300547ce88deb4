"""Two campaigns compared: what differs, by how much, and the smallest difference that they could have shown.

For each experiment, group and path: how much later the second one was back, with an interval that covers; for each
experiment and group the pass rates, with the chance that rates so unlike come of one and the same system. What differs
in settings stands beside it. Campaigns of unlike scenarios, places or machines are refused, since their difference
would be about those.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chaos import frames
from chaos.analysis.claim import TAIL
from chaos.errors import ScenarioError
from chaos.frames import Frames, Table

Floats = npt.NDArray[np.float64]

ALIKE = ("scenario", "cluster", "machine")
POOLED = ["experiment", "group"]
SEEN_AS = (1.959964 + 0.841621) / (2 * 1.959964)
"""A difference that is shown in 4 of 5 campaigns, in widths of the 95 % interval: (z of 97.5 % + z of 80 %) / 2 z."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Seconds by which the second campaign was back later. `visible_s` is the smallest that 4 of 5 such pairs show.

    Without bounds there are too few trials. What was not over counts as the longest, so that a bound may be infinite.
    """

    where: str
    n: tuple[int, int]
    by_s: float
    least_s: float | None
    most_s: float | None
    visible_s: float | None

    @property
    def sentence(self) -> str:
        n = f"{self.n[0]} and {self.n[1]} trials"
        if self.least_s is None or self.most_s is None or self.visible_s is None:
            return f"{self.where}: {self.by_s:+.2f} s, and {n} are too few for an interval"
        word = "no difference shown" if self.least_s <= 0 <= self.most_s else "later" if self.by_s > 0 else "earlier"
        return (
            f"{self.where}: {word}, {self.by_s:+.2f} s ({self.least_s:+.2f} to {self.most_s:+.2f}) in {n}; "
            f"a difference of {self.visible_s:.2f} s could have been seen"
        )


def compare(first: Path, second: Path, *, unlike: bool = False) -> list[str]:
    """The sentences of a comparison. Raises ScenarioError for campaigns that are no fair one, unless `unlike`."""
    both = [frames.load(first), frames.load(second)]
    differing = list(_unlike(*both))
    if differing and not unlike:
        told = "; ".join(differing)
        raise ScenarioError(f"{first} and {second} are unlike: {told}; --unlike compares them all the same")
    settings = [f"setting {text}" for text in _settings(*both)]
    times = [difference.sentence for difference in differences(*both)]
    return [*differing, *settings, *times, *_passes(*both), *_losses(*both)]


def differences(first: Frames, second: Frames) -> Iterator[Difference]:
    """How much later each path was back that worked in both, in each experiment and group that both have."""
    before, after = ({_said(key): _back_s(mine) for key, mine in _by_path(one)} for one in (first, second))
    for where, seconds in before.items():
        if where in after:
            yield difference(where, seconds, after[where])


def difference(where: str, first: Floats, second: Floats) -> Difference:
    """By Hodges and Lehmann: the median of all differences, and the two between which it lies by Mann and Whitney."""
    with np.errstate(invalid="ignore"):  # two that were never over differ by nothing that is known
        every = np.sort(
            np.nan_to_num((second[:, None] - first[None, :]).ravel(), nan=0.0, posinf=np.inf, neginf=-np.inf)
        )
    out = trimmed(len(first), len(second))
    least, most = (float(every[out - 1]), float(every[len(every) - out])) if out else (None, None)
    width = None if least is None or most is None else most - least
    return Difference(
        where=where,
        n=(len(first), len(second)),
        by_s=float(np.median(every)),
        least_s=least,
        most_s=most,
        visible_s=None if width is None else SEEN_AS * width,
    )


@cache
def trimmed(m: int, n: int) -> int:
    """Which of all m × n differences in order bounds them at 95 %; 0 where so few do not bound anything.

    The number of ways to each U of Mann and Whitney is the coefficient of a Gaussian binomial.
    """
    ways = np.zeros(m * n + 1)
    ways[0] = 1.0
    for i in range(1, m + 1):
        ways[n + i :] -= ways[: m * n + 1 - n - i].copy()
        for first in range(i):
            ways[first::i] = np.cumsum(ways[first::i])
        ways /= ways.max()
    chance = np.cumsum(ways) / ways.sum()
    return int(np.searchsorted(chance, TAIL, side="right"))


def fisher(first: tuple[int, int], second: tuple[int, int]) -> float:
    """The chance of pass rates at least so unlike if they are one: (passed, n) of each, by Fisher's exact test."""
    (a, m), (b, n) = first, second
    ways, least = math.comb(m + n, a + b), max(0, a + b - n)
    chances = [math.comb(m, k) * math.comb(n, a + b - k) / ways for k in range(least, min(m, a + b) + 1)]
    seen = chances[a - least]
    return min(1.0, math.fsum(chance for chance in chances if chance <= seen * (1 + 1e-9)))


def _by_path(one: Frames) -> Iterator[tuple[tuple[str, ...], Table]]:
    worked = one.paths.query("measure == 'recovered' and state == 'works' and not application")
    for key, mine in worked.groupby([*POOLED, "path"], sort=False):
        yield tuple(map(str, key)), mine


def _said(key: tuple[str, ...]) -> str:
    """`kill-master lower, service/new`."""
    experiment, group, *path = key
    return ", ".join([" ".join(filter(None, (experiment, group))), *path])


def _back_s(mine: Table) -> Floats:
    """0 without an outage, endless where it was not over."""
    return mine["middle_s"].fillna(0.0).to_numpy(float)


def _values(one: Frames, column: str) -> list[str]:
    return sorted({str(value) for value in one.trials[column]}) if column in one.trials else []


def _unlike(first: Frames, second: Frames) -> Iterator[str]:
    for column in ALIKE:
        values = [_values(one, column) for one in (first, second)]
        if values[0] != values[1]:
            yield f"{column} {', '.join(values[0]) or 'not known'}, and {', '.join(values[1]) or 'not known'}"


def _settings(first: Frames, second: Frames) -> Iterator[str]:
    """The effective settings that differ; their columns are those with a dot."""
    for column in dict.fromkeys([*first.trials.columns, *second.trials.columns]):
        values = [_values(one, column) for one in (first, second)]
        if "." in column and values[0] != values[1]:
            yield f"{column}: {', '.join(values[0]) or 'not set'}, then {', '.join(values[1]) or 'not set'}"


def _passes(first: Frames, second: Frames) -> Iterator[str]:
    """Of the conclusive trials of each group."""
    counts: list[dict[str, tuple[int, int]]] = []
    for one in (first, second):
        known = one.trials[one.trials["verdict"] != "inconclusive"]
        grouped = known.groupby(POOLED, sort=False)
        counts.append(
            {_said(tuple(map(str, key))): (int((mine["verdict"] == "pass").sum()), len(mine)) for key, mine in grouped}
        )
    for where, before in counts[0].items():
        if where in counts[1]:
            after = counts[1][where]
            chance = fisher(before, after)
            passed = f"{before[0]} of {before[1]} passed, then {after[0]} of {after[1]}"
            yield f"{where}: {passed}; rates so unlike come by chance in {100 * chance:.0f} % of such pairs"


def _losses(first: Frames, second: Frames) -> Iterator[str]:
    for loss in ("before", "tail", "after"):
        lost = [one.losses[one.losses["loss"] == loss]["most"].sum() for one in (first, second)]
        yield f"lost_{loss}: {lost[0]:.0f}, then {lost[1]:.0f} writes"
