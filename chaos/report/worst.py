"""Which trial is shown in full: the one that a reader who doubts would ask for."""

from chaos.analysis.cause import longest_s
from chaos.analysis.result import CampaignResult, TrialResult, Verdict

_RANK = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}


def worst_first(result: CampaignResult) -> list[TrialResult]:
    """A failed one before an undecided one before a passed one; among those the longest outage, then the first."""
    return sorted(
        result.trials, key=lambda trial: (-_RANK[trial.verdict], -longest_s(trial.paths.values()), trial.number)
    )
