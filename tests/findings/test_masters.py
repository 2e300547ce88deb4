"""What became of the master and its data: each finding by a story that shows it, and one in which it is silent."""

import pytest

from chaos.analysis.result import Verdict
from chaos.clock import AGENT
from chaos.model import ErrorCode
from tests.analysis.conftest import Analysed, analysed
from tests.findings.telling import names, the, with_setting
from tests.recordings import Story, delete_master, kill_master, no_fault
from tests.recordings.documents import scenario_json
from tests.recordings.world import IPS, PODS, run_id

__all__ = ["analysed"]

USUAL = ("service", "sentinel")


@pytest.mark.parametrize("story", [kill_master(paths=USUAL), no_fault(paths=USUAL)], ids=["a crash", "the control"])
def test_an_ordinary_trial_has_no_finding(analysed: Analysed, story: Story):
    assert names(analysed(story)) == set()


def moved(fault: str, *, replica_s: float, sdown_s: float | None) -> Story:
    """The master becomes a replica at `replica_s`, and another one is promoted once Sentinel has called it down."""
    story = Story(length_s=50.0, paths=USUAL).fault(fault).role(replica_s, 0, "slave", IPS[0], master=f"{IPS[2]}:6379")
    begun_s = 0.05 if sdown_s is None else sdown_s + 0.2
    story.failover(sdown_s=sdown_s, try_s=begun_s, promoted_s=begun_s + 0.3)
    return story.out("sentinel", 0.0, begun_s + 1.0)


def test_a_master_that_was_moved_without_sentinel_is_called_down_late(analysed: Analysed):
    trial = analysed(moved("failover", replica_s=0.6, sdown_s=28.1))
    found = the(trial, "moved without Sentinel")
    assert found.sentence == (
        f"{PODS[0]} became a replica by FAILOVER at 0.6 s, which tells Sentinel nothing, and Sentinel waits 20 s more "
        "for a master that says it is a replica. It called it down at 28.1 s."
    )
    assert found.rows == (f"{PODS[0]}: ROLE says replica of {IPS[2]}:6379",)
    assert found.sentence in trial.cause
    assert "only after down-after-milliseconds" not in trial.cause
    allowed = trial.paths["sentinel/new"].allowed_s
    assert allowed is not None
    assert (allowed.least, allowed.most) == (26.0, 36.0)


@pytest.mark.parametrize(
    "story",
    [
        moved("handover", replica_s=2.0, sdown_s=None),
        moved("failover", replica_s=30.0, sdown_s=6.0),
        kill_master(paths=USUAL),
    ],
    ids=["by SENTINEL FAILOVER", "called down before", "a crash"],
)
def test_a_master_that_sentinel_moved_was_not_moved_without_it(analysed: Analysed, story: Story):
    assert "moved without Sentinel" not in names(analysed(story))


def back(*, lost: bool, at_s: float = 3.1) -> Story:
    """The master is back as another process, and one replica copies it."""
    story = Story(length_s=30.0).fault().out("service", 0.0, at_s + 0.1).out("sentinel", 0.0, at_s + 0.1)
    story.event("role.lost", 0.04, AGENT, -0.01, member=PODS[0], address=f"{IPS[0]}:6379", error="refused")
    new = {"member": PODS[0], "address": f"{IPS[0]}:6379", "run_id": "n" * 40, "role": "master", "offset": 1}
    story.event("role", at_s, AGENT, at_s - 0.1, **new)
    if lost:
        story.acknowledged_then_lost("service", -5.0, -2.0, connection="new")
        story.redis_log(PODS[1], at_s + 5.0, "Full resync from master: 218b34993dd7e023ae3f:51651")
    return story


def test_a_master_that_came_back_empty_is_in_the_first_sentence(analysed: Analysed):
    scenario = scenario_json()
    scenario["targets"]["lost_before"]["gate"] = True
    story = back(lost=True)
    story.scenario = scenario
    trial = analysed(story)
    found = the(trial, "empty master copied")
    assert found.severity == "lost"
    assert found.sentence == (
        f"{PODS[0]} came back empty as the master at 3.1 s and {PODS[1]} copied it, at 8.1 s: 150 acknowledged writes "
        "of the 5.0 s before the fault are gone."
    )
    assert found.sentence in trial.cause
    assert trial.verdict is Verdict.FAIL
    assert trial.because[0] == "lost writes that everybody had: 150, allowed 0"


