"""Stories that hold several failovers, Services and Sentinels: the first and the last, any and all of them differ."""

from dataclasses import replace

import pytest

from chaos.analysis.result import State
from chaos.clock import AGENT
from chaos.model import ErrorCode, Outcome
from tests.analysis.conftest import Analysed
from tests.recordings import Story, kill_master, no_fault, scenario_json
from tests.recordings.world import IPS, PODS, SENTINELS, ns
from tests.saying import edges


class TestFailovers:
    def test_the_milestones_are_those_of_the_one_that_was_completed(self, analysed: Analysed):
        """The first is given up, and a third, later, moves the master back."""
        old = f"master mymaster {IPS[0]} 6379"
        story = Story(length_s=60.0).fault().down(5.0, 5.2)
        story.sentinel(5.3, 0, "+new-epoch", "1").sentinel(5.31, 0, "+try-failover", old)
        story.sentinel(9.0, 0, "-failover-abort-not-elected", old)
        story.failover(sdown_s=None, try_s=20.0, promoted_s=20.5, epoch=2)
        story.sentinel(40.0, 1, "+new-epoch", "3").sentinel(40.1, 1, "+try-failover", old)
        trial = analysed(story)
        assert [(one.epoch, one.aborted) for one in trial.failovers] == [(1, "not-elected"), (2, ""), (3, "")]
        assert edges(trial.milestones["try_failover"].at_s) == pytest.approx((20.0, 20.001))

    def test_one_before_the_effect_is_neither_counted_nor_the_trials(self, analysed: Analysed):
        story = Story(baseline_s=30.0, length_s=30.0, expects="no-failover").fault()
        story.failover(sdown_s=None, try_s=-10.0, promoted_s=-9.5)
        trial = analysed(story)
        assert trial.milestones["promoted"].state is State.NOT_APPLICABLE
        assert not [one for one in trial.findings if one.name == "failover not expected"]

    def test_replicas_follow_the_new_master_with_a_link_and_not_just_anybody(self, analysed: Analysed):
        story = kill_master(back_s=14.0)
        follows = f"{IPS[1]}:6379"
        story.retell("role", lambda role: role.member == PODS[2] and role.master == follows, link="down")
        assert analysed(story).milestones["reconfigured"].state is State.NOT_YET
        story.retell(
            "role", lambda role: role.member == PODS[2] and role.link == "down", link="up", master="10.0.0.9:6379"
        )
        assert analysed(story).milestones["reconfigured"].state is State.NOT_YET

    def test_the_slice_of_another_service_is_not_the_pointer(self, analysed: Analysed):
        story = kill_master(back_s=14.0)
        ready = {"ready": True, "serving": True, "terminating": False}
        named = [{"ip": IPS[1], "pod": PODS[1], **ready}]
        story.event("endpoints", 8.0, service="rfr-redis-cluster", endpoints=named)
        pointer = analysed(story).milestones["pointer"].at_s
        assert pointer is not None
        assert pointer.most == pytest.approx(13.95)

    def test_switched_is_when_the_last_sentinel_was_and_one_that_never_was_is_missing(self, analysed: Analysed):
        story, name = kill_master(back_s=14.0), list(SENTINELS)[2]
        story.events = [
            one
            for one in story.events
            if not (
                one.event.kind == "sentinel.event" and one.event.sentinel == name and "+switch" in one.event.channel
            )
        ]
        story.logs[name] = [line for line in story.logs[name] if "+switch-master" not in line]
        assert analysed(story).milestones["switched"].state is State.NOT_YET

    def test_a_promotion_came_after_the_last_word_that_it_is_a_replica(self, analysed: Analysed):
        story = kill_master(back_s=14.0).without("redis").role(5.905, 1, "slave", IPS[1], master=f"{IPS[0]}:6379")
        assert edges(analysed(story).milestones["promoted"].at_s) == pytest.approx((5.905, 5.94))

    def test_a_promotion_of_the_same_replica_before_this_failover_is_not_its_own(self, analysed: Analysed):
        story = kill_master(back_s=14.0).redis_log(PODS[1], -4.0, "MASTER MODE enabled (user request)", role="M")
        assert edges(analysed(story).milestones["promoted"].at_s) == pytest.approx((5.91, 5.911))

    def test_a_write_that_it_answered_before_the_effect_proves_no_promotion(self, analysed: Analysed):
        story = kill_master(back_s=14.0).without("redis")
        story.out("service", -3.0, -2.9, outcome=Outcome.OK, error=ErrorCode.NONE, node=1)
        assert edges(analysed(story).milestones["promoted"].at_s) == pytest.approx((5.89, 5.94))

    def test_a_log_line_of_the_next_failover_is_not_of_this_one(self, analysed: Analysed):
        """The first one chose the same replica, and nothing came of it."""
        old = f"master mymaster {IPS[0]} 6379"
        story = Story(length_s=60.0).fault().down(5.0, 5.2)
        story.sentinel(5.3, 0, "+new-epoch", "1").sentinel(5.31, 0, "+try-failover", old)
        story.sentinel(5.32, 0, "+vote-for-leader", f"{'b' * 40} 1")
        story.sentinel(5.4, 0, "+selected-slave", f"slave {IPS[1]}:6379 {IPS[1]} 6379 @ mymaster {IPS[0]} 6379")
        story.failover(sdown_s=None, try_s=20.0, promoted_s=20.5, epoch=2)
        first, second = analysed(story).failovers
        assert first.milestones["promoted"].source != "redis-log"
        assert second.milestones["promoted"].source == "redis-log"

    def test_a_label_from_before_the_failover_is_not_its_own(self, analysed: Analysed):
        """The successor had been the master until shortly before."""
        story = kill_master(back_s=14.0).pod(-3.0, 1, role="master").pod(-2.0, 1, role="slave")
        assert edges(analysed(story).milestones["labelled"].at_s) == pytest.approx((13.8, 13.82))

    def test_a_label_is_bounded_by_the_last_line_about_it(self, analysed: Analysed):
        story, labels = kill_master(back_s=14.0), "map[redisfailovers-role:master]"
        story.operator_log(9.5, f"Update pod label, namespace: saasodoo, pod name: {PODS[1]}, labels: {labels}")
        assert edges(analysed(story).milestones["labelled"].at_s) == pytest.approx((13.8, 13.82))

    def test_an_endpoint_does_not_come_before_the_label_that_it_follows(self, analysed: Analysed):
        story = kill_master(back_s=14.0)
        story.events = [
            replace(one, since_ns=ns(8.0)) if one.event.kind == "endpoints" and one.at_ns > ns(10) else one
            for one in story.events
        ]
        assert edges(analysed(story).milestones["pointer"].at_s) == pytest.approx((13.8, 13.95))

    def test_what_the_least_setting_allows_is_the_floor(self, analysed: Analysed):
        story = kill_master()
        for number, name in enumerate(SENTINELS):
            mine = story.settings["sentinel"][name] | {"down-after-milliseconds": str(5000 - 1000 * number)}
            story.settings["sentinel"][name] = mine
        assert analysed(story).targets["detection"].floor == 3.0


