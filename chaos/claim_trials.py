"""Which trials a claim still takes, while the verdicts of those that were played come in."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

from chaos.analysis.claim import Claim, Played
from chaos.analysis.result import Verdict
from chaos.errors import ScenarioError
from chaos.experiment.written import Experiment
from chaos.scenario.scenario import Scenario
from chaos.trial.pool import Specs

COUNTED_AS = {Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.INCONCLUSIVE: "unknown"}


class Wanted:
    """The trials that a claim still takes: an iterator that may be asked again after its end.

    Experiments take turns. Another trial of one is wanted until the trials played so far decide the claim for it.
    `make` makes the trial to play, from its number among the trials of its experiment and from the experiment.
    """

    def __init__(
        self, claim: Claim, trials: int, experiments: Sequence[Experiment], make: Callable[[int, Experiment], Specs]
    ) -> None:
        self._claim = claim
        self._experiments = experiments
        self._make = make
        self._begun: Counter[str] = Counter()
        self._played = {one.name: Played(trials) for one in experiments}

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Specs:
        wanted = [one for one in self._experiments if self._begun[one.name] < self._most(one.name)]
        if not wanted:
            raise StopIteration
        experiment = min(wanted, key=lambda one: self._begun[one.name])
        self.begin(experiment.name)
        return self._make(self._begun[experiment.name] - 1, experiment)

    def begin(self, experiment: str) -> None:
        """Count a trial that has begun."""
        self._begun[experiment] += 1

    def take(self, experiment: str, verdict: Verdict) -> None:
        """Count a trial that was played."""
        before, name = self._played[experiment], COUNTED_AS[verdict]
        self._played[experiment] = replace(before, **{name: getattr(before, name) + 1})

    def total(self) -> int:
        """Return how many trials the claim takes in all, as far as that is known by now."""
        return sum(self._most(one.name) for one in self._experiments)

    def _most(self, name: str) -> int:
        played = self._played[name]
        return self._begun[name] if played.over(self._claim) else played.wanted(self._claim)


def trials_of(asked: int, claim: Claim | None) -> int:
    """Return how many trials of each experiment to play.

    Unless a number was asked for, as few as can support the claim.
    """
    if claim is None:
        return asked
    least = claim.trials(0)
    if asked == 1:
        return least
    if asked < least:
        raise ScenarioError(f"--trials {asked}: {claim} takes at least {least} trials, even if none misses")
    return asked


def refuse_other_promises(claim: Claim, scenario: Scenario, experiments: Sequence[Experiment]) -> None:
    """Raise ScenarioError for an experiment with targets of its own: its trials would not be judged by the claim."""
    for experiment in experiments:
        own = scenario.experiments.get(experiment.name)
        other = [name for name in ("recovery", "downtime") if own and name in own.targets]
        if other:
            raise ScenarioError(
                f"--claim {claim}: {scenario.name} holds {experiment.name} to a {other[0]} of its own; claim it of "
                f"other experiments, or take that out of the scenario"
            )
