"""Measured against promised, and what follows for a trial and a campaign."""

from dataclasses import replace

import pytest

from chaos.analysis import verdict
from chaos.analysis.result import Milestone, State, TargetResult, TrialResult, Verdict
from chaos.analysis.verdict import Promise, judge, promises
from tests.analysis.conftest import Analysed
from tests.recordings import Story, delete_master, kill_master, scenario_json


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        ((14.0, 15.0), "pass"),
        ((14.9, 15.1), "undecided"),
        ((15.1, 15.2), "fail"),
        ((15.1, None), "fail"),
        ((14.0, None), "undecided"),
    ],
)
def test_an_interval_is_held_against_a_limit(measured: tuple[float, float | None], said: str):
    assert judge(measured, 15.0) == said


def test_the_effects_own_width_is_part_of_the_error():
    assert verdict.since_effect((5.05, 5.06), 0.1) == pytest.approx((4.95, 5.06))
    seen = Milestone(state=State.SEEN, earliest_s=5.05, latest_s=5.06)
    assert verdict.of_milestone(seen, Promise(limit_s=5.0, gate=True), 0.1).verdict == "undecided"


@pytest.mark.parametrize(
    ("milestone", "said"),
    [
        (Milestone(state=State.SEEN, earliest_s=4.0, latest_s=4.1), "pass"),
        (Milestone(state=State.NOT_APPLICABLE), "not-applicable"),
        (Milestone(state=State.NOT_YET, limit_s=90.0), "fail"),
        (Milestone(state=State.NOT_YET, limit_s=3.0), "undecided"),
        (Milestone(state=State.UNOBSERVED), "undecided"),
    ],
)
def test_every_state_of_a_milestone_has_its_verdict(milestone: Milestone, said: str):
    assert verdict.of_milestone(milestone, Promise(limit_s=5.0, gate=True), 0.0).verdict == said


def test_an_experiment_has_its_own_targets_over_the_scenarios():
    own = {"kill-master": {"targets": {"reconnect": {"limit": 70.0, "gate": True}}, "failovers": None}}
    found = promises(scenario_json(experiments=own), "kill-master", {"detection": 5.0})
    assert found["reconnect"].limit_s == 70.0
    assert found["detection"] == Promise(limit_s=5.0, gate=False, floor_s=5.0)
    assert promises(scenario_json(experiments=own), "delete-master", {})["reconnect"].limit_s == 15.0


class TestTrial:
    def test_fails_when_a_gate_fails(self, analysed: Analysed):
        trial = analysed(kill_master())
        assert trial.verdict is Verdict.FAIL
        assert trial.because[0].startswith("reconnect, service/new: 51.")

    def test_passes_when_all_gates_do(self, analysed: Analysed):
        trial = analysed(kill_master(back_s=14.0))
        assert trial.verdict is Verdict.PASS
        assert trial.targets["detection"].verdict == "fail"
        assert not trial.targets["detection"].gate

    def test_is_undecided_across_the_limit(self, analysed: Analysed):
        trial = analysed(kill_master(back_s=15.0))
        assert trial.verdict is Verdict.INCONCLUSIVE

    def test_of_several_targets_only_gates_decide(self, analysed: Analysed):
        scenario = scenario_json()
        scenario["targets"]["detection"]["gate"] = True
        trial = analysed(kill_master(back_s=14.0, scenario=scenario))
        assert trial.because == ("detection: 5.46 to 5.47 s, promised 5 s",)

    def test_a_path_that_never_worked_gates_nothing_and_its_claims_are_false(self, analysed: Analysed):
        target = analysed(kill_master(back_s=14.0)).paths["given/new"].targets["reconnect"]
        assert (target.verdict, target.gate) == ("fail", False)
        assert target.why == "never worked: name not found, 0 of 39"

    def test_a_path_of_which_the_scenario_says_so_gates_nothing(self, analysed: Analysed):
        scenario = scenario_json()
        scenario["clients"]["service"]["gate"] = False
        assert analysed(kill_master(scenario=scenario)).verdict is Verdict.PASS

    def test_without_any_gate_nothing_is_known(self, analysed: Analysed):
        trial = analysed(kill_master(scenario=scenario_json(targets={})))
        assert trial.verdict is Verdict.INCONCLUSIVE

    def test_what_was_not_back_when_it_was_healed_fails(self, analysed: Analysed):
        story = Story(length_s=60.0).fault("partition").failover(sdown_s=5.4, try_s=5.6, promoted_s=5.9)
        trial = analysed(story.out("service", 0.0, 45.0).healed(40.0))
        path = trial.paths["service/new"]
        assert path.recovered_s is not None
        assert path.recovered_s[1] is None
        assert path.downtime_s is not None
        assert path.downtime_s[0] == pytest.approx(40.0, abs=0.03)
        assert path.downtime_s[1] is None
        assert [window.after_heal for window in path.windows if window.kind == "durable"] == [False, True]
        assert trial.verdict is Verdict.FAIL

    def test_losses_are_held_against_their_limit(self, analysed: Analysed):
        target = analysed(delete_master()).targets["lost_acknowledged"]
        assert (target.verdict, target.measured_s) == ("fail", (1365, 1365))

    def test_downtime_is_the_sum_of_all_windows(self, analysed: Analysed):
        path = analysed(kill_master(back_s=10.0).out("service", 30.0, 38.0)).paths["service/new"]
        assert path.targets["reconnect"].verdict == "pass"
        assert path.targets["total"].verdict == "fail"

    def test_an_application_gates_nothing(self, analysed: Analysed):
        assert analysed(kill_master()).paths["app/kept"].targets == {}

    def test_floors_are_those_of_the_effective_settings(self, analysed: Analysed):
        assert analysed(kill_master()).targets["detection"].floor_s == 5.0
        assert analysed(delete_master()).targets["detection"].floor_s is None


class TestCampaign:
    @pytest.fixture
    def trial(self, analysed: Analysed) -> TrialResult:
        return analysed(kill_master(back_s=10.0))

    def of(self, trial: TrialResult, **count: int) -> Verdict:
        verdicts = [Verdict(name) for name, times in count.items() for _ in range(times)]
        return verdict.campaign([replace(trial, verdict=each) for each in verdicts])[0]

    def test_without_trials_nothing_is_known(self):
        assert verdict.campaign([])[0] is Verdict.INCONCLUSIVE

    @pytest.mark.parametrize(
        ("count", "said"),
        [
            ({"pass": 3}, "pass"),
            ({"pass": 9, "fail": 1}, "fail"),
            ({"pass": 9, "inconclusive": 1}, "inconclusive"),
            ({"fail": 9, "inconclusive": 1}, "fail"),
            ({"fail": 8, "inconclusive": 2}, "inconclusive"),
        ],
    )
    def test_is_the_same_over_its_trials(self, trial: TrialResult, count: dict[str, int], said: str):
        assert self.of(trial, **count) == said

    def test_names_its_rule(self, trial: TrialResult):
        assert verdict.campaign([trial])[1] == "every gate passed in all 1 trials"


def test_a_failed_gate_without_a_figure_has_a_sentence():
    target = TargetResult(limit_s=1.0, measured_s=None, verdict="fail", gate=True, why="never came")
    assert verdict.trial({"promotion": target}, {}, [])[1] == ("promotion: never came",)
