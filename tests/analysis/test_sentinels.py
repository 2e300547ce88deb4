"""What Sentinels say, and the failovers that it tells of."""

import pytest

from chaos.analysis.sentinels import attempts, everything_said
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
