"""How many trials are shown together: which of them in full, how their numbers are listed, and how a figure spreads."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from chaos.analysis import wording
from chaos.analysis.cause import longest_s
from chaos.analysis.interval import Interval
from chaos.analysis.result import CampaignResult, Group, TrialResult, Verdict

MANY = 12
"""More trials than this are shown by their groups, their spread and the worst of them."""
CELL = 20
"""A list of more characters than this is replaced by the number of trials."""
SHARES = (0.1, 0.5, 0.9, 0.95)
NEEDED = {0.9: 29, 0.95: 59}
"""How many trials are needed before a time is shown for a share: fewer do not bound it at 95 %."""
ORDERS = {
    "lower": "the killed ordinal below its successor's",
    "higher": "the killed ordinal above its successor's",
}
THIRDS = ("early in the period", "in its middle", "late in it")
UNVISITED = 6
"""How many cells are named. Further ones are only counted."""
_RANK = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}


def is_many(trials: Sequence[object]) -> bool:
    return len(trials) > MANY


def some(given: Sequence[int]) -> str:
    """Return a list of numbers, or how many they are if the list is longer than a cell of a table should be."""
    text = wording.numbers(given)
    return text if len(text) <= CELL else f"{len(given)} trials"


def worst_first(result: CampaignResult) -> list[TrialResult]:
    """Return the failed trials, then the inconclusive and the passed ones, each with the longest outage first."""
    return sorted(
        result.trials, key=lambda trial: (-_RANK[trial.verdict], -longest_s(trial.paths.values()), trial.number)
    )


def group_title(group: Group) -> str:
    """Return what the trials of a group have in common, and how many they are."""
    which = ORDERS.get(group.group, group.group)
    return ", ".join(
        part for part in (group.experiment, group.variant, wording.plural(len(group.trials), "trial"), which) if part
    )


def unvisited(result: CampaignResult) -> list[str]:
    """Return a sentence for each experiment about the combinations of circumstances that none of its trials had.

    The circumstances are when in the operator's period the fault came, whether the lower ordinal was killed, and which
    Sentinel led. A circumstance that is the same in all trials, or is not known, is left out.
    """
    told = []
    for name in dict.fromkeys(trial.experiment for trial in result.trials if trial.failovers):
        mine = [trial for trial in result.trials if trial.experiment == name and trial.failovers]
        leaders = {who for trial in mine for one in trial.failovers for who in one.per_sentinel}
        visited = {(_third(trial), trial.group, trial.failovers[0].leader) for trial in mine}
        sides: list[list[str]] = [
            [*THIRDS] if any(third for third, *_ in visited) else [""],
            [*ORDERS] if any(group in ORDERS for _, group, _ in visited) else [""],
            sorted(leaders | {leader for *_, leader in visited if leader}) or [""],
        ]
        cells = list(product(*sides))
        never = [cell for cell in cells if cell not in visited]
        if len(cells) > 1 and never:
            shown = "; ".join(" ".join(filter(None, cell)) for cell in never[:UNVISITED])
            more = f"; and {len(never) - UNVISITED} more" if len(never) > UNVISITED else ""
            about = "time in the operator's period × order of names × leader" if len(sides[0]) > 1 else "leader"
            told.append(f"{name}: {len(never)} of {len(cells)} cells ({about}) were never visited: {shown}{more}.")
    return told


def _third(trial: TrialResult) -> str:
    """Return in which third of the operator's period the fault came, or an empty string if that is not known."""
    since_s, period_s = trial.covariates.get("since_resync_s"), trial.covariates.get("period_s")
    return THIRDS[min(2, int(3 * since_s / period_s))] if since_s is not None and period_s else ""


@dataclass(frozen=True, slots=True)
class PathSpread:
    """When one path was back in each trial of a group, in ascending order: 0 without an outage, infinite if never."""

    path: str
    back_s: tuple[float, ...]

    @property
    def text(self) -> str:
        """A text such as `half by 6.80 s, 95 % by 8.50 s, all by 8.79 s`.

        With few trials, it has `95 % needs n ≥ 59`.
        """
        said = (("half", 0.5), (wording.joined("95", "%"), 0.95), ("all", 1.0))
        return ", ".join(
            wording.joined(whom, *(["by"] * self._bears(share)), self._said(share)) for whom, share in said
        )

    @property
    def row(self) -> tuple[str, ...]:
        """A row of (path, n, least, each of SHARES, most, in how many trials it was never back)."""
        shares = map(self._said, SHARES)
        never = str(sum(map(math.isinf, self.back_s)))
        first, last = wording.time(self.back_s[0]), wording.time(self.back_s[-1])
        return (self.path, str(len(self.back_s)), first, *shares, last, never)

    def by_s(self, share: float) -> float:
        """Return when that share of the trials was back. It is the time of one of the trials, and never between two."""
        return self.back_s[max(0, math.ceil(share * len(self.back_s)) - 1)]

    def _bears(self, share: float) -> bool:
        return len(self.back_s) >= NEEDED.get(share, 1)

    def _said(self, share: float) -> str:
        if self._bears(share):
            return wording.time(self.by_s(share))
        return wording.joined("needs", "n", "≥", str(NEEDED[share]))


def spreads(result: CampaignResult) -> dict[str, tuple[PathSpread, ...]]:
    """Return the spread of each path that worked, by the title of the group.

    It is empty if there are too few trials for a curve.
    """
    found: dict[str, tuple[PathSpread, ...]] = {}
    for group in result.groups if is_many(result.trials) else ():
        mine, back_s = set(group.trials), dict[str, list[float]]()
        for trial in result.trials:
            for path in trial.paths.values():
                if trial.number in mine and path.working:
                    at_s = path.recovered_s or Interval.at(0.0)
                    back_s.setdefault(path.name, []).append(math.inf if at_s.is_open else max(0.0, at_s.middle))
        if back_s:
            found[group_title(group)] = tuple(PathSpread(path, tuple(sorted(each))) for path, each in back_s.items())
    return found
