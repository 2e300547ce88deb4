"""What Sentinels did or could not do: each finding by a story that shows it, and one in which it is silent."""

import pytest

from chaos.clock import AGENT
from tests.analysis.conftest import Analysed, analysed
from tests.findings.telling import NAMES, OLD, missed, names, the, tried, with_setting
from tests.recordings import Story, kill_master
from tests.recordings.world import IPS, PODS

__all__ = ["analysed"]


def test_a_quorum_above_the_number_of_sentinels_is_out_of_reach(analysed: Analysed):
    trial = analysed(missed("4"))
    found = the(trial, "quorum out of reach")
    assert found.sentence == (
        "3 Sentinels said +sdown, the first at 5.0 s, and +odown never came: quorum is 4, and there are only 3 "
        "Sentinels."
    )
    assert found.advice == "Set quorum to 2, a majority of 3 Sentinels."
    assert found.severity == "out"
    assert found.sentence in trial.cause


def test_a_quorum_that_is_lacking_names_who_did_not_answer_or_agree(analysed: Analysed):
    story = missed("3").event("sentinel.lost", 0.1, AGENT, sentinel=NAMES[2], error="refused")
    story.logs.pop(NAMES[2])
    story.events = [
        one for one in story.events if getattr(one.event, "payload", "") == "" or one.event.sentinel != NAMES[2]
    ]
    assert f"quorum is 3, and {NAMES[2]} did not answer" in the(analysed(story), "quorum out of reach").sentence
    story = story.without("sentinel.lost")
    assert f"quorum is 3, and {NAMES[2]} did not agree" in the(analysed(story), "quorum out of reach").sentence


def test_a_master_that_all_call_down_is_out_of_reach_where_they_do_not_hear_of_each_other(analysed: Analysed):
    assert "they did not hear of each other" in the(analysed(missed("2")), "quorum out of reach").sentence


def test_a_quorum_is_not_out_of_reach_where_the_master_was_back_before_the_others_were_asked(analysed: Analysed):
    story = missed("4").out("service", 0.0, 6.0)
    for who in range(3):
        story.sentinel(6.5 + who / 10, who, "-sdown", OLD)
    assert "quorum out of reach" not in names(analysed(story))


def test_a_leader_without_a_majority_is_told_with_the_votes(analysed: Analysed):
    story = tried(missed(), 5.4).sentinel(15.4, 0, "-failover-abort-not-elected", OLD)
    for name in NAMES[1:]:
        story.event("sentinel.lost", 0.2, AGENT, sentinel=name, error="refused")
    trial = analysed(story)
    found = the(trial, "no majority for a leader")
    assert found.sentence == (
        f"A leader needs 2 of 3 votes, and {NAMES[0]} got 1: {NAMES[1]} and {NAMES[2]} are gone. "
        "A failover was aborted at 15.4 s."
    )
    assert found.severity == "out"
    assert found.sentence in trial.cause
    assert "election repeated" not in names(trial)


def test_a_split_vote_is_told_with_the_wait_until_the_next_try(analysed: Analysed):
    story = Story(length_s=50.0).fault().down(5.4, 5.5)
    tried(story, 5.6, who=1).sentinel(15.6, 1, "-failover-abort-not-elected", OLD)
    story.failover(sdown_s=None, try_s=25.6, promoted_s=25.9, epoch=2).labelled(26.0)
    trial = analysed(story.out("service", 0.0, 27.0))
    found = the(trial, "election repeated")
    assert found.sentence == (
        f"A failover was aborted at 15.6 s, for want of a leader: {NAMES[1]} got 1 of the 2 votes that a leader needs "
        "of 3; another may begin only 2 x failover-timeout (20 s) after it, and began at 25.6 s."
    )
    assert "is the election phase. " + found.sentence in trial.cause
    assert "no majority for a leader" not in names(trial)


def test_votes_are_those_for_the_candidate_of_that_epoch(analysed: Analysed):
    story = tried(missed(), 5.4).sentinel(15.4, 0, "-failover-abort-not-elected", OLD)
    story.sentinel(5.45, 1, "+vote-for-leader", f"{'0' * 40} 1").sentinel(5.46, 2, "+vote-for-leader", f"{'2' * 40} 1")
    story.sentinel(5.2, 2, "+vote-for-leader", f"{'0' * 40} 7")
    assert f"{NAMES[0]} got 2 of the 2 votes" in the(analysed(story), "election repeated").sentence