class TestMastersAtTheEnd:
    """Who is master is what each Redis said last, if it still answers."""

    def at_end(self, analysed: Analysed, *said: tuple[float, int, str]) -> str:
        story = Story(length_s=30.0, paths=("service",)).fault().out("service", 0.0, 2.0)
        for at_s, ordinal, role in said:
            if role == "lost":
                story.event(
                    "role.lost", at_s, AGENT, member=PODS[ordinal], address=f"{IPS[ordinal]}:6379", error="refused"
                )
            else:
                story.role(at_s, ordinal, role, IPS[ordinal])
        return analysed(story).targets["works_at_end"].verdict

    def test_none_is_no_master(self, analysed: Analysed):
        assert self.at_end(analysed, (29.0, 0, "slave"), (29.1, 1, "slave")) == "fail"

    def test_one_that_stopped_answering_and_answers_again_counts(self, analysed: Analysed):
        assert self.at_end(analysed, (5.0, 0, "lost"), (29.0, 0, "master"), (29.0, 1, "slave")) == "pass"

    def test_one_that_became_a_replica_is_no_master(self, analysed: Analysed):
        assert self.at_end(analysed, (28.0, 0, "master"), (29.0, 0, "slave"), (29.0, 1, "master")) == "pass"

    def test_an_old_word_does_not_count(self, analysed: Analysed):
        assert self.at_end(analysed, (20.0, 0, "master"), (29.0, 1, "master")) == "pass"

    def test_where_every_redis_stopped_answering_none_is_master(self, analysed: Analysed):
        assert self.at_end(analysed, (5.0, 0, "lost"), (5.1, 1, "lost"), (5.2, 2, "lost")) == "fail"


