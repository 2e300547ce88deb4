"""Many trials told together: which is shown in full, how the numbers of trials are said, and the spread of a figure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaos.analysis import wording
from chaos.analysis.cause import longest_s
from chaos.analysis.result import CampaignResult, Group, PathResult, TrialResult, Verdict

MANY = 12
"""More trials than this are told by their groups, their spread and the worst of them."""
RUN = 3
"""So many numbers in a row are said by the first and the last."""
SHARES = (0.1, 0.5, 0.9, 0.95)
NEEDED = {0.9: 29, 0.95: 59}
"""Trials that a share so near to all of them needs, before a time can be said for it: fewer do not bound it at 95 %."""
ORDERS = {
    "lower": "the killed ordinal below its successor's",
    "higher": "the killed ordinal above its successor's",
}
_RANK = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}


def is_many(trials: Sequence[object]) -> bool:
    return len(trials) > MANY


def numbers(given: Iterable[int]) -> str:
    """`0, 1, 5–9`."""
    runs: list[list[int]] = []
    for number in sorted(given):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    told = ([f"{run[0]}–{run[-1]}"] if len(run) >= RUN else list(map(str, run)) for run in runs)
    return ", ".join(text for run in told for text in run)


def some(given: Sequence[int], most: int = 20) -> str:
    """As `numbers`, or how many they are where that is long."""
    text = numbers(given)
    return text if len(text) <= most else f"{len(given)} trials"


def worst_first(result: CampaignResult) -> list[TrialResult]:
    """A failed one before an undecided one before a passed one; among those the longest outage, then the first."""
    return sorted(
        result.trials, key=lambda trial: (-_RANK[trial.verdict], -longest_s(trial.paths.values()), trial.number)
    )


def group_title(group: Group) -> str:
    """What its trials have in common, and how many they are."""
    which = ORDERS.get(group.group, group.group)
    return ", ".join(
        part for part in (group.experiment, group.variant, wording.plural(len(group.trials), "trial"), which) if part
    )


@dataclass(frozen=True, slots=True)
class PathSpread:
    """When one path was back in each trial of a group, the earliest first: 0 without an outage, infinite if never."""

    path: str
    back_s: tuple[float, ...]

    @property
    def text(self) -> str:
        """As in `half by 6.80 s, 95 % by 8.50 s, all by 8.79 s`; of few trials `95 % needs n ≥ 59`."""
        said = (("half", 0.5), (wording.joined("95", "%"), 0.95), ("all", 1.0))
        return ", ".join(
            wording.joined(whom, *(["by"] * self._bears(share)), self._said(share)) for whom, share in said
        )

    @property
    def row(self) -> tuple[str, ...]:
        """(path, n, least, each of SHARES, most, how many never)."""
        shares = map(self._said, SHARES)
        never = str(sum(map(math.isinf, self.back_s)))
        return (self.path, str(len(self.back_s)), _s(self.back_s[0]), *shares, _s(self.back_s[-1]), never)

    def by_s(self, share: float) -> float:
        """By when that share of the trials was back: an order statistic, never between two."""
        return self.back_s[max(0, math.ceil(share * len(self.back_s)) - 1)]

    def _bears(self, share: float) -> bool:
        return len(self.back_s) >= NEEDED.get(share, 1)

    def _said(self, share: float) -> str:
        return _s(self.by_s(share)) if self._bears(share) else wording.joined("needs", "n", "≥", str(NEEDED[share]))


def spreads(result: CampaignResult) -> dict[str, tuple[PathSpread, ...]]:
    """By the group's title: its paths that worked; empty where there are too few trials for a curve."""
    found: dict[str, tuple[PathSpread, ...]] = {}
    for group in result.groups if is_many(result.trials) else ():
        mine, back_s = set(group.trials), dict[str, list[float]]()
        for trial in result.trials:
            for path in trial.paths.values():
                if trial.number in mine and path.state == "works" and not path.application:
                    back_s.setdefault(path.name, []).append(_back_s(path))
        if back_s:
            found[group_title(group)] = tuple(PathSpread(path, tuple(sorted(each))) for path, each in back_s.items())
    return found


def _back_s(path: PathResult) -> float:
    if path.recovered_s is None:
        return 0.0
    return math.inf if path.recovered_s.is_open else max(0.0, path.recovered_s.middle)


def _s(value: float) -> str:
    return wording.joined(wording.number(value), "s") if math.isfinite(value) else "never"
