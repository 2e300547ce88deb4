"""The `failover` fixture, by which a test plays trials, and what a trial measured, on which it makes its assertions."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from chaos.analysis.interval import Interval
from chaos.analysis.result import PathResult, TrialResult, Verdict
from chaos.analysis.wording import modelled
from chaos.campaign import Campaign
from chaos.errors import HarnessError, InterruptedTrial, ScenarioError
from chaos.options import Options
from chaos.report.terminal import Terminal


class Inconclusive(HarnessError):
    """We do not know: the trial's own evidence is not good enough for a verdict."""

    exit_code = 5


class MeasuredPath:
    """One path, in both ways of driving it unless its name says which: `sentinel`, or `sentinel/new`."""

    def __init__(self, name: str, ways: list[PathResult]) -> None:
        self.name = name
        self.ways = ways

    def recovered_within(self, seconds: float) -> bool:
        """Return whether it worked before, and was surely back in time by the worst of its clients."""
        return all(way.state == "works" and _within(way.recovered_s, seconds) for way in self.ways)

    @property
    def outage_s(self) -> float | None:
        """The longest that its first outage can have been; None where there was none, infinity where it did not end."""
        return max((way.outage_s.most for way in self.ways if way.outage_s is not None), default=None)


class PlayedTrial:
    """A trial that was played, as its recording says. `result` is all of it."""

    def __init__(self, result: TrialResult, directory: Path, on: str) -> None:
        self.result = result
        self.directory = directory
        self._on = on

    def path(self, name: str) -> MeasuredPath:
        """Raises ScenarioError where the scenario has no such path."""
        paths = self.result.paths
        ways = [way for full, way in paths.items() if name in (full, full.partition("/")[0])]
        if not ways:
            raise ScenarioError(f'no path is called "{name}"; there are {", ".join(sorted(paths))}')
        return MeasuredPath(name, ways)

    @property
    def passed(self) -> bool:
        """By the scenario's own gates."""
        return self.result.verdict is Verdict.PASS

    @property
    def lost(self) -> Interval | None:
        """Writes that were acknowledged and are gone, in all classes; None where that could not be decided."""
        return self.result.losses.lost

    def explain(self) -> str:
        """Why, in the sentences of the report, and where the evidence is."""
        sentences = [*self.result.because, self.result.cause, str(self.directory)]
        return modelled(self._on, "\n".join(sentence for sentence in sentences if sentence))


class Failover:
    """Plays trials, one after the other, and keeps the platform up between them. One campaign a scenario.

    A campaign is closed, analysed and reported when another scenario is asked for, and at the end of the test run.
    """

    def __init__(self, options: Options) -> None:
        self._options = replace(options, experiments=(), trials=1)
        self._terminal = Terminal()
        self._held = ExitStack()
        self._campaign: Campaign | None = None
        self._scenario: str | None = None
        self.reports: list[Path] = []

    def run(self, experiment: str, scenario: str | None = None) -> PlayedTrial:
        """Play one trial of `experiment`, a name or a path, on `scenario` or the one of the command line.

        Raises Inconclusive where its evidence is not good enough, HarnessError where it could not be played, and
        KeyboardInterrupt where it was interrupted, after the fault was undone.
        """
        try:
            campaign = self._opened(scenario or self._options.scenario)
            planned = campaign.another(experiment)
            campaign.play(planned)
        except InterruptedTrial as error:
            raise KeyboardInterrupt(str(error)) from error
        measured = PlayedTrial(campaign.result(planned), campaign.directory, campaign.place.on)
        if measured.result.verdict is Verdict.INCONCLUSIVE:
            raise Inconclusive(measured.explain())
        return measured

    def close(self) -> None:
        """Take the platform away, and report what was played."""
        campaign, self._campaign = self._campaign, None
        self._held.close()
        if campaign is not None:
            result = campaign.close()
            self.reports.append(campaign.directory / "report.html")
            self._terminal.closing(result, self.reports[-1])

    def _opened(self, scenario: str | None) -> Campaign:
        if self._campaign is None or scenario != self._scenario:
            self.close()
            self._scenario = scenario
            self._campaign = Campaign(replace(self._options, scenario=scenario), self._terminal.tell)
            self._held.enter_context(_terminated_like_interrupted())
            self._held.enter_context(self._campaign)
        return self._campaign


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Between trials too SIGTERM ends a test run as Ctrl-C does: else it would die, and leave the platform behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _within(recovered_s: Interval | None, seconds: float) -> bool:
    """Nothing to recover from is in time; what did not recover is not."""
    return recovered_s is None or recovered_s.most <= seconds
