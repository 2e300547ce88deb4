"""The `failover` fixture, with which a test plays trials, and the results of a trial, for assertions."""

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
    """The trial's evidence is not good enough for a verdict."""

    exit_code = 5


class MeasuredPath:
    """One path. `sentinel` stands for new and kept connections together, `sentinel/new` for new ones only."""

    def __init__(self, name: str, ways: list[PathResult]) -> None:
        self.name = name
        self.ways = ways

    def recovered_within(self, seconds: float) -> bool:
        """Return whether it worked before the fault, and even its slowest client was certainly back in time."""
        return all(way.state == "works" and _within(way.recovered_s, seconds) for way in self.ways)

    @property
    def outage_s(self) -> float | None:
        """The longest possible duration of its first outage: None without one, infinity if it did not end."""
        return max((way.outage_s.most for way in self.ways if way.outage_s is not None), default=None)


class PlayedTrial:
    """A played trial. `result` is the full analysis of its recording."""

    def __init__(self, result: TrialResult, directory: Path, on: str) -> None:
        self.result = result
        self.directory = directory
        self._on = on

    def path(self, name: str) -> MeasuredPath:
        """Return one path. Raises ScenarioError if the scenario has no such path."""
        paths = self.result.paths
        ways = [way for full, way in paths.items() if name in (full, full.partition("/")[0])]
        if not ways:
            raise ScenarioError(f'no path is called "{name}"; there are {", ".join(sorted(paths))}')
        return MeasuredPath(name, ways)

    @property
    def passed(self) -> bool:
        """Whether the scenario's gates passed."""
        return self.result.verdict is Verdict.PASS

    @property
    def lost(self) -> Interval | None:
        """How many acknowledged writes are lost, or None if that could not be decided."""
        return self.result.losses.lost

    def explain(self) -> str:
        """Return the reason for the verdict, in the report's sentences, and where the recording is."""
        sentences = [*self.result.because, self.result.cause, str(self.directory)]
        return modelled(self._on, "\n".join(sentence for sentence in sentences if sentence))


class Failover:
    """Plays trials one after the other, and keeps the platform up between them. Each scenario has its own campaign.

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
        """Play one trial of `experiment`, a name or a path, on `scenario` or that of the command line.

        Raises Inconclusive if the evidence is not good enough, HarnessError if the trial could not be played, and
        KeyboardInterrupt if it was interrupted, after its fault was undone.
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
        """Remove the platform, and report what was played."""
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
    """Let SIGTERM end a test run as Ctrl-C does. By default it would kill pytest, and leave the platform behind."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _within(recovered_s: Interval | None, seconds: float) -> bool:
    """Return whether a recovery was in time. Without an outage it was."""
    return recovered_s is None or recovered_s.most <= seconds
