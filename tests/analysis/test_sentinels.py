"""What Sentinels say, and the failovers that it tells of."""

import pytest

from chaos.analysis.sentinels import attempts, called_down, everything_said
from tests.analysis.conftest import Placed
from tests.recordings import Story
from tests.recordings.world import IPS, SENTINELS
from tests.saying import edges

OLD = f"master mymaster {IPS[0]} 6379"


def crash() -> Story:
    return Story().fault().failover(sdown_s=5.47, try_s=5.64, promoted_s=5.91)


def test_what_is_logged_and_published_is_one_event_with_the_logs_stamp(placed: Placed):
    said = everything_said(placed(crash()))
    assert [one.channel for one in said].count("+odown") == 1
    assert {one.source for one in said} == {"sentinel-log"}
    first = next(one for one in said if one.channel == "+sdown")
    assert edges(first.at_s) == pytest.approx((5.47, 5.471))


def test_without_logs_pub_sub_stands_in(placed: Placed):
    logged, published = everything_said(placed(crash())), everything_said(placed(crash().without("sentinel")))
    assert [(one.sentinel, one.channel) for one in published] == [(one.sentinel, one.channel) for one in logged]
    assert {one.source for one in published} == {"sentinel"}


def test_without_pub_sub_logs_stand_in(placed: Placed):
    assert len(everything_said(placed(crash().without("sentinel.event")))) == 13


def test_logs_of_trials_before_this_one_are_not_its_own(placed: Placed):
    story = crash().redis_log(next(iter(SENTINELS)), -500.0, f"+try-failover {OLD}", role="X")
    assert len(attempts(everything_said(placed(story)))) == 1


def test_a_crash_is_detected(placed: Placed):
    (attempt,) = attempts(everything_said(placed(crash())))
    assert not attempt.requested
    assert attempt.completed
    assert (attempt.epoch, attempt.leader, attempt.aborted) == (1, next(iter(SENTINELS)), "")
    assert attempt.successor == f"{IPS[1]}:6379"
    assert set(attempt.switches()) == set(SENTINELS)


def test_without_sdown_of_the_master_it_was_requested(placed: Placed):
    (attempt,) = attempts(everything_said(placed(Story().failover(sdown_s=None, try_s=0.2, promoted_s=0.4))))
    assert attempt.requested
    assert attempt.odown is None


def test_sdown_of_a_replica_detects_nothing(placed: Placed):
    story = Story().sentinel(0.1, 0, "+sdown", f"slave {IPS[2]}:6379 {IPS[2]} 6379 @ mymaster {IPS[0]} 6379")
    (attempt,) = attempts(everything_said(placed(story.failover(sdown_s=None, try_s=0.2, promoted_s=0.4))))
    assert attempt.requested


def test_sdown_that_was_taken_back_detects_nothing(placed: Placed):
    story = Story().sentinel(-3.0, 0, "+sdown", OLD).sentinel(-2.0, 0, "-sdown", OLD)
    (attempt,) = attempts(everything_said(placed(story.failover(sdown_s=None, try_s=0.2, promoted_s=0.4))))
    assert attempt.requested


def test_sdown_of_a_master_at_another_address_detects_nothing(placed: Placed):
    """As of the template's 127.0.0.1, which is watched until somebody says where the master is."""
    story = crash().sentinel(-3.0, 1, "+sdown", "master mymaster 127.0.0.1 6379")
    (attempt,) = attempts(everything_said(placed(story)))
    assert attempt.sdown is not None
    assert attempt.sdown.at_s.least == 5.47


def test_an_aborted_election_and_its_retry_are_two(placed: Placed):
    story = Story(length_s=40.0).fault().down(5.4, 5.5)
    story.sentinel(5.6, 1, "+new-epoch", "1").sentinel(5.61, 1, "+try-failover", OLD)
    story.sentinel(15.6, 1, "-failover-abort-not-elected", OLD)
    story.failover(sdown_s=None, try_s=25.6, promoted_s=25.9, epoch=2)
    first, second = attempts(everything_said(placed(story)))
    assert (first.aborted, first.completed, first.successor) == ("not-elected", False, "")
    assert (second.epoch, second.completed, second.requested) == (2, True, False)


def test_two_sentinels_that_try_in_one_epoch_are_one_failover(placed: Placed):
    story = crash().sentinel(5.641, 1, "+new-epoch", "1").sentinel(5.642, 1, "+try-failover", OLD)
    assert len(attempts(everything_said(placed(story)))) == 1


def test_the_first_odown_is_the_quorum_whoever_leads_in_the_end(placed: Placed):
    """A leader that says +odown and tries a moment after another has still a quorum: that other's."""
    story = crash().sentinel(5.641, 1, "+odown", f"{OLD} #quorum 2/2").sentinel(5.6415, 1, "+new-epoch", "1")
    story = story.sentinel(5.642, 1, "+try-failover", OLD)
    (attempt,) = attempts(everything_said(placed(story.sentinel(5.65, 1, "+elected-leader", OLD))))
    assert attempt.odown is not None
    assert attempt.odown.at_s.least < attempt.started.at_s.least


