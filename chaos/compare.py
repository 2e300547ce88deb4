"""Two campaigns compared, or two variants of one: what differs, by how much, and the smallest difference to be seen.

For each experiment, group and path: how much later the second one was back, and how much longer each phase took, with
an interval that covers; for each experiment and group the pass rates, with the chance that rates so unlike come of one
and the same system. What differs in settings and versions stands beside it. Campaigns of unlike scenarios, places or
machines are refused, since their difference would be about those.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from chaos import frames
from chaos.analysis.claim import CONFIDENCE, TAIL
from chaos.errors import ScenarioError
from chaos.frames import Frames, Table

Floats = npt.NDArray[np.float64]

ALIKE = ("scenario", "cluster", "machine")
POOLED = ["experiment", "group"]
OF_TRIAL = ["campaign", "trial"]
VERSIONS = "versions."
SEEN = NormalDist().inv_cdf(0.8)
"""A difference so many standard errors beyond what is said by chance is said in 4 of 5 campaigns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Seconds by which the second one was back later. `visible_s` is the smallest that 4 of 5 such campaigns show.

    `chance` is that of a difference at least so large where there is none. `shown` says whether it is one, of all `of`
    that were looked for together. Without bounds there are too few trials, and without `visible_s` too few for so many
    to be looked for. What was not over counts as the longest, so that a bound may be infinite. `pairs` is how many
    pairs of equal seeds were compared, None where trials were not paired.
    """

    where: tuple[str, ...]
    n: tuple[int, int]
    by_s: float
    least_s: float | None
    most_s: float | None
    visible_s: float | None
    chance: float
    shown: bool = False
    of: int = 1
    pairs: int | None = None

    @property
    def word(self) -> str:
        if self.least_s is None or self.most_s is None:
            return "too few trials"
        way = "later" if self.by_s > 0 else "earlier"
        if self.shown:
            return way
        return "none shown" if self.least_s <= 0 <= self.most_s else f"perhaps {way}"

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """(difference, its 95 % interval, what is said of it, what could have been seen, of how many)."""
        bounds = "needs more trials" if self.least_s is None else f"{self.least_s:+.2f} to {self.most_s:+.2f} s"
        visible = "none of any size" if self.visible_s is None else f"{self.visible_s:.2f} s"
        n = f"{self.pairs} pairs" if self.pairs is not None else f"{self.n[0]} and {self.n[1]} trials"
        return f"{self.by_s:+.2f} s", bounds, self.word, visible, n


def compare(first: Path, second: Path, *, unlike: bool = False) -> list[str]:
    """The sentences of a comparison. Raises ScenarioError for campaigns that are no fair one, unless `unlike`."""
    both = frames.load(first), frames.load(second)
    differing = list(_unlike(*both))
    if differing and not unlike:
        told = "; ".join(differing)
        raise ScenarioError(f"{first} and {second} are unlike: {told}; --unlike compares them all the same")
    return [*differing, *_told(*both, paired=False)]


def compare_variants(directory: Path) -> list[str]:
    """The sentences about a campaign's second variant beside its first. Raises ScenarioError if there are not two."""
    played = frames.load(directory)
    if len(played.variants) != 2:
        raise ScenarioError(
            f"{directory} holds {len(played.variants)} variants, and two are compared; name two campaigns, or one of "
            f"`failover ab`"
        )
    return _told(*(played.of_variant(name) for name in sorted(played.variants)), paired=True)


def _told(first: Frames, second: Frames, *, paired: bool) -> list[str]:
    void = [int(one.trials["void"].sum()) for one in (first, second)]
    left_out = [f"{void[0]} and {void[1]} void trials have no times here; their verdicts count"] if any(void) else []
    times = lines(*differences(first, second, paired=paired))
    return [*_settings(first, second), *left_out, *times, *_passes(first, second), *_losses(first, second)]


TITLES = ("difference", "at 95 %", "so it is", "could be seen", "in")


def lines(paths: Sequence[Difference], phases: Sequence[Difference]) -> list[str]:
    """A table: each path, and its phases below it; what stands in every cell of a column is aligned."""
    rows = [("", *TITLES)] if paths else []
    for path in paths:
        rows.append((", ".join(path.where), *path.cells))
        rows += [(f"  {one.where[-1]}", *one.cells) for one in phases if one.where[:-1] == path.where]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES) + 1)] if rows else []
    told = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if any(one.word.startswith("perhaps") for one in (*paths, *phases)):
        told.append("perhaps: it would be one if nothing else had been looked for; of so many one may be by chance")
    return told


