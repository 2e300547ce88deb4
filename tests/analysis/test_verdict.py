"""Measured against promised, and what follows for a trial and a campaign."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.analysis.interval import Interval
from chaos.analysis.result import TargetResult, TrialResult, Verdict
from chaos.analysis.trial import analyse_trial
from chaos.analysis.verdict import of_campaign, of_trial
from chaos.clock import AGENT
from chaos.model import ErrorCode
from tests.analysis.conftest import Analysed
from tests.recordings import Story, delete_master, kill_master, scenario_json, write_trial
from tests.recordings.world import IPS, PODS


def test_the_effects_own_width_is_part_of_the_error(analysed: Analysed):
    """+sdown at 5.47 s may have come 5.00 s after an effect that is 0.5 s wide."""
    wide = (
        kill_master(back_s=14.0).without("fault.effect").event("fault.effect", 0.5, "node/worker", 0.0, fault="crash")
    )
    target = analysed(wide).targets["detection"]
    assert target.measured == Interval(4.97, 5.471)
    assert target.verdict == "undecided"


@pytest.mark.parametrize(
    ("gone", "limit_s", "said"),
    [((), 6.0, "pass"), ((), 5.0, "fail"), (("redis", "role"), 6.0, "undecided")],
)
def test_a_milestone_is_held_against_its_claim(analysed: Analysed, gone: tuple[str, ...], limit_s: float, said: str):
    scenario = scenario_json()
    scenario["targets"]["promotion"]["limit"] = f"{limit_s:g}s"
    assert analysed(kill_master(scenario=scenario).without(*gone)).targets["promotion"].verdict == said


def test_what_did_not_come_while_the_trial_watched_fails(analysed: Analysed):
    story = kill_master()
    story.events = [one for one in story.events if one.event.kind != "endpoints" or one.at_ns < 10**13 // 2]
    target = analysed(story).targets["endpoint"]
    assert target.measured is not None
    assert (target.verdict, target.measured.is_open) == ("fail", True)


def test_targets_of_a_failover_do_not_apply_where_none_was_due(analysed: Analysed):
    """A replica is hit: the clients notice for a moment, and no Sentinel has anything to say."""
    targets = analysed(Story(expects="no-failover").fault().out("service", 0.0, 0.5)).targets
    names = ("detection", "quorum", "failover_start", "promotion", "reconfiguration")
    assert {targets[name].verdict for name in names} == {"not-applicable"}


def test_an_experiment_has_its_own_targets_over_the_scenarios(analysed: Analysed):
    own = {"kill-master": {"targets": {"recovery": {"limit": "70s"}}, "failovers": None}}
    trial = analysed(kill_master(scenario=scenario_json(experiments=own)))
    assert trial.paths["service/new"].targets["recovery"].limit == 70.0
    assert trial.paths["service/new"].targets["downtime"].limit == 15.0
    assert trial.targets["detection"].floor == 5.0


class TestTrial:
    def test_fails_when_a_gate_fails(self, analysed: Analysed):
        trial = analysed(kill_master())
        assert trial.verdict is Verdict.FAIL
        assert trial.because[0].startswith("recovery, service/new: 51.")

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

    def test_a_path_that_never_worked_fails_its_gate_unless_the_scenario_expects_it(self, analysed: Analysed):
        target = analysed(kill_master(back_s=14.0)).paths["given/new"].targets["recovery"]
        assert (target.verdict, target.gate) == ("fail", False)
        assert target.why == "never worked: name not found, 0 of 39"
        scenario = scenario_json()
        scenario["clients"]["given"]["gate"] = True
        trial = analysed(kill_master(back_s=14.0, scenario=scenario))
        assert trial.verdict is Verdict.FAIL
        assert trial.because[0].startswith("recovery, given/new: never worked")

    def test_a_path_of_which_the_scenario_says_so_gates_nothing(self, analysed: Analysed):
        scenario = scenario_json()
        scenario["clients"]["service"]["gate"] = False
        assert analysed(kill_master(scenario=scenario)).verdict is Verdict.PASS

    def test_without_any_gate_nothing_is_known(self, analysed: Analysed):
        trial = analysed(
            kill_master(
                scenario=scenario_json(
                    targets={"works_at_end": {"gate": False}, "lost_before": {"limit": 0, "gate": False}}
                )
            )
        )
        assert trial.verdict is Verdict.INCONCLUSIVE

    def test_what_was_not_back_when_it_was_healed_fails(self, analysed: Analysed):
        story = Story(length_s=60.0).fault("partition").failover(sdown_s=5.4, try_s=5.6, promoted_s=5.9)
        trial = analysed(story.out("service", 0.0, 45.0).healed(40.0))
        path = trial.paths["service/new"]
        assert path.recovered_s is not None
        assert path.recovered_s.is_open
        assert path.downtime_s is not None
        assert path.downtime_s.least == pytest.approx(40.0, abs=0.03)
        assert path.downtime_s.is_open
        assert [window.when for window in path.windows if window.kind == "durable"] == ["fault", "after heal"]
        assert trial.verdict is Verdict.FAIL

    def test_losses_are_held_against_their_limit(self, analysed: Analysed):
        targets = analysed(delete_master()).targets
        assert (targets["lost_after"].verdict, targets["lost_after"].measured) == ("fail", Interval.at(1365))
        assert [targets[name].verdict for name in ("lost_before", "lost_tail")] == ["pass", "pass"]

    def test_downtime_is_the_sum_of_all_windows(self, analysed: Analysed):
        path = analysed(kill_master(back_s=10.0).out("service", 30.0, 38.0)).paths["service/new"]
        assert path.targets["recovery"].verdict == "pass"
        assert path.targets["downtime"].verdict == "fail"

    def test_an_application_gates_nothing(self, analysed: Analysed):
        assert analysed(kill_master()).paths["app/kept"].targets == {}

    def test_floors_are_those_of_the_effective_settings(self, analysed: Analysed):
        assert analysed(kill_master()).targets["detection"].floor == 5.0
        assert analysed(delete_master()).targets["detection"].floor is None


class TestWorksAtEnd:
    """At the end every path that worked works, and one Redis is master. It gates unless the scenario says otherwise."""

    def promised(self) -> dict[str, Any]:
        scenario = scenario_json()
        scenario["targets"]["works_at_end"]["gate"] = True
        return scenario

    def test_an_early_recovery_does_not_save_a_path_that_is_out_at_the_end(self, analysed: Analysed):
        story = kill_master(back_s=10.0, scenario=self.promised()).out(
            "service", 30.0, 999.0, error=ErrorCode.OTHER_REPLY
        )
        trial = analysed(story)
        assert trial.paths["service/new"].targets["recovery"].verdict == "pass"
        assert trial.paths["service/new"].targets["works_at_end"].verdict == "fail"
        assert trial.verdict is Verdict.FAIL
        assert "works at the end, service/new: it was out at the end since 30.0 s: other reply" in trial.because

    def roles_at_end(self, second: str) -> Story:
        story = kill_master(back_s=10.0, scenario=self.promised())
        for ordinal, role in ((1, "master"), (2, second)):
            story.role(story.length_s - 0.5, ordinal, role, IPS[ordinal])
        return story

    def test_two_masters_at_the_end_are_a_result(self, analysed: Analysed):
        trial = analysed(self.roles_at_end("master"))
        assert trial.verdict is Verdict.FAIL
        assert trial.because == (f"works at the end: at the end {PODS[1]} and {PODS[2]} said that they are master",)

    def test_one_master_is_as_it_should_be(self, analysed: Analysed):
        trial = analysed(self.roles_at_end("slave"))
        assert trial.targets["works_at_end"].verdict == "pass"
        assert trial.verdict is Verdict.PASS

    def test_one_that_no_longer_answers_is_no_master(self, analysed: Analysed):
        story = self.roles_at_end("master")
        story.event("role.lost", story.length_s - 0.2, AGENT, member=PODS[2])
        assert analysed(story).targets["works_at_end"].verdict == "pass"

    def test_a_master_that_was_not_asked_at_the_end_is_not_known_to_be_gone(self, analysed: Analysed):
        """As when our own observer stalled for some seconds."""
        story = kill_master(back_s=10.0, scenario=self.promised())
        story.role(story.length_s - 5.0, 1, "master", IPS[1])
        story.role(story.length_s - 0.5, 2, "slave", IPS[2])
        assert analysed(story).targets["works_at_end"].verdict == "undecided"

    def test_an_audit_that_takes_long_is_not_the_end(self, tmp_path: Path):
        """An entry of a watch ends while its clients run on."""
        story = self.roles_at_end("slave")
        story.event("watch.end", story.length_s)
        story.event("audit", story.length_s + 60.0, AGENT, address=f"{IPS[1]}:6379", undecided="")
        directory = write_trial(story, tmp_path)
        events = directory / "events" / "agent.jsonl"
        lines = events.read_text().splitlines(keepends=True)
        events.write_text("".join(line for line in lines if '"clients.stopped"' not in line))
        assert analyse_trial(directory).targets["works_at_end"].verdict == "pass"

    def test_where_nobody_asked_it_is_not_known(self, analysed: Analysed):
        story = self.roles_at_end("slave").without("role", "role.lost")
        assert analysed(story).targets["works_at_end"].verdict == "undecided"


class TestTheOriginOfTime:
    """With several faults t = 0 is the effect of one of them."""

    def two(self, origin: bool | None = None) -> Story:
        """A replica is hit 34 s before the master."""
        story = kill_master(baseline_s=60.0)
        target = {"name": PODS[2], "ordinal": 2, "address": f"{IPS[2]}:6379", "run_id": ""}
        story.event("fault.requested", -34.1, fault="crash", target=target, arguments={}, origin=origin)
        story.event("fault.effect", -34.0, since_s=-34.01, fault="crash")
        return story.event("fault.confirmed", -33.8, fault="crash", evidence="pid 7 gone")

    def test_is_the_first_fault_on_a_master(self, analysed: Analysed):
        trial = analysed(self.two())
        assert [fault.is_origin for fault in trial.faults] == [False, True]
        assert trial.target is not None
        assert trial.target.name == PODS[0]
        first = trial.faults[0].effect_s
        assert first is not None
        assert first.least == pytest.approx(-34.01)
        assert trial.milestones["sdown"].at_s == Interval(5.47, 5.471)

    def test_is_the_one_that_the_experiment_marks(self, analysed: Analysed):
        trial = analysed(self.two(origin=True))
        assert [fault.is_origin for fault in trial.faults] == [True, False]
        second = trial.faults[1].effect_s
        assert second is not None
        assert second.least == pytest.approx(34.01)


class TestCampaign:
    @pytest.fixture
    def trial(self, analysed: Analysed) -> TrialResult:
        return analysed(kill_master(back_s=10.0))

    def of(self, trial: TrialResult, **count: int) -> Verdict:
        verdicts = [Verdict(name) for name, times in count.items() for _ in range(times)]
        return of_campaign([replace(trial, verdict=each) for each in verdicts])[0]

    def test_without_trials_nothing_is_known(self):
        assert of_campaign([])[0] is Verdict.INCONCLUSIVE

    @pytest.mark.parametrize(
        ("count", "said"),
        [
            ({"pass": 3}, "pass"),
            ({"pass": 9, "fail": 1}, "fail"),
            ({"pass": 9, "inconclusive": 1}, "inconclusive"),
            ({"fail": 9, "inconclusive": 1}, "fail"),
            ({"fail": 1, "inconclusive": 9}, "fail"),
        ],
    )
    def test_is_the_same_over_its_trials(self, trial: TrialResult, count: dict[str, int], said: str):
        assert self.of(trial, **count) == said

    def test_names_its_rule(self, trial: TrialResult):
        assert of_campaign([trial])[1] == "every gate passed in all 1 trials"


def test_a_failed_gate_without_a_figure_has_a_sentence():
    target = TargetResult(limit=1.0, verdict="fail", gate=True, why="never came")
    assert of_trial({"promotion": target}, {}, [])[1] == ("promotion: never came",)
