"""Campaigns of several unlike trials: what their first lines say of which, and what is counted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.analysis.analyse import analyse
from chaos.analysis.cause import explaining, longest
from chaos.analysis.headline import headline
from chaos.analysis.result import CampaignResult, Finding, TrialResult
from chaos.analysis.trial import analyse_trial
from chaos.analysis.verdict import of_campaign
from tests.analysis.conftest import Analysed
from tests.recordings import Story, kill_master, no_fault, scenario_json, write_campaign, write_trial

PATHS = ("service", "sentinel")
SLOW = Finding(name="slow", sentence="It was slow.", severity="slow", since_s=1.0, explains=("detection",), rows=())


def campaign(folder: Path, *stories: Story) -> CampaignResult:
    numbered = [replace(story, number=number) for number, story in enumerate(stories)]
    return analyse(write_campaign(folder, numbered))


def crash(back_s: float, experiment: str = "kill-master", **more: Any) -> Story:
    return kill_master(back_s=back_s, paths=PATHS, experiment=experiment, **more)


def limit(seconds: float) -> dict[str, Any]:
    scenario = scenario_json()
    scenario["targets"]["recovery"]["limit"] = f"{seconds:g}s"
    return {"scenario": scenario}


class TestVerdict:
    def test_only_those_that_failed_are_counted_as_late(self, tmp_path: Path):
        told = campaign(tmp_path, crash(10.0), crash(50.0), crash(12.0)).headline["verdict"]
        assert "1 of 3 kill-master trials was back later than 15 s" in told

    def test_the_limit_is_the_greatest_that_was_promised(self, tmp_path: Path):
        told = campaign(tmp_path, crash(50.0), crash(50.0, **limit(30))).headline["verdict"]
        assert "were back later than 30 s" in told

    def test_a_path_that_never_worked_is_not_late(self, tmp_path: Path):
        scenario = scenario_json()
        scenario["clients"]["given"]["gate"] = True
        told = campaign(tmp_path, kill_master(back_s=50.0, scenario=scenario)).headline["verdict"]
        assert "through rfrm-redis-cluster: " in told

    def test_of_four_experiments_three_are_named(self, tmp_path: Path):
        told = campaign(tmp_path, *(crash(50.0, f"kill-{n}") for n in range(4))).headline["verdict"]
        assert [f"kill-{n} trial" in told for n in range(4)] == [True, True, True, False]


class TestWhy:
    def test_it_is_of_a_trial_that_decides(self, tmp_path: Path):
        """The longest outage was allowed for; a shorter one was not."""
        why = campaign(tmp_path, crash(70.0, "slow", **limit(90)), crash(50.0, "fast")).headline["why"]
        assert "45.8 s" not in why or "fast" not in why
        assert why == analyse_trial(tmp_path / "trial-001").cause

    def test_it_shares_a_phase_with_trials_of_its_own_experiment_only(self, tmp_path: Path):
        why = campaign(tmp_path, crash(50.0, "one"), crash(51.0, "two"), crash(52.0, "two")).headline["why"]
        assert "in all 2 trials" in why


class TestLosses:
    def test_how_many_trials_are_undecided_is_said(self, tmp_path: Path):
        told = campaign(tmp_path, crash(10.0), crash(10.0, audited=False)).headline["expect"]
        assert "undecided in 1 of 2 trials: there was no audit" in told


class TestCause:
    @pytest.fixture
    def trial(self, tmp_path: Path) -> TrialResult:
        return analyse_trial(write_trial(kill_master(back_s=50.0), tmp_path))

    def test_a_path_that_never_came_back_is_the_longest(self, analysed: Analysed):
        story = Story(length_s=60.0).fault().out("service", 1.0, 50.0).out("sentinel", 40.0, 99.0)
        path = longest(analysed(story).paths.values())
        assert path is not None
        assert path.via_sentinel

    def test_an_application_is_not(self, analysed: Analysed):
        story = kill_master(back_s=10.0).out("app", 12.0, 40.0, takes_s=28.0)
        path = longest(analysed(story).paths.values())
        assert path is not None
        assert not path.application

    @pytest.mark.parametrize(
        ("since_s", "until_s", "explains"),
        [(0.0, 3.0, False), (0.0, 20.0, True), (0.0, None, True), (20.0, 30.0, True), (60.0, None, False)],
    )
    def test_a_finding_explains_a_phase_that_it_was_so_in(
        self, trial: TrialResult, since_s: float, until_s: float | None, explains: bool
    ):
        path = longest(trial.paths.values())
        assert path is not None
        assert path.head is not None
        one = Finding(
            name="x", sentence="X.", severity="slow", since_s=since_s, until_s=until_s, explains=("endpoint",)
        )
        assert bool(explaining([one], "endpoint", path.head)) is explains

    def test_lost_writes_from_before_the_effect_are_of_no_replaced_master(self, analysed: Analysed):
        story = kill_master(back_s=50.0).acknowledged_then_lost("service", -4.0, -1.5)
        assert "went on saying OK" not in analysed(story).cause


class TestControls:
    def test_one_control_among_failovers_makes_them_no_controls(self, tmp_path: Path):
        first, second = campaign(tmp_path, crash(10.0), no_fault(paths=PATHS)).groups
        assert ("such failovers" in first.strength, "such trials" in second.strength) == (True, True)
        mixed = replace(no_fault(paths=PATHS), experiment="kill-master")
        assert "such failovers" in campaign(tmp_path / "mixed", crash(10.0), mixed).groups[0].strength


def test_the_same_advice_with_two_prices_is_given_once(tmp_path: Path):
    write_campaign(tmp_path, [replace(crash(50.0), number=number) for number in range(2)])
    trials = [
        replace(trial, findings=(replace(SLOW, advice="Set it to 1.", price=price),))
        for trial, price in zip(analyse(tmp_path).trials, ("One write.", "Two writes."), strict=True)
    ]
    told = headline(trials, *of_campaign(trials))["do"]
    assert told.count("Set it to 1.") == 1
    assert "The price: one write." in told