class TestQuorums:
    """A failover was due where as many Sentinels as the least quorum, or all of them, called the master down."""

    def promoted(self, analysed: Analysed, quorums: tuple[int, int, int], down: int) -> State:
        story = Story(length_s=30.0).fault().out("service", 0.0, 99.0)
        for quorum, name in zip(quorums, SENTINELS, strict=True):
            story.settings["sentinel"][name] = story.settings["sentinel"][name] | {"quorum": str(quorum)}
        for who in range(down):
            story.sentinel(5.4 + who / 10, who, "+sdown", f"master mymaster {IPS[0]} 6379")
        return analysed(story).milestones["promoted"].state

    def test_the_least_that_any_sentinel_has_counts(self, analysed: Analysed):
        assert self.promoted(analysed, (1, 2, 3), 1) is State.NOT_YET

    def test_one_above_their_number_is_all_of_them(self, analysed: Analysed):
        assert self.promoted(analysed, (5, 5, 5), 3) is State.NOT_YET
        assert self.promoted(analysed, (5, 5, 5), 2) is State.NOT_APPLICABLE


class TestWhatClientsSaw:
    """The earliest of all paths, after the effect."""

    def story(self) -> Story:
        story = Story(length_s=30.0).fault().out("service", -3.0, -2.9).out("sentinel", 1.0, 9.0)
        return story.out("service", 2.0, 4.0)

    def test_the_first_failed_operation_is_that_of_the_first_path_after_the_effect(self, analysed: Analysed):
        first = analysed(self.story()).milestones["first_failed"]
        assert edges(first.at_s) == pytest.approx((1.0, 1.0), abs=0.03)
        assert first.evidence.startswith("sentinel/")

    def test_the_pressure_is_the_worst_after_the_effect(self, analysed: Analysed):
        story = (
            self.story().event("pressure", -2.5, some10=99.0, load1=9.0).event("pressure", 3.5, some10=44.0, load1=5.0)
        )
        found = analysed(story).covariates
        assert (found["cpu_pressure_percent"], found["load1"]) == (44.0, 5.0)


class TestPromises:
    def test_a_recovery_that_is_open_counts_from_the_earliest_effect(self, analysed: Analysed):
        story = Story(length_s=30.0, paths=("service",)).fault(width_s=0.5).out("service", 0.0, 99.0)
        measured = analysed(story).paths["service/new"].targets["recovery"].measured
        assert measured is not None
        assert measured.is_open
        assert measured.least == pytest.approx(29.97, abs=0.03)

    def test_an_outage_at_the_end_is_told_with_what_most_operations_met(self, analysed: Analysed):
        story = Story(length_s=30.0, paths=("service",)).fault().out("service", 9.0, 99.0, error=ErrorCode.OOM)
        story.out("service", 9.0, 9.5, error=ErrorCode.LOADING)
        assert analysed(story).paths["service/new"].targets["works_at_end"].why.endswith(": oom")

    @pytest.mark.parametrize(("waited_s", "verdict"), [(0.5, "fail"), (6.0, "undecided")])
    def test_only_a_wait_as_long_as_down_after_may_be_why_a_failover_came(
        self, analysed: Analysed, waited_s: float, verdict: str
    ):
        story = no_fault(length_s=30.0, paths=("service",)).failover(sdown_s=5.0, try_s=5.2, promoted_s=5.6)
        story.event("waits", -5.0, counted=True)
        story.event("waited", 5.0, since_s=-0.5, member=next(iter(SENTINELS)), waited_ns=int(waited_s * 1e9))
        assert analysed(story).targets["failovers"].verdict == verdict

    def test_no_wait_is_why_a_failover_did_not_come(self, analysed: Analysed):
        experiments = {"kill-master": {"targets": {}, "failovers": 1}}
        story = Story(length_s=30.0, paths=("service",), scenario=scenario_json(experiments=experiments)).fault()
        story.out("service", 0.0, 9.0).event("waits", -5.0, counted=True)
        story.event("waited", 8.0, since_s=0.5, member=PODS[0], waited_ns=7 * 10**9)
        assert analysed(story).targets["failovers"].verdict == "fail"
