"""Figures over trials: spreads, intervals, what a number of passes supports, and how two samples of times differ.

A distribution is never shown as one number. A trial that did not recover is censored: it is not dropped, and the time
for which it was watched is not its value. Every interval is exact or too wide. Quantiles use order statistics, and
shares use Clopper and Pearson. If times were censored early, quantiles use Kaplan and Meier with the beta products of
Fay, Brittain and Proschan (2013). Two samples are compared by ranks. `chaos.compare` compares two campaigns so, and
`chaos.analysis.nights` a night with the nights before. The tables come from `chaos.frames`. The analysis of one trial
does not use this module.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from chaos.analysis.claim import CONFIDENCE, TAIL, at_most, share_interval, supported_share
from chaos.analysis.result import Group, Quantile, Spread, TrialResult, Verdict
from chaos.frames import Frames, Table, of_trials

Floats = npt.NDArray[np.float64]

DRAWS = 5_000
"""How often a product of beta distributions is drawn. Its 2.5 % quantile is then known to a quarter of a per cent."""
QUANTILES = {"p95": 0.95, "p99": 0.99}
POOLED = ("experiment", "variant", "group")
"""Trials are samples of one distribution only if all of these are equal. The operator's class names the group."""
MEASURES = ("outage", "recovered", "downtime")
"""The measures of each path that worked that are shown over trials."""
SEEN = NormalDist().inv_cdf(0.8)
"""4 of 5 campaigns show a difference that is this many standard errors beyond the difference that chance can make."""


# Shares.


def strength(passed: int, n: int, such: str = "failovers") -> str:
    """Return what a number of passes supports, as a one-sided Clopper-Pearson bound at 95 %."""
    if n == 0:
        return "no trial was conclusive"
    if passed == 0:
        most = 1 - supported_share(n, n)
        return f'none of {n} passed, which supports "at most {_percent(most)} % of such {such}" at 95 %'
    return f'{passed} of {n} supports "at least {_percent(supported_share(passed, n))} % of such {such}" at 95 %'


def _percent(share: float) -> int:
    return math.floor(100 * share + 0.5)


def what(trials: Iterable[TrialResult]) -> str:
    """Return what the trials are samples of: `trials` if all are controls, else `failovers`."""
    return "trials" if all(trial.expects == "nothing" for trial in trials) else "failovers"


# Times.


