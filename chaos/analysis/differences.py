"""Compares two samples of times: how much later the second is, and which difference such samples could have shown.

Everything is exact and based on ranks. Nothing is assumed about the distribution of times, and a time without an end
counts as the longest. `chaos.compare` compares two campaigns, and `chaos.analysis.nights` a night with the nights
before.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from chaos.analysis.claim import CONFIDENCE, TAIL

Floats = npt.NDArray[np.float64]

SEEN = NormalDist().inv_cdf(0.8)
"""4 of 5 campaigns show a difference that is this many standard errors beyond the difference that chance can make."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """By how many seconds the second sample is later than the first.

    `least_s` and `most_s` are the 95 % interval of `by_s`. They are None if there are too few trials, and infinite if
    times without an end decide them. `by_s` is not a number if such times leave it open altogether. `chance` is the
    probability of so large a difference if there is none. `shown` says whether that is small enough, given that `of`
    differences are tested together. `visible_s` is the smallest difference that 4 of 5 such campaigns show. It is None
    if there are too few trials for any, and infinite if times without an end leave none. `pairs` is how many pairs of
    equal seeds were compared, or None if trials were not paired.
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
        """The cells of a table: the difference, its 95 % interval, `word`, `visible_s`, and the number of trials."""
        by = "not known" if math.isnan(self.by_s) else f"{self.by_s:+.2f} s"
        bounds = "needs more trials" if self.least_s is None else f"{self.least_s:+.2f} to {self.most_s:+.2f} s"
        none = self.visible_s is None or math.isinf(self.visible_s)
        visible = "none of any size" if none else f"{self.visible_s:.2f} s"
        n = f"{self.pairs} pairs" if self.pairs is not None else f"{self.n[0]} and {self.n[1]} trials"
        return by, bounds, self.word, visible, n


def difference(
    where: tuple[str, ...], first: Floats, second: Floats, *, paired: bool = False, of: int = 1
) -> Difference:
    """Return the difference of two samples by Hodges and Lehmann, with its 95 % interval.

    It is the median of differences. Without `paired` these are the differences of all trials with all, and the test of
    Mann and Whitney gives the interval. With `paired` they are the means of any two pairs' differences, and Wilcoxon's
    test of signed ranks gives it. `of` is how many differences are tested together.

    How much later one time without an end is than another is not known. Such a difference may be of any size, and is
    taken for the least one at the lower end and for the greatest one at the upper end.
    """
    low, high = (_differences(first, second, unknown, paired=paired) for unknown in (-math.inf, math.inf))
    chances = signed(len(first)) if paired else unpaired(len(first), len(second))
    out, far_out = (int(np.searchsorted(chances, tail, side="right")) for tail in (TAIL, TAIL / of))
    fewest = min(int((low <= 0).sum()), int((high >= 0).sum()))
    found = Difference(
        where=where,
        n=(len(first), len(second)),
        by_s=(_middle(low, -math.inf) + _middle(high, math.inf)) / 2,
        least_s=float(low[out - 1]) if out else None,
        most_s=float(high[len(high) - out]) if out else None,
        visible_s=_seen(low[far_out - 1], high[len(high) - far_out], TAIL / of) if far_out else None,
        chance=min(1.0, 2 * float(chances[min(fewest, len(chances) - 1)])),
        of=of,
        pairs=len(first) if paired else None,
    )
    return replace(found, shown=found.chance <= 1 - CONFIDENCE)


def _differences(first: Floats, second: Floats, unknown: float, *, paired: bool) -> Floats:
    """Return the differences in order, with `unknown` for those that are not known."""
    with np.errstate(invalid="ignore"):
        each = second - first if paired else second[:, None] - first[None, :]
        each = np.where(np.isnan(each), unknown, each)
        if paired:
            each = (each[:, None] + each[None, :])[np.triu_indices(len(each))] / 2
            each = np.where(np.isnan(each), unknown, each)
    ordered: Floats = np.sort(each.ravel())
    return ordered


def _middle(ordered: Floats, unknown: float) -> float:
    """Return the median, or `unknown` if it lies between two infinities."""
    middle = (float(ordered[(len(ordered) - 1) // 2]) + float(ordered[len(ordered) // 2])) / 2
    return unknown if math.isnan(middle) else middle


def _seen(least_s: float, most_s: float, tail: float) -> float:
    """Return the difference that 4 of 5 campaigns show if their intervals are as wide as this one at `tail`.

    It is infinite if the interval has no end.
    """
    edge = NormalDist().inv_cdf(1 - tail)
    return float(most_s - least_s) * (edge + SEEN) / (2 * edge) if math.isfinite(least_s) else math.inf


def holm(found: Sequence[Difference]) -> list[Difference]:
    """Return the differences with `shown` as Holm's method decides it for all of them together.

    Chance alone shows a difference in at most 1 of 20 such comparisons.
    """
    shown: set[int] = set()
    ordered = sorted(range(len(found)), key=lambda at: found[at].chance)
    for rank, at in enumerate(ordered):
        if found[at].chance > (1 - CONFIDENCE) / (len(found) - rank):
            break
        shown.add(at)
    return [replace(one, shown=at in shown) for at, one in enumerate(found)]


@cache
def unpaired(m: int, n: int) -> Floats:
    """Return, for each number, the probability that at most so many of m × n pairs are in the wrong order.

    This is the test of Mann and Whitney. The ways to each number are coefficients of a Gaussian binomial.
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
    """Return, for each number, the probability that at most so many means of two pairs have the wrong sign (Wilcoxon).

    There are n (n + 1) / 2 means.
    """
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
        ways /= ways.max()
    chances: Floats = np.cumsum(ways) / ways.sum()
    return chances


def fisher(first: tuple[int, int], second: tuple[int, int]) -> float:
    """Return the probability of pass rates at least so different if they are equal, by Fisher's exact test.

    Each sample is given as (passed, n).
    """
    (a, m), (b, n) = first, second
    ways, least = math.comb(m + n, a + b), max(0, a + b - n)
    chances = [math.comb(m, k) * math.comb(n, a + b - k) / ways for k in range(least, min(m, a + b) + 1)]
    seen = chances[a - least]
    return min(1.0, math.fsum(chance for chance in chances if chance <= seen * (1 + 1e-9)))
