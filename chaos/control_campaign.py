"""A campaign of one trial, whose experiment is played by a running chaostoolkit (`chaos run`).

The options of chaos.options come from the environment, such as `FAILOVER_SCENARIO` for `--scenario`, or from the
experiment's configuration under the same names in lower case.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from chaos.analysis.result import Verdict
from chaos.campaign import Campaign
from chaos.errors import HarnessError, InterruptedTrial, ScenarioError
from chaos.experiment.play import Journal
from chaos.experiment.session import Session
from chaos.experiment.threads import awake
from chaos.experiment.written import Experiment
from chaos.options import Options, from_environment
from chaos.progress import Message, Tell
from chaos.report.terminal import Terminal
from chaos.trial.assignment import limits_s
from chaos.trial.worker import signals

SUFFIXES = (".yaml", ".yml", ".json")


class OneTrial:
    """A campaign of one trial. `begun` returns when the experiment may be played. `ended` gets its journal."""

    def __init__(self, options: Options) -> None:
        self._terminal = Terminal()
        self._campaign = Campaign(options, self._terminal.tell)
        self._held = ExitStack()
        self._ready: Future[None] = Future()
        self._journal: Future[Journal] = Future()
        self._trial: Future[None] = Future()

    @classmethod
    def begun(cls, experiment: Mapping[str, Any], configuration: Mapping[str, Any]) -> Self:
        """Open the trial. Raises HarnessError if that fails. What was recorded until then is reported."""
        one = cls(options(experiment, {**configuration, **os.environ}))
        try:
            one._begin()
        except BaseException:
            one._close()
            raise
        return one

    def ended(self, journal: Journal) -> bool:
        """Let the trial run to its end, report it, and return whether it passed.

        Our own errors are shown, not raised.
        """
        self._journal.set_result(journal)
        try:
            awake(self._trial, limits_s(self._campaign.loaded.scenario))
        except HarnessError as error:
            self._terminal.tell(Message(Tell.FAILED, {"error": type(error).__name__, "text": str(error)}))
        return self._close() is Verdict.PASS

    def _begin(self) -> None:
        self._held.enter_context(signals(self._campaign.interrupt))
        self._held.enter_context(self._campaign)
        [planned] = self._campaign.plan()
        self._trial = self._campaign.play_here(planned, self._play)
        self._trial.add_done_callback(self._ended_early)
        awake(self._ready, limits_s(self._campaign.loaded.scenario))

    def _close(self) -> Verdict:
        self._held.close()
        result = self._campaign.close()
        self._terminal.closing(result, self._campaign.directory / "report.html")
        return result.verdict

    async def _play(self, _experiment: Experiment, _session: Session) -> Journal:
        self._ready.set_result(None)
        return await asyncio.wrap_future(self._journal)

    def _ended_early(self, trial: "Future[None]") -> None:
        if not self._ready.done():
            early = InterruptedTrial("the trial ended before its experiment")
            self._ready.set_exception(early if trial.cancelled() else trial.exception() or early)


def options(experiment: Mapping[str, Any], given: Mapping[str, Any]) -> Options:
    """Return the options for `chaos run`. Raises ScenarioError for a variable that cannot be read."""
    try:
        said = from_environment(given)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    return Options(**said, experiments=(str(source(experiment)),), command=" ".join(["chaos", *sys.argv[1:]]))


def source(experiment: Mapping[str, Any]) -> Path:
    """Return the experiment's file, from the command line, because chaostoolkit does not pass it on."""
    files = [Path(word) for word in sys.argv[1:] if word.endswith(SUFFIXES) and Path(word).is_file()]
    if len(files) != 1:
        raise ScenarioError(f'"{experiment.get("title")}": give its file, alone, as in `chaos run experiments/x.yaml`')
    return files[0]
