"""Each finding by a story that shows it, and an ordinary crash in which none is found."""

import pytest

from chaos.analysis.result import Finding, TrialResult, Verdict
from chaos.clock import AGENT
from chaos.model import ErrorCode
from tests.analysis.conftest import Analysed, analysed
from tests.recordings import Story, delete_master, kill_master, no_fault
from tests.recordings.documents import scenario_json
from tests.recordings.world import IPS, PODS, SENTINELS

__all__ = ["analysed"]

OLD = f"master mymaster {IPS[0]} 6379"
NO_REPLICA = "-failover-abort-no-good-slave"


def names(trial: TrialResult) -> set[str]:
    return {one.name for one in trial.findings}


def the(trial: TrialResult, name: str) -> Finding:
    (found,) = (one for one in trial.findings if one.name == name)
    assert found.rows or found.severity != "lost"
    return found


@pytest.mark.parametrize("story", [kill_master(paths=("service", "sentinel")), no_fault()], ids=["an ordinary crash", "the control"])
def test_an_ordinary_trial_has_no_finding(analysed: Analysed, story: Story):
    assert names(analysed(story)) == set()


def unreachable(quorum: str) -> Story:
    story = Story(length_s=30.0).fault().out("service", 0.0, 99.0)
    for sentinel in SENTINELS:
        story.settings["sentinel"][sentinel] = story.settings["sentinel"][sentinel] | {"quorum": quorum}
    for who in range(3):
        story.sentinel(5.0 + who / 10, who, "+sdown", OLD)
    return story


def test_a_quorum_above_the_number_of_sentinels_is_out_of_reach(analysed: Analysed):
    trial = analysed(unreachable("4"))
    assert "3 of the 4 that the quorum asks for agreed, and there are only 3 Sentinels" in (
        the(trial, "quorum out of reach").sentence
    )
    assert "+odown never came" in trial.cause
    assert names(analysed(unreachable("2"))) == set()


def test_no_leader_without_a_majority(analysed: Analysed):
    story = unreachable("2").sentinel(5.3, 0, "+odown", f"{OLD} #quorum 2/2")
    story.sentinel(5.4, 0, "+new-epoch", "1").sentinel(5.41, 0, "+try-failover", OLD)
    story.sentinel(5.42, 0, "+vote-for-leader", f"{'b' * 40} 1").sentinel(15.4, 0, "-failover-abort-not-elected", OLD)
    found = the(analysed(story), "no majority for a leader")
    assert found.severity == "out"
    assert "2 of 3 Sentinels have to vote for one, and 1 voted" in found.sentence


def test_replicas_that_may_not_be_promoted(analysed: Analysed):
    story = unreachable("2").sentinel(5.3, 0, "+odown", f"{OLD} #quorum 2/2")
    story.sentinel(5.4, 0, "+new-epoch", "1").sentinel(5.41, 0, "+try-failover", OLD).sentinel(5.5, 0, NO_REPLICA, OLD)
    for name in PODS:
        story.settings["redis"][name] = story.settings["redis"][name] | {"replica-priority": "0"}
    trial = analysed(story)
    assert "have replica-priority 0" in the(trial, "no good replica").sentence
    assert "for want of a good replica" in trial.cause


def test_failovers_that_were_aborted_before_one_succeeded(analysed: Analysed):
    story = Story(length_s=50.0).fault().down(5.4, 5.5)
    story.sentinel(5.6, 1, "+new-epoch", "1").sentinel(5.61, 1, "+try-failover", OLD)
    story.sentinel(15.6, 1, "-failover-abort-not-elected", OLD)
    story.failover(sdown_s=None, try_s=25.6, promoted_s=25.9, epoch=2).labelled(26.0)
    trial = analysed(story.out("service", 0.0, 27.0))
    assert "1 failover was aborted before the one that succeeded (not-elected)" in trial.cause
    assert "Sentinel waits 2 x failover-timeout, 20 s" in trial.cause


def test_a_promotion_that_was_undone(analysed: Analysed):
    story = Story(length_s=50.0).fault().down(5.4, 5.5)
    story.sentinel(5.6, 1, "+new-epoch", "1").sentinel(5.61, 1, "+try-failover", OLD)
    story.redis_log(PODS[2], 5.8, "MASTER MODE enabled (user request from 'id=7')", role="M")
    story.sentinel(6.0, 1, "-failover-abort-slave-timeout", OLD)
    story.failover(sdown_s=None, try_s=9.6, promoted_s=9.9, epoch=2).labelled(10.0)
    assert "1 promotion was undone" in the(analysed(story.out("service", 0.0, 11.0)), "promotion undone").sentence