def test_the_vote_names_the_epoch_where_it_was_not_announced(placed: Placed):
    story = Story().sentinel(1.0, 2, "+try-failover", OLD).sentinel(1.01, 2, "+vote-for-leader", f"{'a' * 40} 17")
    assert attempts(everything_said(placed(story)))[0].epoch == 17


class TestSeveralSentinels:
    """Each says its own events, and what one says does not stand for another."""

    def test_one_that_calls_the_master_down_twice_did_so_first_at_the_first_time(self, placed: Placed):
        story = Story().fault().sentinel(5.4, 0, "+sdown", OLD).sentinel(7.0, 0, "-sdown", OLD)
        said = everything_said(placed(story.sentinel(9.0, 0, "+sdown", OLD)))
        assert edges(called_down(said, "sdown")[next(iter(SENTINELS))].at_s) == pytest.approx((5.4, 5.401))

    def test_a_call_that_was_taken_back_before_the_effect_is_none(self, placed: Placed):
        story = Story().fault().sentinel(-4.0, 0, "+sdown", OLD).sentinel(-3.0, 0, "-sdown", OLD)
        assert called_down(everything_said(placed(story)), "sdown") == {}

    def test_a_call_that_was_taken_back_after_it_is_one(self, placed: Placed):
        story = Story().fault().sentinel(4.0, 0, "+sdown", OLD).sentinel(5.0, 0, "-sdown", OLD)
        assert set(called_down(everything_said(placed(story)), "sdown")) == {next(iter(SENTINELS))}

    def test_a_master_that_was_switched_away_from_is_not_down_in_the_next_failover(self, placed: Placed):
        story = Story(baseline_s=30.0).failover(sdown_s=-20.0, try_s=-19.8, promoted_s=-19.5)
        story.failover(sdown_s=None, try_s=0.2, promoted_s=0.4, epoch=2)
        first, second = attempts(everything_said(placed(story)))
        assert (first.requested, second.requested) == (False, True)

    def test_two_that_try_in_one_epoch_are_one_failover_which_began_with_the_first(self, placed: Placed):
        story = Story().fault().down(5.0, 5.2)
        for at_s, who in ((5.3, 0), (5.4, 1)):
            story.sentinel(at_s, who, "+new-epoch", "7").sentinel(at_s + 0.01, who, "+try-failover", OLD)
            story.sentinel(at_s + 0.02, who, "+vote-for-leader", f"{'b' * 40} 7")
        (attempt,) = attempts(everything_said(placed(story)))
        assert attempt.epoch == 7
        assert attempt.started.at_s.least == pytest.approx(5.31)

    def test_the_leader_is_who_was_elected_and_not_who_began(self, placed: Placed):
        story = (
            Story().fault().down(5.0, 5.2).sentinel(5.3, 0, "+new-epoch", "7").sentinel(5.31, 0, "+try-failover", OLD)
        )
        story.sentinel(5.4, 1, "+elected-leader", OLD).sentinel(5.5, 0, "-failover-abort-not-elected", OLD)
        (attempt,) = attempts(everything_said(placed(story)))
        assert (attempt.leader, attempt.aborted) == (list(SENTINELS)[1], "")

    def test_each_failover_has_what_was_said_until_the_next_one(self, placed: Placed):
        story = Story(length_s=40.0).fault().down(5.0, 5.2)
        story.sentinel(5.3, 0, "+new-epoch", "1").sentinel(5.31, 0, "+try-failover", OLD)
        story.sentinel(5.32, 0, "+vote-for-leader", f"{'b' * 40} 1")
        story.failover(sdown_s=None, try_s=20.0, promoted_s=20.5, epoch=2)
        first, second = attempts(everything_said(placed(story)))
        assert (first.epoch, first.completed) == (1, False)
        assert (second.epoch, second.completed) == (2, True)

    def test_a_try_without_a_vote_has_the_epoch_that_was_new_before_it_and_not_that_of_the_next_try(
        self, placed: Placed
    ):
        """Nobody heard the first vote; the next one is of another epoch."""
        story = Story(length_s=40.0).fault().down(5.0, 5.2).sentinel(4.9, 0, "+new-epoch", "1")
        story.sentinel(5.3, 0, "+new-epoch", "2").sentinel(5.31, 0, "+try-failover", OLD)
        story.sentinel(20.0, 0, "+try-failover", OLD).sentinel(20.1, 0, "+vote-for-leader", f"{'b' * 40} 3")
        assert [one.epoch for one in attempts(everything_said(placed(story)))] == [2, 3]

    def test_a_promotion_without_a_switch_is_completed(self, placed: Placed):
        slave = f"slave {IPS[1]}:6379 {IPS[1]} 6379 @ mymaster {IPS[0]} 6379"
        story = Story().fault().down(5.0, 5.2).sentinel(5.31, 0, "+try-failover", OLD)
        (attempt,) = attempts(everything_said(placed(story.sentinel(6.0, 0, "+promoted-slave", slave))))
        assert attempt.completed

    def test_the_same_words_much_later_are_another_event(self, placed: Placed):
        story = Story().fault().sentinel(5.4, 0, "+sdown", OLD)
        story.event("sentinel.event", 15.0, "agent", sentinel=next(iter(SENTINELS)), channel="+sdown", payload=OLD)
        assert [one.channel for one in everything_said(placed(story))] == ["+sdown", "+sdown"]