def test_replicas_that_may_not_be_promoted_are_named_with_what_is_against_them(analysed: Analysed):
    story = tried(missed(), 5.4).sentinel(5.5, 0, "-failover-abort-no-good-slave", OLD)
    trial = analysed(with_setting(story, "redis", "replica-priority", "0"))
    found = the(trial, "no good replica")
    assert f"there was no good replica: {PODS[1]} and {PODS[2]} have replica-priority 0." in found.sentence
    assert found.advice
    assert found.price
    assert found.sentence in trial.cause


def test_each_replica_has_its_own_reason(analysed: Analysed):
    story = tried(missed(), 5.4).sentinel(5.5, 0, "-failover-abort-no-good-slave", OLD)
    replicas = [
        {"address": f"{IPS[n]}:6379", "flags": flags, "master": ""} for n, flags in ((1, "slave,s_down"), (2, "slave"))
    ]
    story.event("sentinel.state", 5.0, AGENT, sentinel=NAMES[0], num_slaves=2, quorum=2, replicas=replicas)
    story.role(-100.0, 2, "slave", IPS[2], master=f"{IPS[0]}:6379")
    found = the(analysed(story), "no good replica")
    assert f"{PODS[1]} was down itself" in found.sentence
    assert f"{PODS[2]} may have been passed over for an INFO that was older than 5 s" in found.sentence
    assert found.advice == ""


def test_what_several_replicas_share_is_said_once_and_an_old_master_that_is_back_ends_it(analysed: Analysed):
    story = tried(missed(), 5.4).sentinel(5.5, 0, "-failover-abort-no-good-slave", OLD)
    story.event("role", 4.0, AGENT, member=PODS[0], address=f"{IPS[0]}:6379", run_id="n" * 40, role="master")
    found = the(analysed(story), "no good replica")
    assert f"{PODS[1]} and {PODS[2]} may have been passed over for an INFO that was older than 5 s" in found.sentence
    assert found.sentence.endswith(f"{PODS[0]} had been back since 4.0 s.")
    assert found.severity == "slow"
    assert found.until_s == found.since_s


def test_without_any_replica_that_is_the_reason(analysed: Analysed):
    story = tried(missed(), 5.4).sentinel(5.5, 0, "-failover-abort-no-good-slave", OLD)
    story.event("sentinel.state", 5.0, AGENT, sentinel=NAMES[0], quorum=2)
    assert "the Sentinel that led it knew of no replica" in the(analysed(story), "no good replica").sentence


def test_promotions_that_were_undone_are_counted_and_the_milestone_is_of_the_one_that_lasted(analysed: Analysed):
    story = Story(length_s=50.0).fault().down(5.4, 5.5)
    for epoch, at_s in ((1, 5.6), (2, 7.6)):
        tried(story, at_s, who=1, epoch=epoch)
        story.redis_log(PODS[2], at_s + 0.2, "MASTER MODE enabled (user request from 'id=7')", role="M")
        story.sentinel(at_s + 0.4, 1, "-failover-abort-slave-timeout", OLD)
    story.failover(sdown_s=None, try_s=9.6, promoted_s=9.9, epoch=3).labelled(10.0)
    trial = analysed(story.out("service", 0.0, 11.0))
    found = the(trial, "promotion undone")
    assert found.sentence.startswith(f"2 promotions were undone: {PODS[2]} was master from 5.8 s on")
    assert "gave up at 6.0 s, failover-timeout being 10 s. The one that lasted began at 9.6 s." in found.sentence
    assert trial.milestones["promoted"].at_s is not None
    assert trial.milestones["promoted"].at_s.middle > 9.8


def test_an_attempt_whose_replica_never_became_a_master_is_no_undone_promotion(analysed: Analysed):
    story = tried(missed(), 5.6).sentinel(6.0, 0, "-failover-abort-slave-timeout", OLD)
    assert "promotion undone" not in names(analysed(story))


def test_a_sentinel_in_tilt_is_told_from_when_until_when(analysed: Analysed):
    story = kill_master(back_s=10.0).sentinel(1.0, 0, "+tilt", "#tilt mode entered")
    assert f"{NAMES[0]} was in TILT from 1.0 s until the end" in the(analysed(story), "TILT").sentence
    story.sentinel(31.0, 0, "-tilt", "#tilt mode exited")
    assert the(analysed(story), "TILT").until_s == pytest.approx(31.0, abs=0.001)


