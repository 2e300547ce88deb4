"""From when on another failure would be survived: each condition on its own, and when nobody can tell."""

import math
from dataclasses import replace
from typing import Any

import pytest

from chaos.analysis import wording
from chaos.analysis.result import NOT_APPLICABLE, Milestone, State
from chaos.analysis.trial import measured_in
from chaos.clock import AGENT
from chaos.record.events import Event, MembersKnown, ReplicaEntry, Role, SentinelState
from tests.analysis.conftest import Analysed, Placed
from tests.local.twice import Pair, SecondKill, first_armed_s, second_kill
from tests.recordings import Story, kill_master, no_fault
from tests.recordings.world import IPS, PODS, SENTINELS, members
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


def test_a_master_that_sentinels_name_by_its_host_name_is_the_one_that_says_so(analysed: Analysed) -> None:
    """As with `resolve-hostnames` and `announce-hostnames`; a replica names its master so, too."""
    story = all_know(before(kill_master(back_s=14.0)), 9.0)
    names = {f"{ip}:6379": f"{pod}.redis:6379" for ip, pod in zip(IPS, PODS, strict=True)}

    def named(event: Event) -> Event:
        if isinstance(event, MembersKnown):
            aliases = ([names[one.ip_port]] if one.ip_port in names else [] for one in members())
            known = zip(members(), aliases, strict=True)
            return replace(event, members=[one.as_json() | {"aliases": others} for one, others in known])
        if isinstance(event, SentinelState):
            replicas: list[ReplicaEntry] = [
                {**one, "address": names[one["address"]], "master": names[one["master"]]} for one in event.replicas
            ]
            return replace(event, address=names[str(event.address)], replicas=replicas)
        return replace(event, master=names.get(str(event.master))) if isinstance(event, Role) else event

    story.events = [replace(one, event=named(one.event)) for one in story.events]

    assert edges(analysed(story).milestones["rearmed"].at_s) == pytest.approx((8.0, 9.0))


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


def test_sentinels_that_answer_again_know_what_they_knew(analysed: Analysed) -> None:
    """What a Sentinel knows is written when it changed, and so not when it merely answers again."""
    story = all_know(before(kill_master(back_s=14.0)), 9.0)
    for who in (0, 1):
        story.event("sentinel.lost", 9.5, AGENT, sentinel=list(SENTINELS)[who], error="no answer within 1 s")
        story.event("sentinel.back", 11.0, AGENT, 10.5, sentinel=list(SENTINELS)[who])
    found = analysed(story).milestones["rearmed"]
    assert found.state is State.SEEN
    assert "at 9.5 s too few Sentinels answer" in found.evidence


def test_where_the_system_was_ready_all_along_it_does_not_apply(analysed: Analysed) -> None:
    trial = analysed(before(no_fault()))

    assert trial.milestones["rearmed"] == NOT_APPLICABLE
    assert wording.rearmed(trial.milestones) == "ready for another failure all along"


def test_where_nobody_asked_the_sentinels_nothing_is_said(analysed: Analysed) -> None:
    trial = analysed(kill_master(back_s=14.0))

    assert "rearmed" not in trial.milestones
    assert wording.rearmed(trial.milestones) == ""
    assert wording.rearmed({"rearmed": Milestone(state=State.NOT_YET, limit_s=3.0, evidence="x")}) != ""


def killed_again(at_s: float) -> Story:
    """The first story, in which it is re-armed after 8.5 s, with another kill of the master at this time."""
    story = all_know(before(kill_master(back_s=9.5)), 9.0)
    target = {"name": PODS[1], "ordinal": 1, "address": NEW, "run_id": "second"}
    story.event("fault.requested", at_s - 0.02, fault="crash", target=target, arguments={})
    story.event("fault.accepted", at_s + 0.02, fault="crash")
    story.event("fault.effect", at_s + 0.01, since_s=at_s, fault="crash")
    return story.event("fault.confirmed", at_s + 0.1, fault="crash", evidence="pid 1241 gone")


