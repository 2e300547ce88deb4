"""Campaigns on `local` by `failover run`, and what they left."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from chaos.analysis import summary
from chaos.analysis.result import CampaignResult, TrialResult
from chaos.record.event_files import read_events
from chaos.record.events import Stamped
from tests.fakes import HERE, read
from tests.verdicts import counted

END_S = 240.0
"""How long a campaign may take on a busy machine for each of its experiments."""


@dataclass(frozen=True)
class Played:
    """A campaign that is over. `printed` is all that it said."""

    code: int
    printed: str
    out: Path

    @property
    def campaign(self) -> Path:
        [directory] = self.out.iterdir()
        return directory

    @cached_property
    def result(self) -> CampaignResult:
        return summary.load(self.campaign / "summary.json")

    def of(self, experiment: str) -> TrialResult:
        [trial] = [one for one in self.result.trials if one.experiment == experiment]
        return trial

    def directory(self, experiment: str) -> Path:
        return self.campaign / f"trial-{self.of(experiment).number:03d}"

    def events(self, experiment: str, kind: str) -> list[Stamped[Any]]:
        files = (self.directory(experiment) / "events").glob("*.jsonl")
        found = [event for file in files for event in read_events(file) if event.event.kind == kind]
        return sorted(found, key=lambda event: event.at_ns)

    def output(self, experiment: str, activity: str) -> Any:
        """What an activity returned."""
        journal = read(self.directory(experiment) / "journal.json")
        [entry] = [one for one in journal["run"] if one["activity"]["name"] == activity]
        return entry["output"]


@dataclass(frozen=True)
class Asked:
    """What a campaign is started with. `environment` is over our own.

    Say `inconclusive` of a campaign that is made so: its trials do not count among those that the session reports.
    """

    scenario: Path
    experiments: tuple[Path | str, ...]
    out: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    inconclusive: bool = False

    @property
    def command(self) -> list[str]:
        played = [word for one in self.experiments for word in ("--experiment", str(one))]
        own = ["--on", "local", "--parallel", "1", "--seed", "7", "--out", str(self.out)]
        return [sys.executable, "-m", "chaos", "run", str(self.scenario), *played, *own, *self.options]

    @property
    def variables(self) -> dict[str, str]:
        """Our modules are found whatever directory a process works in."""
        given = {**os.environ, **self.environment}
        path = [self.environment.get("PYTHONPATH", ""), str(HERE), os.environ.get("PYTHONPATH", "")]
        return given | {"PYTHONPATH": ":".join(filter(None, path))}


def play(asked: Asked) -> Played:
    return played_by(asked.command, asked)


def played_by(command: list[str], asked: Asked) -> Played:
    """By this command, which is its own with something around it."""
    done = subprocess.run(
        command,
        cwd=HERE,
        env=asked.variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=END_S * len(asked.experiments),
        check=False,
    )
    played = Played(done.returncode, done.stdout, asked.out)
    if not asked.inconclusive and any(asked.out.glob("*/summary.json")):
        counted(played.result.trials)
    return played


def voids(trial: TrialResult) -> dict[str, str]:
    """The doubts that make a trial inconclusive, by name, with what each says."""
    return {doubt.name: doubt.text for doubt in trial.doubts if doubt.voids}
