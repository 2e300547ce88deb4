"""A campaign: all trials of one invocation, from a scenario's name to a report.

`run` does everything. The pytest plugin and `chaos run` have loops of their own, and use the parts (`plan`, `play`,
`result`, `close`). However a campaign ends, its recordings are analysed and reported. numpy and matplotlib are imported
only then, so that an error about a wrong option does not take seconds.
"""

import asyncio
import fcntl
import os
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any, Self

from chaos import __version__, resume, suites
from chaos.analysis.claim import Claim, design
from chaos.analysis.result import CampaignResult, TrialResult
from chaos.choice import Choice, divided, plays_alone
from chaos.claim_trials import Wanted
from chaos.cleanup import left_behind
from chaos.cluster.base import PlatformOptions, refusal
from chaos.errors import InterruptedTrial, SetupError
from chaos.experiment.written import Experiment
from chaos.experiment.written import load as load_experiment
from chaos.linux import machine
from chaos.options import PLATFORMS, Options
from chaos.progress import Message, Tell, Tells
from chaos.record.layout import CAMPAIGN, FORMAT
from chaos.scenario.lookup import find_experiments
from chaos.trial.assignment import TrialSpec, limits_s, utc_now
from chaos.trial.pool import Closed, PlayOptions, Pool, ToPlay
from chaos.trial.record import write_json
from chaos.trial.steps import Player, Trial
from chaos.trial.waiting import Ending, Waiting, Work
from chaos.trial.worker import signals
from chaos.undo import HarnessRun, refuse_held

STAGGER_S = 2.0
"""The longest time between the starts of two trials at once. The starts are spread over the system's longest period."""
LEAVE_S = 120.0
"""How long removing the platform may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A planned trial. `number` counts in the campaign, and `nth` among the trials of its experiment.

    If the scenario has variants, the trials of a pair, one per variant, have the same `turn` and the same seed.
    """

    number: int
    nth: int
    experiment: Experiment
    seed: int
    turn: int
    variant: str = ""


