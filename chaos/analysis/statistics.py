"""Figures over trials: spreads, intervals by order statistics, and how much so many passes say.

Never one number for a distribution. A trial that did not recover is censored: it counts as the longest and is never
dropped. Trials with the lower and the higher ordinal killed are two distributions and are never pooled.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from statistics import median

from chaos.analysis.interval import Interval
from chaos.analysis.result import MILESTONE_OF, Group, Spread, State, TrialResult, Verdict

CONFIDENCE = 0.95
HALVINGS = 40
"""Of [0, 1] in search of a share: far finer than the percent that is said."""


def strength(passed: int, n: int, such: str = "failovers") -> str:
    """What so many passes support, as a one-sided Clopper-Pearson bound at 95 %."""
    if n == 0:
        return "no trial was conclusive"
    if passed == 0:
        return f"none of {n} passed"
    share = supported_share(passed, n)
    return f'{passed} of {n} supports "at least {math.floor(100 * share + 0.5)} % of such {such}" at 95 %'


def supported_share(passed: int, n: int) -> float:
    """The share of passes below which `passed` or more of `n` would be seen in less than 5 % of all campaigns."""
    ways = [math.log(math.comb(n, k)) for k in range(passed, n + 1)]
    least, most = 0.0, 1.0
    for _ in range(HALVINGS):
        share = (least + most) / 2
        did, did_not = math.log(share), math.log1p(-share)
        chance = math.fsum(
            math.exp(way + k * did + (n - k) * did_not) for k, way in zip(range(passed, n + 1), ways, strict=True)
        )
        least, most = (share, most) if chance < 1 - CONFIDENCE else (least, share)
    return least


def what(trials: Iterable[TrialResult]) -> str:
    """What they are samples of: of a control it is no failover."""
    return "trials" if all(trial.expects == "nothing" for trial in trials) else "failovers"


def median_interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The 95 % interval of the median by order statistics; None where so few values do not bound it."""
    n, ordered = len(values), sorted(values)
    low, high = median_ranks(n)
    return (ordered[low - 1] if low >= 1 else None), (_finite(ordered[high - 1]) if 1 <= high <= n else None)


@cache
def median_ranks(n: int) -> tuple[int, int]:
    """Between the values of these ranks, counted from 1, the median lies at 95 %; 0 and n + 1 have no value."""
    at_most = [below / 2**n for below in accumulate(math.comb(n, k) for k in range(n + 1))]
    return bisect_left(at_most, (1 - CONFIDENCE) / 2), bisect_left(at_most, (1 + CONFIDENCE) / 2) + 1


def spread(values: Iterable[Interval | None]) -> Spread:
    """Of the middles. None in `values` never happened; one without a most is censored and longer than all others."""
    found = list(values)
    known = [value for value in found if value is not None]
    middles = sorted(math.inf if value.is_open else value.middle for value in known)
    return Spread(
        n=len(known),
        minimum=_finite(middles[0]) if middles else None,
        median=_finite(median(middles)) if middles else None,
        maximum=_finite(middles[-1]) if middles else None,
        interval=median_interval(middles),
        censored=sum(value.is_open for value in known),
        missing=len(found) - len(known),
    )


def groups(trials: Sequence[TrialResult]) -> tuple[Group, ...]:
    """Trials that may be pooled, in the order of their first ones."""
    by_kind: dict[tuple[str, str], list[TrialResult]] = {}
    for trial in trials:
        by_kind.setdefault((trial.experiment, trial.group), []).append(trial)
    return tuple(_group(experiment, group, members) for (experiment, group), members in by_kind.items())


def _group(experiment: str, group: str, trials: list[TrialResult]) -> Group:
    of = {verdict: sum(trial.verdict is verdict for trial in trials) for verdict in Verdict}
    return Group(
        experiment=experiment,
        group=group,
        trials=tuple(trial.number for trial in trials),
        passed=of[Verdict.PASS],
        failed=of[Verdict.FAIL],
        inconclusive=of[Verdict.INCONCLUSIVE],
        strength=strength(of[Verdict.PASS], of[Verdict.PASS] + of[Verdict.FAIL], what(trials)),
        figures=figures(trials),
    )


def figures(trials: Sequence[TrialResult]) -> dict[str, Spread]:
    """By name: the claims of the system, and of every path its outage, recovery and downtime (`service/new outage`)."""
    found = {name: spread(_milestone(trial, key) for trial in trials) for name, key in MILESTONE_OF.items()}
    for path in dict.fromkeys(name for trial in trials for name in trial.paths):
        each_trial = [trial.paths[path] for trial in trials if path in trial.paths]
        mine = [each for each in each_trial if each.state == "works" and not each.application]
        if mine:
            found[f"{path} outage"] = spread(each.outage_s for each in mine)
            found[f"{path} recovered"] = spread(each.recovered_s for each in mine)
            found[f"{path} downtime"] = spread(each.downtime_s for each in mine)
    return found


def _milestone(trial: TrialResult, name: str) -> Interval | None:
    """When it was seen, or open from when it was given up on; None where it did not apply or nobody could see it."""
    milestone = trial.milestones.get(name)
    if milestone is None or milestone.at_s:
        return milestone.at_s if milestone else None
    return Interval(milestone.limit_s) if milestone.state is State.NOT_YET and milestone.limit_s is not None else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