def differences(first: Frames, second: Frames, *, paired: bool) -> tuple[list[Difference], list[Difference]]:
    """How much later each path was back that worked in both, in each experiment and group, and each phase by itself.

    With `paired` the trials of equal seeds are compared with each other, but in systems whose trials fall into several
    groups: chance decides the group, and so the two of a pair may be of unlike ones. A difference is shown if it is one
    after Holm's correction, so that it is said by chance in at most one of twenty comparisons, however many paths there
    are; that of the phases is corrected among the phases.
    """
    families = []
    for both in (map(_by_path, (first, second)), map(_by_phase, (first, second))):
        before, after = (dict(found) for found in both)
        alike = [key for key in before if key in after]
        found = []
        for key in alike:
            groups = {each[1] for each in before if each[0] == key[0]}
            pairs = _pairs(before[key], after[key]) if paired and len(groups) == 1 else None
            two = pairs or (_values_s(before[key]), _values_s(after[key]))
            if len(two[0]) and len(two[1]):
                found.append(difference(_said(key), *two, paired=pairs is not None, of=len(alike)))
        families.append(holm(found))
    return families[0], families[1]


def difference(
    where: tuple[str, ...], first: Floats, second: Floats, *, paired: bool = False, of: int = 1
) -> Difference:
    """By Hodges and Lehmann: the median of all differences, and the two between which it lies. `of` are looked for.

    Of trials that are no pairs these are the differences of all with all, cut as the test of Mann and Whitney says. Of
    pairs they are the means of any two pairs' differences, cut as Wilcoxon's test of signed ranks says.
    """
    with np.errstate(invalid="ignore"):  # two that were never over differ by nothing that is known
        each = second - first if paired else second[:, None] - first[None, :]
        each = np.nan_to_num(each, nan=0.0, posinf=np.inf, neginf=-np.inf)
        if paired:
            each = (each[:, None] + each[None, :])[np.triu_indices(len(each))] / 2
            each = np.nan_to_num(each, nan=0.0, posinf=np.inf, neginf=-np.inf)
    every = np.sort(each.ravel())
    chances = signed(len(first)) if paired else unpaired(len(first), len(second))
    out, far_out = (int(np.searchsorted(chances, tail, side="right")) for tail in (TAIL, TAIL / of))
    fewest = min(int((every <= 0).sum()), int((every >= 0).sum()))
    found = Difference(
        where=where,
        n=(len(first), len(second)),
        by_s=float(np.median(every)),
        least_s=float(every[out - 1]) if out else None,
        most_s=float(every[len(every) - out]) if out else None,
        visible_s=_seen(every[far_out - 1], every[len(every) - far_out], TAIL / of) if far_out else None,
        chance=min(1.0, 2 * float(chances[min(fewest, len(chances) - 1)])),
        of=of,
        pairs=len(first) if paired else None,
    )
    return replace(found, shown=found.chance <= 1 - CONFIDENCE)


def _seen(least_s: float, most_s: float, tail: float) -> float:
    """The difference that 4 of 5 campaigns show, whose intervals are so wide at that tail; without an end, none."""
    edge = NormalDist().inv_cdf(1 - tail)
    return float(most_s - least_s) * (edge + SEEN) / (2 * edge) if math.isfinite(least_s) else math.inf


def holm(found: Sequence[Difference]) -> list[Difference]:
    """Which of several differences are shown, if in one of twenty such comparisons at most one may be by chance."""
    shown: set[int] = set()
    ordered = sorted(range(len(found)), key=lambda at: found[at].chance)
    for rank, at in enumerate(ordered):
        if found[at].chance > (1 - CONFIDENCE) / (len(found) - rank):
            break
        shown.add(at)
    return [replace(one, shown=at in shown) for at, one in enumerate(found)]


@cache
def unpaired(m: int, n: int) -> Floats:
    """The chance that at most so many of m × n pairs are the wrong way round, by Mann and Whitney.

    The number of ways to each is the coefficient of a Gaussian binomial.
    """
    ways = np.zeros(m * n + 1)
    ways[0] = 1.0
    for i in range(1, m + 1):
        ways[n + i :] -= ways[: m * n + 1 - n - i].copy()
        for first in range(i):
            ways[first::i] = np.cumsum(ways[first::i])
        ways /= ways.max()
    chances: Floats = np.cumsum(ways) / ways.sum()
    return chances


@cache
def signed(n: int) -> Floats:
    """The chance that at most so many of n (n + 1) / 2 means of pairs have the wrong sign, by Wilcoxon."""
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
        ways /= ways.max()
    chances: Floats = np.cumsum(ways) / ways.sum()
    return chances