@pytest.mark.parametrize("other", ["n" * 40, run_id(0)], ids=["another process", "the same process"])
def test_nobody_has_to_say_whom_the_cause_hit_in_a_system_that_is_watched(analysed: Analysed, other: str):
    """The master's address shows it: another process answers there."""
    story = back(lost=True).without("fault.requested", "fault.accepted", "fault.effect", "fault.confirmed")
    story.event("onset", 0.0, since_s=-0.01, what="service/new: refused")
    story.retell("role", lambda role: role.run_id == "n" * 40, run_id=other)
    story.scenario["system"] = {"addresses": {"sentinels": ["redis-a:26379"]}, "period": "1s"}
    found = [one.sentence for one in analysed(story).findings if one.name == "empty master copied"]
    told = f"{PODS[0]} came back with less data as the master at 3.1 s and {PODS[1]} copied it, at 8.1 s: 150 "
    assert bool(found) == (other != run_id(0))
    assert not found or found[0].startswith(told)


def test_a_master_that_came_back_with_an_old_file_is_not_called_empty(analysed: Analysed):
    story = back(lost=True).redis_log(PODS[0], 3.05, "DB loaded from disk: 0.010 seconds", role="M")
    assert "came back with an old file as the master" in the(analysed(story), "empty master copied").sentence


def test_losses_that_nobody_copied_are_not_those_of_an_empty_master(analysed: Analysed):
    story = back(lost=True)
    story.logs.clear()
    assert "empty master copied" not in names(analysed(story))


def test_a_master_that_was_back_before_it_was_missed_needed_no_failover(analysed: Analysed):
    trial = analysed(back(lost=False))
    assert names(trial) == {"not missed"}
    found = the(trial, "not missed")
    assert f"No failover was needed: {PODS[0]} was back as the master at 3.1 s, 1.9 s before Sentinel" in found.sentence
    assert found.sentence in trial.cause
    story = back(lost=False).redis_log(PODS[0], 3.0, "DB loaded from disk: 2.500 seconds", role="M")
    assert "at 3.1 s (loading its file took 2.500 s), 1.9 s before" in the(analysed(story), "not missed").sentence


@pytest.mark.parametrize(("healed_s", "found"), [(3.0, True), (6.0, True), (60.0, False)])
def test_a_master_that_is_hit_for_longer_than_sentinel_waits_and_not_missed_was_never_away(
    analysed: Analysed, healed_s: float, found: bool
):
    """As one whose kubelet hangs, or that is only slow."""
    story = Story(paths=USUAL, experiment="stop-kubelet", expects="any", length_s=70.0).fault("stop_kubelet")
    assert ("not missed" in names(analysed(story.healed(healed_s, "stop_kubelet")))) == found


def test_a_failover_that_came_was_not_one_that_nobody_needed(analysed: Analysed):
    story = kill_master(paths=USUAL, back_s=20.0)
    story.event("role", 3.0, AGENT, member=PODS[0], address=f"{IPS[0]}:6379", run_id="n" * 40, role="master")
    assert "not missed" not in names(analysed(story))


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ErrorCode.NOREPLICAS, "too few replicas were in sync for min-replicas-to-write"),
        (ErrorCode.OOM, "maxmemory, 512 MiB, was reached"),
        (ErrorCode.MISCONF, "it could not save to its disk"),
        (ErrorCode.LOADING, "it was loading its file"),
        (ErrorCode.MASTERDOWN, "it was a replica without its master, and replica-serve-stale-data is no"),
        (ErrorCode.READONLY, "it was a replica"),
    ],
)
def test_writes_that_were_refused_are_told_by_whom_and_until_when(analysed: Analysed, error: ErrorCode, why: str):
    story = kill_master(paths=USUAL, back_s=10.0).out("service", 20.0, 30.0, error=error, node=2)
    found = the(analysed(story), f"writes refused with {error.name}")
    assert found.sentence == f"{PODS[2]} refused writes with {error.name} from 20.0 to 30.0 s: {why}."
    assert found.severity == "slow"


