"""Claims such as `15s@95/95` about all failovers of a kind, and how many trials support them.

How many trials a claim takes, and how many of them may miss, follows from the claim before the first trial is played.
Looking at results in between therefore does not change what they are worth. An inconclusive trial is never dropped: a
claim holds only if it still holds when every inconclusive trial counts as a miss.
"""

import math
import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from typing import Self

from chaos.analysis.result import Verdict
from chaos.options import CLAIM

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
HALVINGS = 40
"""How often `supported_share` halves [0, 1]. Its result is far finer than the whole per cent that is printed."""
MOST_TRIALS = 100_000
"""The largest number of trials that a claim may need."""
UNKNOWN = 0.05
"""More trials make up for inconclusive ones up to this share of a claim's trials. Beyond it the claim is given up."""


@cache
def at_most(k: int, n: int, share: float) -> float:
    """Return the probability that at most `k` of `n` events happen if each happens with the probability `share`."""
    if k >= n or share <= 0:
        return 1.0
    if k < 0 or share >= 1:
        return 0.0
    did, did_not = math.log(share), math.log1p(-share)
    ways = (math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in range(k + 1))
    return min(1.0, math.fsum(math.exp(way + i * did + (n - i) * did_not) for i, way in enumerate(ways)))


def supported_share(passed: int, n: int, doubt: float = 1 - CONFIDENCE) -> float:
    """Return the lower bound of the pass rate if `passed` of `n` trials passed.

    With a lower rate, so many passes would be seen in less than the share `doubt` of all campaigns.
    """
    least, most = 0.0, 1.0
    for _ in range(HALVINGS if passed else 0):
        share = (least + most) / 2
        least, most = (share, most) if 1 - at_most(passed - 1, n, share) < doubt else (least, share)
    return least


def share_interval(passed: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of the pass rate by Clopper and Pearson."""
    return supported_share(passed, n, TAIL), 1 - supported_share(n - passed, n, TAIL)


@dataclass(frozen=True, slots=True)
class Claim:
    """A promise about all failovers of one kind, and not only about those that were played.

    At least the share `share` of them is over within `within_s`. The trials have to show this with the confidence
    `confidence`.
    """

    within_s: float
    share: float
    confidence: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a claim such as `15s@95/95`: seconds, per cent of all failovers, per cent of confidence."""
        found = re.fullmatch(CLAIM, text)
        assert found, text
        within_s, share, confidence = map(float, found.groups())
        return cls(within_s, share / 100, confidence / 100)

    def __str__(self) -> str:
        return f"{self.within_s:g}s@{100 * self.share:g}/{100 * self.confidence:g}"

    @property
    def settings(self) -> dict[str, str]:
        """What a scenario has to promise so that a trial passes exactly if it keeps the claim."""
        limit = f"{self.within_s:g}s"
        return {
            f"targets.{name}.{key}": value
            for name in ("recovery", "downtime")
            for key, value in (("limit", limit), ("gate", "true"))
        }

    @cache  # noqa: B019  a process knows one claim or two
    def trials(self, misses: int) -> int:
        """Return how many trials support the claim if `misses` of them miss.

        For 95/95 it is 59 trials without a miss, and 93 with one.
        """
        return 1 + bisect_left(range(1, MOST_TRIALS), True, key=lambda n: _supports(self, misses, n))

    @cache  # noqa: B019  a process knows one claim or two
    def misses(self, trials: int) -> int:
        """Return how many of `trials` may miss, or -1 if the claim would not be supported even without a miss."""
        return bisect_left(range(trials), True, key=lambda misses: not _supports(self, misses, trials)) - 1


def _supports(claim: Claim, misses: int, trials: int) -> bool:
    """Return whether so few misses would be too unlikely if the claim were only just false."""
    return trials > misses and at_most(misses, trials, 1 - claim.share) <= 1 - claim.confidence + 1e-12


@dataclass(frozen=True, slots=True)
class Played:
    """How many of the `planned` trials of one experiment passed, failed or were inconclusive so far."""

    planned: int
    passed: int = 0
    failed: int = 0
    unknown: int = 0

    @property
    def n(self) -> int:
        return self.passed + self.failed + self.unknown

    def wanted(self, claim: Claim) -> int:
        """Return how many trials to play: the planned ones, and more to make up for inconclusive ones.

        Failed trials add none. Playing on after failures until the figures please would prove nothing.
        """
        if not self.unknown:
            return self.planned
        return max(self.planned, claim.trials(claim.misses(self.planned) + self.unknown))

    def over(self, claim: Claim) -> bool:
        """Return whether to stop: the claim must hold, can no longer hold, or all trials were played."""
        wanted = self.wanted(claim)
        holds = any(
            self.failed + self.unknown + of - self.n <= claim.misses(of) for of in {max(self.planned, self.n), wanted}
        )
        lost = self.failed > claim.misses(self.planned) or self.unknown > most_unknown(self.planned)
        return holds or lost or self.n >= wanted

    def verdict(self, claim: Claim) -> Verdict:
        """Return whether the claim holds or fails, whatever the inconclusive and unplayed trials would have shown."""
        of = max(self.planned, self.n)
        allowed = claim.misses(of)
        if self.failed > allowed:
            return Verdict.FAIL
        return Verdict.PASS if of - self.passed <= allowed else Verdict.INCONCLUSIVE


def most_unknown(planned: int) -> int:
    return math.ceil(UNKNOWN * planned)


def design(claim: Claim, trials: int) -> str:
    """Return a sentence that says what is going to be played."""
    allowed, more = claim.misses(trials), most_unknown(trials)
    missed = {0: "no miss is allowed", 1: "1 miss is allowed"}.get(allowed, f"{allowed} misses are allowed")
    most = Played(trials, unknown=more).wanted(claim)
    return (
        f"the claim {claim} takes {trials} trials of each experiment, and {missed}; up to {more} that are inconclusive "
        f"count as misses and are made up for by more trials, {most} at most; it stops when it must hold or cannot"
    )