def fisher(first: tuple[int, int], second: tuple[int, int]) -> float:
    """The chance of pass rates at least so unlike if they are one: (passed, n) of each, by Fisher's exact test."""
    (a, m), (b, n) = first, second
    ways, least = math.comb(m + n, a + b), max(0, a + b - n)
    chances = [math.comb(m, k) * math.comb(n, a + b - k) / ways for k in range(least, min(m, a + b) + 1)]
    seen = chances[a - least]
    return min(1.0, math.fsum(chance for chance in chances if chance <= seen * (1 + 1e-9)))


def _by_path(one: Frames) -> Iterator[tuple[tuple[str, ...], Table]]:
    """Of each path that worked: when it was back, 0 without an outage, endless where that was not over."""
    worked = one.paths.query("measure == 'recovered' and state == 'works' and not application")
    yield from _grouped(one, worked.assign(seconds=worked["middle_s"].fillna(0.0)), ["path"])


def _by_phase(one: Frames) -> Iterator[tuple[tuple[str, ...], Table]]:
    yield from _grouped(one, one.phases.dropna(subset=["seconds"]), ["path", "phase"])


def _grouped(one: Frames, table: Table, more: list[str]) -> Iterator[tuple[tuple[str, ...], Table]]:
    """By experiment, group and what else; void trials measured nothing."""
    known = one.trials.loc[~one.trials["void"].astype(bool), [*OF_TRIAL, "seed"]]
    for key, mine in table.merge(known, on=OF_TRIAL).groupby([*POOLED, *more], sort=False):
        yield tuple(map(str, key)), mine


def _values_s(mine: Table) -> Floats:
    return mine["seconds"].to_numpy(float)


def _pairs(first: Table, second: Table) -> tuple[Floats, Floats]:
    """The seconds of each pair of trials with one seed; one that lacks its other is none."""
    both = first.merge(second, on="seed", suffixes=("_a", "_b"))
    return both["seconds_a"].to_numpy(float), both["seconds_b"].to_numpy(float)


def _said(key: Iterable[str]) -> tuple[str, ...]:
    """`kill-master lower`, `service/new`; of a phase also `detection`."""
    experiment, group, *more = key
    return " ".join(filter(None, (experiment, group))), *more


def _values(one: Frames, column: str) -> list[str]:
    return sorted({str(value) for value in one.trials[column].dropna()}) if column in one.trials else []


def _unlike(first: Frames, second: Frames) -> Iterator[str]:
    for column in ALIKE:
        values = [_values(one, column) for one in (first, second)]
        if values[0] != values[1]:
            yield f"{column} {', '.join(values[0]) or 'not known'}, and {', '.join(values[1]) or 'not known'}"


def _settings(first: Frames, second: Frames) -> Iterator[str]:
    """The effective settings and the versions that differ; their columns are those with a dot."""
    for column in dict.fromkeys([*first.trials.columns, *second.trials.columns]):
        values = [_values(one, column) for one in (first, second)]
        if "." in column and values[0] != values[1]:
            what = f"version of {column[len(VERSIONS) :]}" if column.startswith(VERSIONS) else f"setting {column}"
            yield f"{what}: {', '.join(values[0]) or 'not set'}, then {', '.join(values[1]) or 'not set'}"


def _passes(first: Frames, second: Frames) -> Iterator[str]:
    """Of the conclusive trials of each group; how many were not is said."""
    counts: list[dict[str, tuple[int, int, int]]] = []
    for one in (first, second):
        counts.append({})
        for key, mine in one.trials.groupby(POOLED, sort=False):
            of = [int((mine["verdict"] == verdict).sum()) for verdict in ("pass", "fail", "inconclusive")]
            counts[-1][_said(map(str, key))[0]] = of[0], of[0] + of[1], of[2]
    for where, before in counts[0].items():
        if where in counts[1]:
            after = counts[1][where]
            chance = fisher(before[:2], after[:2])
            passed = f"{before[0]} of {before[1]} passed, then {after[0]} of {after[1]}"
            unknown = f" ({before[2]} and {after[2]} inconclusive)" if before[2] or after[2] else ""
            yield f"{where}: {passed}{unknown}; rates so unlike come by chance in {100 * chance:.0f} % of such pairs"


def _losses(first: Frames, second: Frames) -> Iterator[str]:
    for loss in ("before", "tail", "after"):
        rows = [one.losses[one.losses["loss"] == loss] for one in (first, second)]
        lost = [f"{mine['most'].sum():.0f} of {mine['acknowledged'].sum():.0f}" for mine in rows]
        yield f"lost_{loss}: {lost[0]}, then {lost[1]} acknowledged writes"
