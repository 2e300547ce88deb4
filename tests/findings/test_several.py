"""Findings of which a story holds several, or one beside another that is none: who, when, and until when."""

import pytest

from chaos.clock import AGENT
from chaos.model import ErrorCode
from tests.analysis.conftest import Analysed, analysed
from tests.findings.telling import NAMES, OLD, missed, names, the, tried, with_setting
from tests.recordings import Story, delete_master, kill_master
from tests.recordings.world import IPS, PODS

__all__ = ["analysed"]

USUAL = ("service", "sentinel")


def not_elected(at_s: float = 5.4, quorum: str = "2") -> Story:
    return tried(missed(quorum), at_s).sentinel(at_s + 10.0, 0, "-failover-abort-not-elected", OLD)


def alone(story: Story) -> Story:
    """Two of the three Sentinels are gone."""
    for name in NAMES[1:]:
        story.event("sentinel.lost", 0.2, AGENT, sentinel=name, error="refused")
    return story


class TestElections:
    def test_one_before_the_effect_is_not_told(self, analysed: Analysed):
        story = Story(baseline_s=30.0, paths=USUAL).fault().out("service", 0.0, 2.0)
        tried(story, -20.0).sentinel(-10.0, 0, "-failover-abort-not-elected", OLD)
        assert not {"no majority for a leader", "election repeated"} & names(analysed(story))

    @pytest.mark.parametrize(("quorum", "needed"), [("1", 2), ("2", 2), ("3", 3)])
    def test_a_leader_needs_a_majority_and_no_fewer_than_the_quorum(self, analysed: Analysed, quorum: str, needed: int):
        found = the(analysed(alone(not_elected(quorum=quorum))), "no majority for a leader")
        assert f"A leader needs {needed} of 3 votes" in found.sentence

    def test_of_unlike_quorums_the_greatest_has_to_be_reached(self, analysed: Analysed):
        story = alone(not_elected(quorum="1"))
        story.settings["sentinel"][NAMES[2]] = story.settings["sentinel"][NAMES[2]] | {"quorum": "3"}
        assert "A leader needs 3 of 3 votes" in the(analysed(story), "no majority for a leader").sentence

    def test_three_sentinels_are_enough(self, analysed: Analysed):
        assert the(analysed(alone(not_elected())), "no majority for a leader").advice == ""


class TestReplicas:
    def twice(self) -> Story:
        story = tried(missed(), 5.4).sentinel(5.5, 0, "-failover-abort-no-good-slave", OLD)
        return tried(story, 15.4, epoch=2).sentinel(15.5, 0, "-failover-abort-no-good-slave", OLD)

    def test_it_holds_since_the_first_failover_that_was_given_up(self, analysed: Analysed):
        assert the(analysed(self.twice()), "no good replica").since_s == pytest.approx(5.5, abs=0.01)

    def test_the_reason_is_what_its_sentinel_knew_last(self, analysed: Analysed):
        story = self.twice()
        for at_s, flags in ((4.0, "slave"), (5.3, "slave,s_down")):
            replicas = [{"address": f"{IPS[1]}:6379", "flags": flags, "master": ""}]
            story.event("sentinel.state", at_s, AGENT, sentinel=NAMES[0], num_slaves=1, quorum=2, replicas=replicas)
        assert f"{PODS[1]} was down itself" in the(analysed(story), "no good replica").sentence

    def test_a_setting_that_was_changed_later_is_no_reason(self, analysed: Analysed):
        story = self.twice()
        for pod in PODS:
            changed = {"replica-priority": "0"}
            story.event("settings", 20.0, AGENT, member=pod, component="redis", settings=changed)
        assert "replica-priority 0" not in the(analysed(story), "no good replica").sentence


class TestTilt:
    def test_it_ends_when_the_same_sentinel_left_it_afterwards(self, analysed: Analysed):
        story = kill_master(back_s=10.0).sentinel(-4.0, 0, "-tilt", "#tilt mode exited")
        story.sentinel(1.0, 0, "+tilt", "#tilt mode entered").sentinel(9.0, 1, "-tilt", "#tilt mode exited")
        story.sentinel(31.0, 0, "-tilt", "#tilt mode exited")
        assert the(analysed(story), "TILT").until_s == pytest.approx(31.0, abs=0.001)


