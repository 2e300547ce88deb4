"""What a campaign plays, where, and how often: chosen of what was asked, before anything is deployed.

A run and a dry run choose by the same call, so that a dry run says what a run does, and refuses what a run refuses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Self

from chaos import suites
from chaos.analysis.claim import Claim
from chaos.claim_trials import refuse_other_promises, trials_of
from chaos.cluster.base import Able, Platform, PlatformOptions, refusal
from chaos.experiment.written import Experiment
from chaos.options import PLATFORMS, Options
from chaos.place import Place, at_once, choose, variants
from chaos.scenario import Loaded


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a campaign is about to play.

    `loaded` is the scenario. `variants` maps the name of each variant to its scenario, or an empty name to `loaded`.
    `trials` is how many trials each experiment has, and `at_once` how many are played at the same time. `left_out` has
    a sentence for each experiment of a suite that will not be played.
    """

    experiments: tuple[Experiment, ...]
    left_out: tuple[str, ...]
    claim: Claim | None
    trials: int
    place: Place
    at_once: int
    loaded: Loaded
    variants: Mapping[str, Loaded]

    @classmethod
    def of(cls, options: Options) -> Self:
        """Call it in the main thread, as `choose`. Raises ScenarioError for what is wrong or contradicts itself, and
        SetupError where a place has to be chosen and cannot be.
        """
        experiments, left_out = suites.asked(options)
        claim = Claim.parse(options.claim) if options.claim else None
        trials = trials_of(options.trials, claim)
        place = choose(options.on, options.scenario, {**options.settings, **(claim.settings if claim else {})})
        if claim:
            refuse_other_promises(claim, place.loaded.scenario, experiments)
        side_by_side = at_once(place.on, options.parallel, place.loaded.scenario)
        each = {name: suites.suited(options.suite, one) for name, one in variants(place, options).items()}
        for one in each.values():
            experiments, unfit = suites.fitting(experiments, one, options)
            left_out = [*left_out, *unfit]
        return cls(
            experiments=tuple(experiments),
            left_out=tuple(left_out),
            claim=claim,
            trials=trials,
            place=place,
            at_once=side_by_side,
            loaded=each.get("") or suites.suited(options.suite, place.loaded),
            variants=each,
        )

    def platform(self, options: PlatformOptions) -> Platform:
        """Make the platform, which is not up yet. Raises ScenarioError if the scenario or an option is not for it."""
        module, _, name = PLATFORMS[self.place.on].of.partition(":")
        make: Callable[..., Platform] = getattr(import_module(module), name)
        return make(self.loaded.scenario, self.loaded.folder, options)


def divided(experiments: Sequence[Experiment], able: Able) -> tuple[list[Experiment], list[str]]:
    """Return the experiments that can be played there, and a sentence for each of the others."""
    sentences = [refusal(one.name, one.needs, able) for one in experiments]
    playable = [one for one, sentence in zip(experiments, sentences, strict=True) if not sentence]
    return playable, [sentence for sentence in sentences if sentence]


def plays_alone(experiment: Experiment, on: str, side_by_side: int) -> bool:
    """Whether no other trial may run beside this experiment, because its fault hits the systems of all of them."""
    return experiment.hits_all and PLATFORMS[on].beside and side_by_side > 1