def test_refusals_until_the_end_and_by_the_promoted_one_are_told_as_such(analysed: Analysed):
    story = kill_master(paths=USUAL, back_s=10.0).out("service", 20.0, 99.0, error=ErrorCode.OOM, node=1)
    trial = analysed(story)
    found = the(trial, "writes refused with OOM")
    assert found.sentence.startswith(
        f"{PODS[1]}, promoted at 5.9 s, refused writes with OOM from 20.0 s on, until the end"
    )
    assert found.severity == "out"
    assert found.sentence in trial.cause


def test_noreplicas_ends_with_the_replica_that_was_in_sync_and_a_save_that_failed_is_quoted(analysed: Analysed):
    story = kill_master(paths=USUAL, back_s=10.0).out("service", 12.0, 30.0, error=ErrorCode.NOREPLICAS, node=1)
    story.role(29.9, 0, "slave", IPS[0], master=f"{IPS[1]}:6379", since_s=29.8)
    found = the(analysed(story), "writes refused with NOREPLICAS")
    assert f"until {PODS[0]} was, at 29.9 s" in found.sentence
    assert found.price
    story = kill_master(paths=USUAL, back_s=10.0).out("service", 12.0, 30.0, error=ErrorCode.MISCONF, node=1)
    story.redis_log(PODS[1], 11.9, "Background saving error", role="M")
    assert "(Background saving error)" in the(analysed(story), "writes refused with MISCONF").sentence


def test_refusals_of_a_moment_are_no_finding(analysed: Analysed):
    story = kill_master(paths=USUAL, back_s=10.0).out("service", 20.0, 20.5, error=ErrorCode.READONLY, node=2)
    assert names(analysed(story)) == set()


def test_two_masters_at_the_end_are_told_with_what_each_acknowledged(analysed: Analysed):
    story = kill_master(paths=USUAL, back_s=10.0)
    for ordinal in (1, 2):
        story.role(story.length_s - 0.5, ordinal, "master", IPS[ordinal])
    trial = analysed(story)
    found = the(trial, "two masters")
    assert found.sentence.startswith(
        f"{PODS[1]} and {PODS[2]} both said that they are master, from 47.5 s until the end."
    )
    assert f"by {PODS[1]} and 0 writes by {PODS[2]}" in found.sentence
    assert found.sentence in trial.cause


def test_a_demoted_master_that_said_ok_is_told_with_what_is_lost_and_with_a_price(analysed: Analysed):
    story = delete_master()
    found = the(analysed(story), "a replaced master said OK")
    assert f"{PODS[0]} went on saying OK until 11.3 s" in found.sentence
    assert f"after {PODS[1]} was promoted" in found.sentence
    assert "of them are lost" in found.sentence
    assert "min-replicas-to-write 1" in found.advice
    assert "writes are refused until another follows: 1.4 s in this trial" in found.price
    guarded = with_setting(delete_master(), "redis", "min-replicas-to-write", "1")
    assert the(analysed(guarded), "a replaced master said OK").advice == ""


def test_a_replica_that_follows_another_at_the_end_is_astray(analysed: Analysed):
    story = kill_master(paths=USUAL, back_s=10.0)
    story.role(story.length_s - 1.0, 1, "master", IPS[1])
    story.role(story.length_s - 0.5, 2, "slave", IPS[2], master=f"{IPS[0]}:6379")
    found = the(analysed(story), "replica astray")
    assert f"{PODS[2]} follows {IPS[0]}:6379, which is not the master" in found.sentence
    story = kill_master(paths=USUAL, back_s=10.0)
    story.role(story.length_s - 1.0, 1, "master", IPS[1])
    story.role(story.length_s - 0.5, 2, "slave", IPS[2], master=f"{IPS[1]}:6379")
    assert names(analysed(story)) == set()