def test_sentinels_that_are_in_tilt_at_the_same_time_are_told_in_one_sentence(analysed: Analysed):
    """One of them is late once more meanwhile. What comes after the last has left is another finding."""
    story = kill_master(back_s=60.0)
    for at_s, who, channel in (
        *((1.0, 0, "+tilt"), (3.0, 1, "+tilt"), (5.0, 0, "+tilt"), (31.0, 0, "-tilt"), (33.0, 1, "-tilt")),
        *((40.0, 2, "+tilt"), (70.0, 2, "-tilt")),
    ):
        story.sentinel(at_s, who, channel, "#tilt mode")
    found = [one for one in analysed(story).findings if one.name == "TILT"]

    assert [one.sentence.partition(":")[0] for one in found] == [
        f"{NAMES[0]} and {NAMES[1]} were in TILT from 1.0 s until 33.0 s",
        f"{NAMES[2]} was in TILT from 40.0 s until 70.0 s",
    ]
    assert [len(one.rows) for one in found] == [4, 2]


def reset(at_s: float, *, known_s: float | None) -> Story:
    """Two Sentinels are reset; their replicas are known again at `known_s`."""
    story = kill_master(back_s=10.0, paths=("service", "sentinel"))
    replicas = [{"address": f"{IPS[n]}:6379", "flags": "slave", "master": ""} for n in (1, 2)]
    for who in (0, 1):
        story.sentinel(at_s + who, who, "+reset-master", OLD)
        story.event("sentinel.state", at_s + who + 0.3, AGENT, sentinel=NAMES[who], num_slaves=0)
        if known_s is not None:
            story.event("sentinel.state", known_s, AGENT, sentinel=NAMES[who], num_slaves=2, replicas=replicas)
    return story


def test_a_reset_while_the_master_is_down_makes_replicas_forgotten(analysed: Analysed):
    found = the(analysed(reset(1.0, known_s=9.0)), "replicas forgotten")
    assert found.sentence == (
        f"{NAMES[0]} and {NAMES[1]} were told SENTINEL RESET at 1.0 s, forgot their replicas, and knew them "
        "again at 9.0 s."
    )
    assert found.severity == "slow"
    assert "did not know them again" in the(analysed(reset(1.0, known_s=None)), "replicas forgotten").sentence


def test_a_reset_after_the_failover_or_before_the_first_fault_is_ordinary_repair(analysed: Analysed):
    assert "replicas forgotten" not in names(analysed(reset(20.0, known_s=21.0)))
    assert "replicas forgotten" not in names(analysed(reset(-4.0, known_s=-2.0)))


def test_sentinels_that_name_different_masters_are_told_by_name(analysed: Analysed):
    story = kill_master(back_s=10.0, paths=("service", "sentinel"))
    story.event("sentinel.address", 20.0, AGENT, sentinel=NAMES[2], address=f"{IPS[0]}:6379")
    assert names(analysed(story)) == {"Sentinels disagree"}
    found = the(analysed(story), "Sentinels disagree")
    assert "The Sentinels named different masters from 20.0 s until the end" in found.sentence
    assert f"{NAMES[0]} {PODS[1]}" in found.sentence
    story.event("sentinel.address", 23.0, AGENT, 22.95, sentinel=NAMES[2], address=f"{IPS[1]}:6379")
    assert "until 22.9" in the(analysed(story), "Sentinels disagree").sentence.replace("23.0", "22.9")


def test_a_sentinel_that_does_not_answer_has_no_opinion(analysed: Analysed):
    story = kill_master(back_s=10.0, paths=("service", "sentinel"))
    story.event("sentinel.address", 20.0, AGENT, sentinel=NAMES[2], address=f"{IPS[0]}:6379")
    story.event("sentinel.lost", 20.5, AGENT, sentinel=NAMES[2])
    assert "Sentinels disagree" not in names(analysed(story))


def test_a_failover_that_nobody_expected_is_told(analysed: Analysed):
    story = kill_master(back_s=10.0, expects="no-failover")
    assert "A failover came that was not expected" in the(analysed(story), "failover not expected").sentence
    assert "failover not expected" not in names(analysed(kill_master(back_s=10.0)))


def test_a_requested_failover_that_was_refused_is_told_with_the_reply(analysed: Analysed):
    def asked(reply: str) -> Story:
        return missed().event("failover.asked", 0.01, member=PODS[0], sentinel=NAMES[0], reply=reply)

    found = the(analysed(asked("NOGOODSLAVE No suitable replica to promote")), "requested failover refused")
    assert found.sentence == (
        f"{PODS[0]} asked {NAMES[0]} for a failover at 0.0 s and was refused (NOGOODSLAVE): it had no replica that it "
        "would promote. It was called down at 5.0 s instead."
    )
    assert "a failover was under way" in the(analysed(asked("INPROG busy")), "requested failover refused").sentence
    assert "requested failover refused" not in names(analysed(asked("OK")))