class TestResets:
    def story(self, *resets: tuple[float, int, float]) -> Story:
        """Of each (when, which Sentinel, when its replicas are known again)."""
        story = missed()
        replicas = [{"address": f"{IPS[1]}:6379", "flags": "slave", "master": ""}]
        for at_s, who, known_s in resets:
            story.sentinel(at_s, who, "+reset-master", OLD)
            story.event("sentinel.state", at_s + 0.3, AGENT, sentinel=NAMES[who], num_slaves=0)
            story.event("sentinel.state", known_s, AGENT, sentinel=NAMES[who], num_slaves=1, replicas=replicas)
        return story

    def test_replicas_are_known_again_when_the_last_sentinel_knows_them(self, analysed: Analysed):
        found = the(analysed(self.story((1.0, 0, 4.0), (1.5, 1, 8.0))), "replicas forgotten")
        assert found.until_s == pytest.approx(8.0)

    def test_resets_that_are_far_apart_are_two(self, analysed: Analysed):
        trial = analysed(self.story((1.0, 0, 4.0), (20.0, 1, 24.0)))
        assert [one.name for one in trial.findings].count("replicas forgotten") == 2


class TestPods:
    def test_what_was_wrong_before_the_fault_is_not_told(self, analysed: Analysed):
        story = kill_master(paths=USUAL, back_s=10.0)
        story.pod(-3.0, 2, waiting="CrashLoopBackOff", ready=False).pod(-2.0, 2)
        assert names(analysed(story)) == set()

    def test_it_is_over_when_the_pod_is_ready_after_it_began(self, analysed: Analysed):
        story = kill_master(paths=USUAL, back_s=10.0).pod(2.0, 2)
        story.pod(12.0, 2, waiting="CrashLoopBackOff", ready=False).pod(25.0, 2)
        assert the(analysed(story), "crash loop").until_s == pytest.approx(25.0)


class TestAtTheEnd:
    def ended(self, said_s: float, link: str | None = "up") -> Story:
        """One replica says at that many seconds before the end that it follows, with such a link."""
        story = kill_master(paths=USUAL, back_s=10.0)
        story.role(story.length_s - 0.5, 1, "master", IPS[1])
        story.role(story.length_s - said_s, 2, "slave", IPS[2], master=f"{IPS[1]}:6379")
        at_ns = story.events[-1].at_ns
        story.retell("role", lambda role: role is story.events[-1].event, link=link)
        assert story.events[-1].at_ns == at_ns
        return story

    def test_an_old_word_shows_no_replica_astray(self, analysed: Analysed):
        story = kill_master(paths=USUAL, back_s=10.0)
        story.role(story.length_s - 0.5, 1, "master", IPS[1])
        story.role(story.length_s - 9.0, 2, "slave", IPS[2], master=f"{IPS[0]}:6379")
        assert "replica astray" not in names(analysed(story))

    def test_one_without_a_link_for_long_is_astray(self, analysed: Analysed):
        story = self.ended(20.0, "connect")
        story.role(story.length_s - 0.4, 2, "slave", IPS[2], master=f"{IPS[1]}:6379")
        story.retell("role", lambda role: role is story.events[-1].event, link="connect")
        assert f"{PODS[2]} has no link to it" in the(analysed(story), "replica astray").sentence


class TestRefusals:
    def test_each_redis_that_refused_is_told(self, analysed: Analysed):
        story = kill_master(paths=USUAL, back_s=10.0)
        for begin_s, node in ((20.0, 1), (20.01, 2)):
            story.out(
                "service", begin_s, 24.0, error=ErrorCode.OOM, node=node, connection="kept" if node == 1 else "new"
            )
        told = [one.sentence for one in analysed(story).findings if one.name == "writes refused with OOM"]
        assert [any(text.startswith(pod) for text in told) for pod in PODS[1:]] == [True, True]

    def test_the_last_line_of_its_log_says_why(self, analysed: Analysed):
        story = kill_master(paths=USUAL, back_s=10.0).out("service", 20.0, 24.0, error=ErrorCode.MISCONF, node=1)
        for at_s, what in ((18.0, "Background saving error"), (19.0, "Failed opening the temp RDB file")):
            story.redis_log(PODS[1], at_s, what, role="M")
        assert "Failed opening" in the(analysed(story), "writes refused with MISCONF").sentence


