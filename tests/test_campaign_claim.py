"""Campaigns that state a claim, on the cluster in memory: how many trials they play, and what they then say."""

from pathlib import Path

import pytest

from chaos.analysis.result import Verdict
from chaos.campaign import Campaign, run
from chaos.errors import ScenarioError
from chaos.options import Options
from chaos.progress import Message, Tell
from tests import fakes
from tests.fakes import choose_the_fake, read

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(autouse=True)
def _on_the_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    choose_the_fake(monkeypatch, own_system=True)


def options(folder: Path, claim: str, **changes: object) -> Options:
    return fakes.options(folder, **{"claim": claim, "parallel": 1} | changes)


def test_it_says_how_many_it_takes_before_the_first_begins(tmp_path: Path) -> None:
    told: list[Message] = []
    _, directory = run(options(tmp_path, "15s@50/80", parallel=2), told.append)

    notes = [message.data["text"] for message in told if message.tell is Tell.NOTE]
    assert notes[0].startswith("the claim 15s@50/80 takes 3 trials of each experiment, and no miss is allowed")
    assert [message.tell for message in told].index(Tell.NOTE) < [message.tell for message in told].index(Tell.TRIAL)
    written = read(directory / "campaign.json")
    assert (written["claim"], written["trials"]) == ("15s@50/80", 3)
    targets = read(directory / "trial-000" / "manifest.json")["scenario"]["targets"]
    assert (targets["recovery"]["limit"], targets["downtime"]["limit"]) == ("15s", "15s")


def test_too_many_inconclusive_trials_end_it_and_none_is_dropped(tmp_path: Path) -> None:
    """On the cluster in memory every trial is inconclusive, since nothing answers its clients."""
    result, _ = run(options(tmp_path, "15s@50/80"), lambda _: None)

    assert (result.verdict, len(result.trials)) == (Verdict.INCONCLUSIVE, 2)
    assert "2 inconclusive, 1 not played" in result.rule


def test_fewer_trials_than_can_support_it_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="--trials 58: 15s@95/95 takes at least 59 trials, even if none misses"):
        Campaign(options(tmp_path, "15s@95/95", trials=58), lambda _: None)


def test_an_experiment_that_is_promised_something_else_is_refused(tmp_path: Path) -> None:
    settings = {"experiments.kill-master.targets.recovery.limit": "60s"}
    with pytest.raises(ScenarioError, match="holds kill-master to a recovery of its own"):
        Campaign(options(tmp_path, "15s@95/95", settings=settings), lambda _: None)
