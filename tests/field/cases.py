"""The situations as campaigns on `local`: a scenario, an experiment and what differs, played several at a time."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.analysis.result import Finding, TrialResult
from tests.fakes import HERE
from tests.local.play import Asked, Played, play
from tests.local.tampered import environment

FOLDER = Path(__file__).parent
AT_ONCE = 2 * (os.cpu_count() or 1)
"""Most of a trial is waiting for Sentinel and for a member to come back. But other tests share the cores, and what they
start must not wait half a minute for one.
"""
BESIDE = 2
"""How many trials of one campaign are played side by side."""
SENTINEL, REDIS, LOCAL = "system.settings.sentinel", "system.settings.redis", "system.local"
CALM = ("deadline=500ms", "limits.recovery=30s", "limits.watch=3s", "limits.stable=1500ms")
"""A long deadline, since nothing here measures how fast the machine is while its cores are shared."""


@dataclass(frozen=True)
class Case:
    """What is played: `set` overrides the scenario's values, and `does_wrong` names a module of tests.local."""

    experiment: str
    set: tuple[str, ...] = ()
    scenario: str = "sentinel"
    trials: int = 1
    does_wrong: str = ""

    def asked(self, folder: Path) -> Asked:
        words = [word for one in (*CALM, *self.set) for word in ("--set", one)]
        many = ["--trials", str(self.trials), "--parallel", str(min(self.trials, BESIDE))]
        own, given = FOLDER / f"{self.experiment}.yaml", FOLDER / self.scenario
        return Asked(
            given if given.is_dir() else HERE / "scenarios" / self.scenario,
            (own if own.exists() else self.experiment,),
            folder / "reports",
            environment(folder, self.does_wrong) if self.does_wrong else {},
            (*words, *many),
        )


class Cases:
    """Campaigns that play in the background; whoever asks for one waits for it."""

    def __init__(self, running: dict[str, Future[Played]]) -> None:
        self._running = running

    def played(self, name: str) -> Played:
        return self._running[name].result()

    def trial(self, name: str) -> TrialResult:
        played = self.played(name)
        assert any(played.out.glob("*/summary.json")), played.printed
        return played.result.trials[0]


@contextmanager
def playing(cases: dict[str, Case], folder: Path) -> Iterator[Cases]:
    """All of them, so many at a time, in the order in which they are listed. What nobody waits for does not begin."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield Cases({name: pool.submit(_play, case, folder / name) for name, case in cases.items()})
        pool.shutdown(wait=False, cancel_futures=True)


def _play(case: Case, folder: Path) -> Played:
    folder.mkdir()
    return play(case.asked(folder))


def the(trial: TrialResult, name: str) -> Finding:
    """The one finding of that name."""
    found = [one for one in trial.findings if one.name == name]
    assert len(found) == 1, [one.sentence for one in trial.findings]
    return found[0]


def names(trial: TrialResult) -> set[str]:
    return {one.name for one in trial.findings}