class Campaign:
    """A context with the platform up and the system deployed. Use it in the main thread, because it handles signals.

    The constructor raises every error that can be found before anything is deployed.
    """

    def __init__(self, options: Options, tell: Tells) -> None:
        self.options = options
        self.tell = tell
        self._waiting = Waiting()
        choice = Choice.of(options)
        self.experiments, self.left_out = list(choice.experiments), list(choice.left_out)
        self.claim, self.trials, self.at_once = choice.claim, choice.trials, choice.at_once
        self.place, self.loaded, self.variants = choice.place, choice.loaded, choice.variants
        self.seed = random.SystemRandom().getrandbits(31) if options.seed is None else options.seed
        self._platform = choice.platform(
            PlatformOptions(
                keep=options.keep,
                tell=tell,
                made=lambda undo: self._run.write(undo),
                agent_image=options.agent_image,
            )
        )
        self.started = utc_now()
        name = f"{self.started[:16].replace(':', '')}-{self.loaded.scenario.name}"
        self.directory = options.resume or unused(options.out / name)
        self._lock = hold(self.directory)
        cluster = "" if PLATFORMS[self.place.on].own_system else self._platform.name
        self._run = HarnessRun(self.place.on, cluster, self.directory, options.command, self.started)
        if options.resume is None:
            self._write_down()
        self.done: dict[int, Path] = {}
        self._numbers: Iterator[int] = count()
        self._held = ExitStack()

    def __enter__(self) -> Self:
        self.tell(Message(Tell.CAMPAIGN, self._opening()))
        warnings = dict.fromkeys(text for one in self.variants.values() for text in one.warnings)
        for sentence in [*warnings, *(f"left out: {one}" for one in self.left_out), *left_behind()]:
            self.tell(Message(Tell.NOTE, {"text": sentence}))
        if self._run.about.cluster:
            refuse_held(self.place.on, self._run.about.cluster)
        with ExitStack() as held:
            held.enter_context(self._run)
            held.enter_context(self._waiting)
            if self.options.resume:
                self._wait(self._find_done())
            self._wait(self._platform.__aenter__())
            held.callback(lambda: self._waiting.whatever_comes(self._platform.__aexit__(None, None, None), LEAVE_S))
            self._run.reached_by(self._platform.ref())
            self._leave_out()
            self._wait(self._deploy())
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def plan(self) -> list[Planned]:
        """Return every trial that was not played yet. Each round has all experiments, in a random order by the seed.

        So a slow change of the machine affects all experiments alike, and none always follows the same other one.
        Within a round, the variants of a scenario follow each other in a random order, and share a seed. Experiments
        that play alone come after all rounds, so that no other trial has to wait for their end.
        """
        experiments = self.experiments
        rounds = [
            (nth, one)
            for nth in range(self.trials)
            for one in random.Random(f"{self.seed}:round {nth}").sample(experiments, len(experiments))
        ]
        rounds.sort(key=lambda one: plays_alone(one[1], self.place.on, self.at_once))
        planned = [
            self._plan(nth, experiment, turn, variant)
            for turn, (nth, experiment) in enumerate(rounds)
            for variant in random.Random(f"{self.seed}:variants {turn}").sample([*self.variants], len(self.variants))
        ]
        return [one for one in planned if one.number not in self.done]

    def another(self, experiment: str) -> Planned:
        """Plan one more trial of an experiment, by name or path. pytest asks for trials one by one."""
        [path] = find_experiments([experiment])
        loaded = load_experiment(path)
        suites.fitting([loaded], self.loaded, self.options)
        if sentence := refusal(loaded.name, loaded.needs, self._platform):
            raise SetupError(sentence)
        nth = sum(one.name == loaded.name for one in self.experiments)
        self.experiments.append(loaded)
        self._write_down()
        return self._plan(nth, loaded)

    def play(self, *planned: Planned) -> None:
        """Play trials in workers, as many at once as the campaign allows.

        Errors are raised when no trial runs any more.
        """
        self._play([self._to_play(one) for one in planned], lambda: len(planned))

    def play_claim(self, claim: Claim) -> None:
        """Play trials of each experiment until the claim is decided for it."""
        from chaos.analysis.analyse import beside, verdict_of

        self.tell(Message(Tell.NOTE, {"text": design(claim, self.trials)}))
        wanted = Wanted(claim, self.trials, self.experiments, lambda nth, one: self._to_play(self._plan(nth, one)))
        self._numbers = filter(lambda number: number not in self.done, count())
        with beside() as analysts:
            for experiment, verdict in analysts.map(verdict_of, self.done.values()):
                wanted.begin(experiment)
                wanted.take(experiment, verdict)

            async def closed(spec: TrialSpec) -> None:
                loop = asyncio.get_running_loop()
                wanted.take(*await loop.run_in_executor(analysts, verdict_of, Path(spec.directory)))

            self._play(wanted, wanted.total, closed)

    def _play(self, trials: Iterable[ToPlay], of: Callable[[], int], closed: Closed | None = None) -> None:
        options = PlayOptions(
            at_once=min(self.at_once, of()),
            stagger_s=min(STAGGER_S, self.loaded.scenario.system.period / self.at_once),
            limit_s=max(limits_s(one.scenario) for one in self.variants.values()),
            redeploy=lambda nth: self._platform.deploy(fresh=True, nth=nth),
            tell=self.tell,
            of=of,
            closed=closed,
        )
        pool = Pool(trials, options)
        self._wait(pool.play(), ending=lambda _why: self._waiting.call(pool.interrupt))

    def play_here(self, planned: Planned, player: Player) -> "Future[None]":
        """Play one trial in this process, where chaostoolkit already runs. `player` plays its experiment."""
        trial = Trial(self.spec(planned), player, self.tell)
        return self._waiting.begun(trial.run(), trial.interrupt)

    def result(self, planned: Planned) -> TrialResult:
        """Return the analysis of a played trial."""
        from chaos.analysis.trial import analyse_trial

        return analyse_trial(self._directory(planned))

    def close(self) -> CampaignResult:
        """Analyse the recordings, however the campaign ended, write the report, and let go of the directory.

        Call it once.
        """
        from chaos.report.files import report

        try:
            result, _ = report(self.directory)
        finally:
            os.close(self._lock)
        return result

    def interrupt(self, why: str) -> None:
        """End the campaign early. Running trials undo their faults first. A second call changes nothing."""
        self._waiting.interrupt(why)

    def spec(self, planned: Planned, nth: int = 0) -> TrialSpec:
        """Return the spec of a trial. `nth` is the number of its system, if several run at once."""
        versions = self._platform.versions()
        return TrialSpec(
            campaign=self.directory.name,
            number=planned.number,
            nth=planned.nth + 1,
            of=self.trials,
            experiment=str(planned.experiment.path.resolve()),
            seed=planned.seed,
            directory=str(self._directory(planned)),
            scenario=self.variants[planned.variant].scenario.beside(nth).model_dump(mode="json"),
            ref={
                **self._platform.ref(),
                "turn": str(planned.turn),
                "beside": "yes" if self.at_once > 1 else "",
                "run": str(self._run.directory),
            },
            run=str(self._run.directory),
            cluster={"kind": self._platform.kind, "name": self._platform.name, **asdict(versions)},
            system="fresh" if PLATFORMS[self.place.on].own_system else "re-used",
            variant=planned.variant,
        )

    async def _deploy(self) -> None:
        """Deploy as many systems as trials run at once. The first one also deploys what all of them share."""
        await self._platform.deploy()
        for nth in range(1, self.at_once) if PLATFORMS[self.place.on].beside else ():
            await self._platform.deploy(nth=nth)

    def _leave_out(self) -> None:
        """Drop the experiments that this platform cannot play, with a note.

        Raises SetupError instead if the user named these experiments.
        """
        playable, not_here = divided(self.experiments, self._platform)
        if not_here and self.options.named:
            raise SetupError(not_here[0])
        if not_here:
            self.experiments = playable
            self.left_out += not_here
            self._write_down()
        for sentence in not_here:
            self.tell(Message(Tell.NOTE, {"text": f"left out: {sentence}"}))

    def _plan(self, nth: int, experiment: Experiment, turn: int | None = None, variant: str = "") -> Planned:
        number = next(self._numbers)
        turn = number if turn is None else turn
        seed = seed_of(self.seed, turn)
        return Planned(number=number, nth=nth, experiment=experiment, seed=seed, turn=turn, variant=variant)

    def _to_play(self, planned: Planned) -> ToPlay:
        alone = plays_alone(planned.experiment, self.place.on, self.at_once)
        return ToPlay(partial(self.spec, planned), alone=alone)

    async def _find_done(self) -> None:
        self.done, told = await resume.played(
            self.directory, {name: one.scenario for name, one in self.variants.items()}, self.at_once
        )
        for sentence in [f"{len(self.done)} trials were played before", *told]:
            self.tell(Message(Tell.NOTE, {"text": sentence}))

    def _wait(self, work: Work, ending: Ending | None = None) -> None:
        try:
            self._waiting.until_done(work, ending)
        except InterruptedTrial as error:
            raise InterruptedTrial(f"{error}; what was recorded is in {self.directory}") from None

    def _write_down(self) -> None:
        """Write campaign.json. It is written again for each further trial."""
        asked = asdict(self.options) | {"out": str(self.options.out), "settings": dict(self.options.settings)}
        asked["variants"] = {name: dict(settings) for name, settings in self.options.variants.items()}
        content = {
            "format": FORMAT,
            "name": self.directory.name,
            "version": __version__,
            "command": self.options.command,
            "scenario": self.loaded.scenario.name,
            "cluster": self.place.on,
            "cluster_why": self.place.why,
            "machine": machine(),
            "parallel": self.at_once,
            "experiments": list(dict.fromkeys(experiment.name for experiment in self.experiments)),
            "left_out": self.left_out,
            "trials": self.trials,
            "claim": self.options.claim or "",
            "seed": self.seed,
            "started": self.started,
            "options": asked,
        }
        write_json(self.directory / CAMPAIGN, content)

    def _opening(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "scenario": self.loaded.scenario.name,
            "on": self.place.on,
            "why": self.place.why,
            "trials": self.trials,
            "variants": [name for name in self.variants if name],
            "at_once": self.at_once,
            "experiments": [one.name for one in self.experiments],
            "seed": self.seed,
            "directory": str(self.directory),
        }

    def _directory(self, planned: Planned) -> Path:
        return self.directory / f"trial-{planned.number:03d}"


