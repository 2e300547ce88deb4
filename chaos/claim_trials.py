"""The trials that a claim still needs, while the verdicts of the played ones come in."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

from chaos.analysis.claim import Claim, Played
from chaos.analysis.result import Verdict
from chaos.errors import ScenarioError
from chaos.experiment.written import Experiment
from chaos.scenario.scenario import Scenario
from chaos.trial.pool import ToPlay

COUNTED_AS = {Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.INCONCLUSIVE: "unknown"}


class Wanted:
    """An iterator over the trials that a claim still needs. After its end it may be asked again.

    The experiments take turns. Another trial is needed as long as the played ones do not decide the claim for the
    experiment. `make` makes a trial from its number among its experiment's trials and from the experiment.
    """

    def __init__(
        self, claim: Claim, trials: int, experiments: Sequence[Experiment], make: Callable[[int, Experiment], ToPlay]
    ) -> None:
        self._claim = claim
        self._experiments = experiments
        self._make = make
        self._begun: Counter[str] = Counter()
        self._played = {one.name: Played(trials) for one in experiments}

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ToPlay:
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
        """Return how many trials the claim needs in total, as far as known."""
        return sum(self._most(one.name) for one in self._experiments)

    def _most(self, name: str) -> int:
        played = self._played[name]
        return self._begun[name] if played.over(self._claim) else played.wanted(self._claim)


def trials_of(asked: int, claim: Claim | None) -> int:
    """Return how many trials of each experiment to play: as many as asked for, or as few as can support the claim."""
    if claim is None:
        return asked
    least = claim.trials(0)
    if asked == 1:
        return least
    if asked < least:
        raise ScenarioError(f"--trials {asked}: {claim} takes at least {least} trials, even if none misses")
    return asked


def refuse_other_promises(claim: Claim, scenario: Scenario, experiments: Sequence[Experiment]) -> None:
    """Raise ScenarioError for an experiment with its own targets, whose trials would not be judged by the claim."""
    for experiment in experiments:
        own = scenario.experiments.get(experiment.name)
        other = [name for name in ("recovery", "downtime") if own and name in own.targets]
        if other:
            raise ScenarioError(
                f"--claim {claim}: {scenario.name} holds {experiment.name} to a {other[0]} of its own; claim it of "
                f"other experiments, or take that out of the scenario"
            )