@cache
def needed(share: float) -> int:
    """Return how many trials are needed to bound a quantile from above at 95 %: 59 for p95, 299 for p99."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(share))


@cache
def ranks(n: int, share: float, below: float = TAIL, above: float = TAIL) -> tuple[int, int]:
    """Return two ranks, counted from 1, such that a quantile lies between their values.

    Ranks 0 and n + 1 have no value. The quantile lies below the first value with a probability of less than `below`,
    and above the second with a probability of at most `above`.
    """
    low = next(k for k in range(n + 1) if at_most(k, n, share) >= below)
    high = next(k for k in range(n + 1) if at_most(k, n, share) >= 1 - above) + 1
    return low, high


def kaplan_meier(seen: Floats, censored: Floats) -> tuple[Floats, Floats]:
    """Return times, and the share of trials that are still out after each time.

    `censored` is how long the trials that did not come back were watched.
    """
    times, ended = np.unique(seen, return_counts=True)
    out = np.array([(seen >= time).sum() + (censored >= time).sum() for time in times])
    return times, np.cumprod(1 - ended / out)


def limits(seen: Floats, censored: Floats, below: float, above: float) -> tuple[Floats, Floats, Floats]:
    """Return times, and the least and the most share of trials that are still out after each time.

    These limits are wrong with a probability of at most `below` and `above`. They are products of beta distributions:
    each time at which trials came back is one factor, and the lower limit has one more factor for the next trial to
    come back. The products are drawn with a fixed seed, so that the same trials give the same limits.
    """
    draw = np.random.default_rng(0)
    times = np.unique(np.concatenate([[0.0], seen, censored]))
    share = np.ones(DRAWS)
    least, most = np.zeros(len(times)), np.ones(len(times))
    for index, time in enumerate(times):
        ended = int((seen == time).sum())
        out = int((seen >= time).sum() + (censored >= time).sum())
        if ended:
            share = share * draw.beta(out - ended + 1, ended, DRAWS)
        left = int((seen > time).sum() + (censored > time).sum())
        least[index] = np.quantile(share * draw.beta(left, 1, DRAWS), below) if left else 0.0
        most[index] = np.quantile(share, 1 - above)
    return times, least, most


def quantile(seen: Floats, censored: Floats, share: float) -> float | None:
    """Return the time by which a share of these trials was over, or None if too many were not over."""
    times, out = kaplan_meier(seen, censored)
    over = times[out <= 1 - share + 1e-12]
    return float(over[0]) if len(over) else None


def quantile_interval(
    seen: Floats, censored: Floats, share: float, below: float = TAIL, above: float = TAIL
) -> tuple[float | None, float | None]:
    """Return the times between which a quantile lies. Each is None if so few trials do not bound it.

    Order statistics are exact if every censored trial was watched for longer than all others took, because then it is
    longer than all of them. Otherwise `limits` is used.
    """
    if not len(censored) or not len(seen) or censored.min() >= seen.max():
        ordered = np.sort(seen)
        low, high = ranks(len(seen) + len(censored), share, below, above)
        return (
            float(ordered[low - 1]) if 1 <= low <= len(ordered) else None,
            float(ordered[high - 1]) if 1 <= high <= len(ordered) else None,
        )
    times, least, most = limits(seen, censored, below, above)
    from_s, to_s = times[least <= 1 - share], times[most <= 1 - share]
    return (
        float(from_s[0]) if len(from_s) and from_s[0] > 0 else None,
        float(to_s[0]) if len(to_s) else None,
    )


def spread(table: Table) -> Spread:
    """Return the spread of the columns `middle_s`, `least_s` and `censored` of a table of `chaos.frames`."""
    happened = table[table["least_s"].notna()]
    seen = np.sort(happened.loc[~happened["censored"], "middle_s"].to_numpy(float))
    censored = happened.loc[happened["censored"], "least_s"].to_numpy(float)
    n = len(happened)
    quantiles = {}
    for name, share in QUANTILES.items():
        bears = n >= needed(share)
        quantiles[name] = Quantile(
            needs=needed(share),
            value=quantile(seen, censored, share) if bears else None,
            most=quantile_interval(seen, censored, share, 0.0, 1 - CONFIDENCE)[1] if bears else None,
        )
    return Spread(
        n=n,
        minimum=float(seen[0]) if len(seen) else None,
        median=_median(seen, censored),
        maximum=float(seen[-1]) if len(seen) and not len(censored) else None,
        interval=quantile_interval(seen, censored, 0.5),
        censored=len(censored),
        missing=len(table) - n,
        quantiles=quantiles,
    )


def _median(seen: Floats, censored: Floats) -> float | None:
    """Return the usual median, or the one of Kaplan and Meier if a time was censored."""
    if not len(censored):
        return float(np.median(seen)) if len(seen) else None
    return quantile(seen, censored, 0.5)


# Differences. A time without an end counts as the longest, and nothing is assumed about the distribution of times.


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


# Groups.


def groups(trials: Sequence[TrialResult]) -> tuple[Group, ...]:
    """Return the groups of trials that may be pooled, in the order of their first trials."""
    tables = of_trials(trials)
    figures = figures_of(tables)
    found = []
    for key, mine in tables.trials.groupby(list(POOLED), sort=False):
        experiment, variant, group = map(str, key)
        of = {verdict: int((mine["verdict"] == str(verdict)).sum()) for verdict in Verdict}
        passed, failed = of[Verdict.PASS], of[Verdict.FAIL]
        such = "trials" if (mine["expects"] == "nothing").all() else "failovers"
        found.append(
            Group(
                experiment=experiment,
                variant=variant,
                group=group,
                trials=tuple(mine["trial"].tolist()),
                passed=passed,
                failed=failed,
                inconclusive=of[Verdict.INCONCLUSIVE],
                strength=strength(passed, passed + failed, such),
                figures=figures.get((experiment, variant, group), {}),
                share=share_interval(passed, passed + failed),
            )
        )
    return tuple(found)


def figures_of(tables: Frames) -> dict[tuple[str, str, str], dict[str, Spread]]:
    """Return the spread of every figure, by (experiment, variant, group) and by the name of the figure.

    Figures are the claims of the system, and the measures and phases of each path. They are named as `endpoint`,
    `service/new outage` and `service/new: endpoint`. A window that was not over has no phases, because nobody knows how
    long its last phase would have been.
    """
    claims = tables.milestones.query("claim != ''").assign(figure=lambda table: table["claim"])
    paths = tables.paths.query("state == 'works' and not application and measure in @MEASURES")
    paths = paths.assign(figure=lambda table: table["path"] + " " + table["measure"])
    phases = tables.phases.assign(
        figure=lambda table: table["path"] + ": " + table["phase"], middle_s=tables.phases["seconds"], censored=False
    )
    found: dict[tuple[str, str, str], dict[str, Spread]] = {}
    armed = tables.milestones.query("milestone == 'rearmed' and state != 'not-applicable'").assign(figure="re-armed")
    for table in (claims, armed, paths, phases[phases["phase"] != "unattributed"]):
        for key, mine in table.groupby([*POOLED, "figure"], sort=False):
            experiment, variant, group, figure = map(str, key)
            found.setdefault((experiment, variant, group), {})[figure] = spread(mine)
    return found