def run(options: Options, tell: Tells) -> tuple[CampaignResult, Path]:
    """Play every trial, analyse and report. Return the result and the campaign's directory.

    Raises HarnessError if the harness failed or was interrupted. The recordings are reported before that.
    """
    campaign = Campaign(resume.asked(options) if options.resume else options, tell)
    try:
        with signals(campaign.interrupt), campaign:
            if campaign.claim:
                campaign.play_claim(campaign.claim)
            else:
                campaign.play(*campaign.plan())
    finally:
        result = campaign.close()
    return result, campaign.directory


def seed_of(seed: int, number: int) -> int:
    """Return the seed of one trial, derived from the campaign's."""
    return random.Random(f"{seed}:{number}").getrandbits(31)


def hold(directory: Path) -> int:
    """Lock a campaign's directory until the file that is returned is closed, or this process has ended.

    Raises SetupError if another process holds it.
    """
    lock = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise SetupError(f"{directory} is being played by another process: wait for its end") from None
    return lock


def unused(directory: Path) -> Path:
    """Make this directory, with a number added if another campaign of the same minute has the name."""
    numbered = (directory.with_name(f"{directory.name}-{number}") for number in count(2))
    for one in chain([directory], numbered):
        try:
            one.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise SetupError(
                f"no campaign can be written to {one.parent}: {error.strerror}; choose another --out"
            ) from error
        return one
    raise AssertionError("unreachable: numbers do not end")
