"""From when on another failure would be survived: each condition on its own, and when nobody can tell."""

from typing import Any

import pytest

from chaos.analysis import wording
from chaos.analysis.result import NOT_APPLICABLE, Milestone, State
from chaos.clock import AGENT
from tests.analysis.conftest import Analysed
from tests.recordings import Story, kill_master, no_fault
from tests.recordings.world import IPS, PODS, SENTINELS
from tests.saying import edges

OLD, NEW, THIRD = (f"{ip}:6379" for ip in IPS)


def knows(story: Story, at_s: float, who: int, master: str, *replicas: str, **changes: Any) -> Story:
    """What a Sentinel knows, seen within the second before: a master, and replicas of it that are up."""
    entries = [{"address": one, "flags": "slave", "master": master} for one in replicas]
    said = {"flags": "master", "num_slaves": len(entries), "num_other_sentinels": 2, "quorum": 2, "address": master}
    name = list(SENTINELS)[who]
    return story.event(
        "sentinel.state", at_s, AGENT, at_s - 1, sentinel=name, **(said | {"replicas": entries} | changes)
    )


def before(story: Story) -> Story:
    for who in range(3):
        knows(story, -4.0, who, OLD, NEW, THIRD)
    return story


def all_know(story: Story, last_s: float) -> Story:
    """Each Sentinel knows the new master and its replica in sync; the last one at `last_s`."""
    for who, at_s in enumerate((7.5, 8.0, last_s)):
        knows(story, at_s, who, NEW, THIRD)
    return story


def test_it_is_when_the_last_sentinel_knows_a_replica_that_is_in_sync(analysed: Analysed) -> None:
    trial = analysed(all_know(before(kill_master(back_s=14.0)), 9.0))

    found = trial.milestones["rearmed"]
    assert edges(found.at_s) == pytest.approx((8.0, 9.0))
    assert found.evidence.endswith("all know a replica in sync, and none waits for a failover-timeout")
    assert wording.breakable(wording.rearmed(trial.milestones)) == "ready for another failure after 8.50 ± 0.50 s"


def test_a_replica_that_no_sentinel_has_heard_from_yet_does_not_count(analysed: Analysed) -> None:
    story = all_know(before(kill_master(back_s=14.0)), 9.0)
    unheard = [{"address": THIRD, "flags": "slave", "master": "?:0"}]
    knows(story, 9.5, 1, NEW, THIRD, replicas=unheard)
    knows(story, 12.0, 1, NEW, THIRD)
    found = analysed(story).milestones["rearmed"]

    assert edges(found.at_s) == pytest.approx((11.0, 12.0))
    assert f"it had been since 8.5 s, and at 9.0 s not every Sentinel knows a replica of {NEW}" in found.evidence


def test_a_replica_that_is_not_in_sync_does_not_count(analysed: Analysed) -> None:
    story = all_know(before(kill_master(back_s=14.0)), 9.0)
    story.retell("role", lambda role: role.member == PODS[2] and role.master == NEW, link="connect")
    found = analysed(story).milestones["rearmed"]

    assert (found.state, found.evidence) == (State.NOT_YET, f"no replica of {NEW} is in sync")
    assert "not ready for another failure within" in wording.rearmed({"rearmed": found})


def test_a_failover_that_was_given_up_keeps_sentinel_from_the_next_one(analysed: Analysed) -> None:
    """Its failover-timeout is 10 s: none is begun for 20 s, and up to one more by chance."""
    story = before(Story(length_s=60.0).fault().down(5.0, 5.2))
    story.sentinel(5.3, 0, "+new-epoch", "1").sentinel(5.31, 0, "+try-failover", f"master mymaster {IPS[0]} 6379")
    story.sentinel(9.0, 0, "-failover-abort-not-elected", f"master mymaster {IPS[0]} 6379")
    story.role(11.0, 0, "master", IPS[0])
    for who in range(3):
        knows(story, 6.0, who, OLD, NEW, THIRD, flags="s_down,master")
        knows(story, 12.0, who, OLD, NEW, THIRD)
    found = analysed(story).milestones["rearmed"]

    assert edges(found.at_s) == pytest.approx((25.31, 26.31), abs=0.01)


def test_a_completed_one_does_not(analysed: Analysed) -> None:
    """As in the first story, in which each Sentinel has switched; here one has not said so."""
    story = all_know(before(kill_master(back_s=14.0)), 9.0)
    story.sentinel(6.0, 2, "+vote-for-leader", f"{'b' * 40} 1")
    name = list(SENTINELS)[2]
    story.events = [
        one
        for one in story.events
        if not (one.event.kind == "sentinel.event" and one.event.sentinel == name and "+switch" in one.event.channel)
    ]
    story.logs[name] = [line for line in story.logs[name] if "+switch-master" not in line]
    found = analysed(story).milestones["rearmed"]

    assert found.at_s is not None
    assert found.at_s.most == pytest.approx(27.0, abs=0.01)


def test_a_sentinel_in_tilt_does_nothing(analysed: Analysed) -> None:
    story = all_know(before(kill_master(back_s=14.0)), 9.0)
    story.sentinel(8.5, 0, "+tilt", "#tilt mode entered").sentinel(38.5, 0, "-tilt", "#tilt mode exited")
    found = analysed(story).milestones["rearmed"]

    assert found.at_s is None or found.at_s.most == pytest.approx(38.5, abs=0.01)


def test_of_sentinels_of_which_one_answers_none_is_elected(analysed: Analysed) -> None:
    story = all_know(before(kill_master(back_s=14.0)), 9.0)
    for who in (1, 2):
        story.event("sentinel.lost", 9.5, AGENT, sentinel=list(SENTINELS)[who], error="refused")
    found = analysed(story).milestones["rearmed"]

    assert (found.state, found.evidence) == (State.NOT_YET, "too few Sentinels answer")


def test_where_the_system_was_ready_all_along_it_does_not_apply(analysed: Analysed) -> None:
    trial = analysed(before(no_fault()))

    assert trial.milestones["rearmed"] == NOT_APPLICABLE
    assert wording.rearmed(trial.milestones) == "ready for another failure all along"


def test_where_nobody_asked_the_sentinels_nothing_is_said(analysed: Analysed) -> None:
    trial = analysed(kill_master(back_s=14.0))

    assert "rearmed" not in trial.milestones
    assert wording.rearmed(trial.milestones) == ""
    assert wording.rearmed({"rearmed": Milestone(state=State.NOT_YET, limit_s=3.0, evidence="x")}) != ""