class TestPromotions:
    def undone(self, at_s: float, **story: float) -> Story:
        told = Story(paths=USUAL, **story).fault().out("service", 0.0, 3.0)  # type: ignore[arg-type]
        tried(told, at_s).sentinel(at_s + 0.1, 0, "+selected-slave", f"slave {IPS[2]}:6379 {IPS[2]} 6379 @ {OLD[7:]}")
        told.redis_log(PODS[2], at_s + 0.2, "MASTER MODE enabled (user request)", role="M")
        return told.sentinel(at_s + 1.0, 0, "-failover-abort-slave-timeout", OLD)

    def test_one_before_the_effect_is_not_told(self, analysed: Analysed):
        assert "promotion undone" not in names(analysed(self.undone(-9.0, baseline_s=20.0)))

    def test_it_is_grave_only_where_none_lasted(self, analysed: Analysed):
        story = self.undone(5.0, length_s=40.0)
        assert the(analysed(story), "promotion undone").severity == "out"
        story.failover(sdown_s=None, try_s=20.0, promoted_s=20.5, epoch=2)
        assert the(analysed(story), "promotion undone").severity == "slow"


class TestMasters:
    def test_the_same_process_that_answers_again_did_not_come_back_empty(self, analysed: Analysed):
        story = Story(length_s=30.0).fault().out("service", 0.0, 3.0)
        story.event("role.lost", 0.04, AGENT, member=PODS[0], error="refused").role(3.1, 0, "master", IPS[0])
        story.acknowledged_then_lost("service", -5.0, -2.0, connection="new")
        story.redis_log(PODS[1], 8.0, "Full resync from master: 218b34993dd7e023ae3f:51651")
        assert "empty master copied" not in names(analysed(story))

    def test_one_whose_writes_are_all_there_is_not_empty(self, analysed: Analysed):
        story = Story(length_s=30.0).fault().out("service", 0.0, 3.0)
        story.event("role.lost", 0.04, AGENT, member=PODS[0], error="refused")
        story.role(3.1, 0, "master", IPS[0]).retell(
            "role", lambda role: role is story.events[-1].event, run_id="n" * 40
        )
        story.redis_log(PODS[1], 8.0, "Full resync from master: 218b34993dd7:51651")
        assert "empty master copied" not in names(analysed(story))

    def test_one_that_was_only_cut_off_did_not_come_back(self, analysed: Analysed):
        """It says all the time that it is master, and no other Redis becomes one."""
        story = Story(length_s=30.0, paths=USUAL).fault("partition").out("service", 0.0, 9.0)
        assert "not missed" not in names(analysed(story.role(2.0, 0, "master", IPS[0])))

    def test_one_that_a_later_failover_promoted_was_not_replaced(self, analysed: Analysed):
        story = delete_master(length_s=160.0, paths=USUAL)
        back = f"mymaster {IPS[1]} 6379 {IPS[0]} 6379"
        story.sentinel(5.0, 0, "+new-epoch", "2").sentinel(5.1, 0, "+try-failover", f"master mymaster {IPS[1]} 6379")
        story.sentinel(5.2, 0, "+vote-for-leader", f"{'b' * 40} 2").sentinel(6.0, 0, "+switch-master", back)
        assert "a replaced master said OK" not in names(analysed(story))

    def test_writes_of_applications_are_not_counted(self, analysed: Analysed):
        one = the(analysed(delete_master(paths=("service",))), "a replaced master said OK")
        both = the(analysed(delete_master(paths=("service", "app"))), "a replaced master said OK")
        counted = [found.sentence.partition("promoted: ")[2].partition(" writes")[0] for found in (one, both)]
        assert counted[0] == counted[1]

    def test_the_advice_is_kept_from_who_has_the_setting_already(self, analysed: Analysed):
        story = with_setting(delete_master(), "redis", "min-replicas-to-write", "0")
        assert the(analysed(story), "a replaced master said OK").advice