def failed_over_again(story: Story, at_s: float) -> Story:
    story.sentinel(at_s, 1, "+new-epoch", "2").sentinel(
        at_s + 0.01, 1, "+try-failover", f"master mymaster {IPS[1]} 6379"
    )
    story.sentinel(at_s + 0.9, 1, "+switch-master", f"mymaster {IPS[1]} 6379 {IPS[2]} 6379")
    return story.out("sentinel", at_s - 2.0, at_s + 1.0)


def reckoned(story: Story, placed: Placed) -> SecondKill:
    kill = second_kill(measured_in(placed(story)))
    assert kill is not None
    return kill


def test_a_second_kill_after_it_is_survived_if_all_is_back_and_nothing_old_is_lost(placed: Placed) -> None:
    kill = reckoned(failed_over_again(killed_again(10.0), 12.0), placed)

    assert (kill.lacked, kill.failed_over, kill.lost, kill.survived) == ("", True, 0, True)
    assert kill.armed_s == pytest.approx(8.5)
    assert kill.at_s == pytest.approx(10.0, abs=0.02)
    assert kill.out_s == pytest.approx(3.0, abs=0.1)


def test_a_second_kill_before_it_says_what_was_lacking(placed: Placed) -> None:
    kill = reckoned(failed_over_again(killed_again(8.0), 10.0), placed)

    assert kill.lacked.startswith("not every Sentinel knows") or kill.lacked.startswith("the Sentinels do not all")
    assert kill.armed_s is None


def test_a_second_kill_is_not_survived_without_a_failover_or_a_way_back_or_an_old_write(placed: Placed) -> None:
    alone = killed_again(10.0).out("sentinel", 10.0, 12.0)
    gone = failed_over_again(killed_again(10.0), 12.0).out("service", 10.0, 99.0)
    lost = failed_over_again(killed_again(10.0), 12.0).acknowledged_then_lost("sentinel", 7.5, 8.0, node=1)
    tail = failed_over_again(killed_again(10.0), 12.0).acknowledged_then_lost("sentinel", 9.5, 9.9, node=1)

    assert not reckoned(alone, placed).failed_over
    assert reckoned(gone, placed).out_s == math.inf
    assert reckoned(lost, placed).lost > 0
    assert reckoned(tail, placed).lost == 0
    assert [reckoned(one, placed).survived for one in (alone, gone, lost, tail)] == [False, False, False, True]


def test_the_first_time_is_told_though_it_lapsed(placed: Placed) -> None:
    story = all_know(before(kill_master(back_s=14.0)), 9.0)
    assert first_armed_s(measured_in(placed(story))) == pytest.approx(8.5)
    knows(story, 12.0, 1, NEW, THIRD, flags="s_down,master")
    knows(story, 14.0, 1, NEW, THIRD)
    assert first_armed_s(measured_in(placed(story))) == pytest.approx(8.5)
    assert first_armed_s(measured_in(placed(before(no_fault())))) is None


def test_without_a_second_kill_there_is_nothing_to_reckon(placed: Placed) -> None:
    assert second_kill(measured_in(placed(kill_master(back_s=14.0)))) is None


@pytest.mark.parametrize(
    ("before_out_s", "before_lost", "after_out_s", "as_said"),
    [
        (3.0, 500, 3.0, True),
        (6.0, 0, 3.0, True),
        (math.inf, 0, 3.0, True),
        (3.2, 0, 3.0, False),
        (9.0, 9, math.inf, False),
    ],
)
def test_a_pair_is_as_said_if_the_later_kill_is_survived_and_the_earlier_one_is_not_or_later(
    before_out_s: float, before_lost: int, after_out_s: float, as_said: bool
) -> None:
    earlier = SecondKill(at_s=9, lacked="x", armed_s=None, failed_over=True, out_s=before_out_s, lost=before_lost)
    later = SecondKill(at_s=11, lacked="", armed_s=10, failed_over=True, out_s=after_out_s, lost=0)
    pair = Pair(before=earlier, after=later)

    assert (pair.counts, pair.is_as_said) == (True, as_said)
    assert not Pair(before=later, after=later).counts
    assert not Pair(before=earlier, after=earlier).counts
