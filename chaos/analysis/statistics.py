"""Figures over trials: spreads, intervals by order statistics, and how much so many passes say.

Never one number for a distribution. A trial that did not recover is censored: it counts as the longest and is never
dropped. The tables are those of `chaos.frames`; one trial's analysis does not come here.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate
from statistics import median

from chaos.analysis.result import Group, Spread, TrialResult, Verdict
from chaos.frames import Frames, of_trials

CONFIDENCE = 0.95
POOLED = ("experiment", "group")
"""Only trials that are alike in both are samples of one distribution. An operator's room names the group."""
MEASURES = ("outage", "recovered", "downtime")
"""Of each path that worked, what is told over trials."""
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


def spread(middles: Iterable[float]) -> Spread:
    """As a column `middle_s` has them: not a number where nothing happened, endless where it was not over."""
    found = list(middles)
    known = sorted(value for value in found if not math.isnan(value))
    return Spread(
        n=len(known),
        minimum=_finite(known[0]) if known else None,
        median=_finite(median(known)) if known else None,
        maximum=_finite(known[-1]) if known else None,
        interval=median_interval(known),
        censored=sum(map(math.isinf, known)),
        missing=len(found) - len(known),
    )


def groups(trials: Sequence[TrialResult]) -> tuple[Group, ...]:
    """Trials that may be pooled, in the order of their first ones."""
    tables = of_trials(trials)
    figures = figures_of(tables)
    found = []
    for key, mine in tables.trials.groupby(list(POOLED), sort=False):
        experiment, group = map(str, key)
        of = {verdict: int((mine["verdict"] == str(verdict)).sum()) for verdict in Verdict}
        passed, failed = of[Verdict.PASS], of[Verdict.FAIL]
        such = "trials" if (mine["expects"] == "nothing").all() else "failovers"
        found.append(
            Group(
                experiment=experiment,
                group=group,
                trials=tuple(mine["trial"].tolist()),
                passed=passed,
                failed=failed,
                inconclusive=of[Verdict.INCONCLUSIVE],
                strength=strength(passed, passed + failed, such),
                figures=figures.get((experiment, group), {}),
            )
        )
    return tuple(found)


def figures_of(tables: Frames) -> dict[tuple[str, str], dict[str, Spread]]:
    """By experiment and group: the claims of the system, and each path's measures, as `service/new outage`."""
    claims = tables.milestones.query("claim != ''").assign(figure=lambda table: table["claim"])
    paths = tables.paths.query("state == 'works' and not application and measure in @MEASURES")
    paths = paths.assign(figure=lambda table: table["path"] + " " + table["measure"])
    found: dict[tuple[str, str], dict[str, Spread]] = {}
    for table in (claims, paths):
        for key, middles in table.groupby([*POOLED, "figure"], sort=False)["middle_s"]:
            experiment, group, figure = map(str, key)
            found.setdefault((experiment, group), {})[figure] = spread(middles)
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
