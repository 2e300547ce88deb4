"""Figures over trials: spreads, intervals, and what a number of passes supports.

A distribution is never shown as one number. A trial that did not recover is censored: it is not dropped, and the time
for which it was watched is not its value. Every interval is exact or too wide. Quantiles use order statistics, and
shares use Clopper and Pearson. If times were censored early, quantiles use Kaplan and Meier with the beta products of
Fay, Brittain and Proschan (2013). The tables come from `chaos.frames`. The analysis of one trial does not use this
module.
"""

import math
from collections.abc import Iterable, Sequence
from functools import cache

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