def back_empty(lost: bool) -> Story:
    """The master is back after 3 s as another process; its replicas follow it."""
    story = Story(length_s=30.0).fault().out("service", 0.0, 3.2).out("sentinel", 0.0, 3.2)
    story.event(
        "role", 3.1, AGENT, 3.0, member=PODS[0], address=f"{IPS[0]}:6379", run_id="n" * 40, role="master", offset=1
    )
    if lost:
        story.acknowledged_then_lost("service", -5.0, -2.0, connection="new")
    return story


def test_a_master_that_came_back_empty_is_in_the_first_sentence(analysed: Analysed):
    scenario = scenario_json()
    scenario["targets"]["lost_before"]["gate"] = True
    story = back_empty(lost=True)
    story.scenario = scenario
    trial = analysed(story)
    found = the(trial, "empty master copied")
    assert found.severity == "lost"
    assert "150 writes that were acknowledged in the 5 s before the fault are gone" in found.sentence
    assert trial.verdict is Verdict.FAIL
    assert trial.because[0] == "lost before: 150, allowed 0"


def test_a_master_that_was_back_before_it_was_missed(analysed: Analysed):
    trial = analysed(back_empty(lost=False))
    assert names(trial) == {"not missed"}
    assert "master again at 3.1 s, 1.9 s before Sentinel would have missed it" in trial.cause


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ErrorCode.NOREPLICAS, "writes refused with NOREPLICAS"),
        (ErrorCode.OOM, "writes refused with OOM"),
        (ErrorCode.MISCONF, "writes refused with MISCONF"),
        (ErrorCode.LOADING, "writes refused with LOADING"),
    ],
)
def test_writes_that_were_refused(analysed: Analysed, error: ErrorCode, name: str):
    story = kill_master(back_s=10.0).out("service", 20.0, 30.0, error=error, node=1)
    found = the(analysed(story), name)
    assert found.sentence.startswith(f"{PODS[1]} refused writes with {error.name} from 20.0 to 30.0 s")
    assert (found.price != "") is (error is ErrorCode.NOREPLICAS)


def test_two_masters_at_the_end(analysed: Analysed):
    story = kill_master(back_s=10.0)
    for ordinal in (1, 2):
        story.role(story.length_s - 0.5, ordinal, "master", IPS[ordinal])
    assert the(analysed(story), "two masters").sentence.startswith(f"{PODS[1]} and {PODS[2]} both said")


def test_a_demoted_master_that_said_ok(analysed: Analysed):
    story = delete_master()
    found = the(analysed(story), "a replaced master said OK")
    assert "min-replicas-to-write 1" in found.advice
    assert found.price
    for name in PODS:
        story.settings["redis"][name] = story.settings["redis"][name] | {"min-replicas-to-write": "1"}
    assert "a replaced master said OK" not in names(analysed(story))


@pytest.mark.parametrize("error", [ErrorCode.READONLY, ErrorCode.REFUSED])
def test_an_application_that_stayed_on_a_replica(analysed: Analysed, error: ErrorCode):
    story = kill_master().out("app", 51.0, 99.0, error=error)
    app = next(client.number for client in story.clients if client.path == "app")
    found = the(analysed(story.event("connection.opened", 50.0, AGENT, client=app)), "an application stayed out")
    assert ("retry_on_error=[ReadOnlyError]" in found.advice) == (error == ErrorCode.READONLY)


def test_a_sentinel_in_tilt(analysed: Analysed):
    story = kill_master(back_s=10.0).sentinel(1.0, 0, "+tilt", "#tilt mode entered")
    assert "entered TILT at 1.0 s" in the(analysed(story), "TILT").sentence


def test_without_an_operator_nothing_is_said_of_a_resync(analysed: Analysed):
    """The same recording, with a scenario that names no operator."""
    story = kill_master()
    assert "resync" in analysed(story).cause
    story.scenario["system"]["operator"] = "none"
    trial = analysed(story)
    told = " ".join([trial.cause, *(one.sentence for one in trial.findings), *trial.because])
    assert "resync" not in told
    assert trial.group == ""
