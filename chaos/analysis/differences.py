"""How much later the second of two samples is, and the smallest difference that such samples could have shown.

Everything is exact, by counting ranks: nothing is assumed of how times are spread, and a time without an end is only
the longest. `chaos.compare` says it of two campaigns, `chaos.analysis.nights` of a night and those before it.
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
    """Return the difference that 4 of 5 campaigns show if their intervals are as wide as this one at that tail.

    It is infinite if the interval has no end.
    """
    edge = NormalDist().inv_cdf(1 - tail)
    return float(most_s - least_s) * (edge + SEEN) / (2 * edge) if math.isfinite(least_s) else math.inf


def holm(found: Sequence[Difference]) -> list[Difference]:
    """Say which of several differences are shown, by Holm: chance alone shows one in at most 1 of 20 comparisons."""
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
