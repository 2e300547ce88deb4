"""Milestones: seen by whom and when, not applicable, not yet, unobserved."""

from dataclasses import replace
from typing import Any

import pytest

from chaos.analysis.result import Milestone, State
from chaos.clock import AGENT
from chaos.record.events import Stamped
from tests.analysis.conftest import Analysed
from tests.recordings import Story, delete_master, kill_master
from tests.recordings.story import MASTER_SERVICE
from tests.recordings.world import IPS, PODS, SENTINELS, ns

NAMES = ["sdown", "odown", "try_failover", "elected", "promoted", "switched", "reconfigured", "labelled", "pointer"]


def at(milestone: Milestone) -> tuple[float, float]:
    assert milestone.state is State.SEEN
    assert milestone.at_s is not None
    return milestone.at_s.least, milestone.at_s.most


def late_endpoints(event: Stamped[Any]) -> bool:
    return event.event.kind == "endpoints" and event.at_ns > ns(10.0)


def test_a_crash_has_them_all_in_their_order(analysed: Analysed):
    milestones = analysed(kill_master()).milestones
    latest = [at(milestones[name])[1] for name in NAMES if name not in ("switched", "reconfigured")]
    assert latest == sorted(latest)
    assert [milestones[name].state for name in NAMES] == [State.SEEN] * len(NAMES)


def test_a_requested_failover_has_no_detection_and_no_quorum(analysed: Analysed):
    milestones = analysed(delete_master()).milestones
    assert [milestones[name].state for name in ("sdown", "odown")] == [State.NOT_APPLICABLE] * 2
    assert at(milestones["try_failover"]) == pytest.approx((0.21, 0.211))


def test_the_replicas_own_log_says_when_it_was_promoted(analysed: Analysed):
    promoted = analysed(kill_master()).milestones["promoted"]
    assert at(promoted) == pytest.approx((5.91, 5.911))
    assert promoted.source == "redis-log"
    assert "MASTER MODE enabled" in promoted.evidence


def test_without_that_log_its_role_does_as_an_interval(analysed: Analysed):
    promoted = analysed(kill_master().without("redis")).milestones["promoted"]
    assert promoted.source == "role"
    assert at(promoted) == pytest.approx((5.89, 5.94))


def test_with_neither_nobody_saw_it(analysed: Analysed):
    assert analysed(kill_master().without("redis", "role")).milestones["promoted"].state is State.UNOBSERVED


def test_every_sentinel_and_every_replica_has_its_own(analysed: Analysed):
    (failover,) = analysed(kill_master()).failovers
    assert set(failover.per_sentinel) == set(SENTINELS)
    assert set(failover.per_replica) == {PODS[0], PODS[2]}
    assert at(failover.milestones["switched"]) == max(at(one) for one in failover.per_sentinel.values())


def test_reconfigured_does_not_wait_for_the_pod_that_was_killed(analysed: Analysed):
    trial = analysed(kill_master())
    assert at(trial.milestones["reconfigured"]) == pytest.approx((7.31, 7.36))
    assert at(trial.failovers[0].per_replica[PODS[0]])[1] > 20


def test_a_replica_that_is_still_loading_its_copy_does_not_follow_yet(analysed: Analysed):
    story = kill_master()
    story.retell("role", lambda role: role.member == PODS[2], syncing=True)
    assert analysed(story).milestones["reconfigured"].state is State.NOT_YET


def test_the_label_is_narrowed_by_the_operators_log(analysed: Analysed):
    with_log = at(analysed(kill_master()).milestones["labelled"])
    without = at(analysed(kill_master().without("operator")).milestones["labelled"])
    assert with_log == pytest.approx((51.7, 51.72))
    assert without == pytest.approx((46.7, 51.72))


def test_a_scenario_without_a_master_label_has_no_such_milestone(analysed: Analysed):
    story = kill_master()
    story.scenario["system"]["kube"]["master_label"] = None
    assert analysed(story).milestones["labelled"].state is State.NOT_APPLICABLE


def test_the_pointer_is_the_slice_naming_the_new_master(analysed: Analysed):
    pointer = analysed(kill_master()).milestones["pointer"]
    assert at(pointer) == pytest.approx((51.72, 51.85))
    assert IPS[1] in pointer.evidence


def test_a_pointer_that_was_watched_for_and_did_not_come_is_not_yet(analysed: Analysed):
    story = kill_master()
    story.events = [event for event in story.events if not late_endpoints(event)]
    pointer = analysed(story).milestones["pointer"]
    assert pointer.state is State.NOT_YET
    assert pointer.limit_s == pytest.approx(89.9)


def behind_haproxy(story: Story, *told: tuple[float, str, list[int]]) -> Story:
    """At `told` seconds that proxy said which of its servers are up."""
    story.scenario["system"]["kube"]["proxy"] = {"selector": "app=haproxy", "service": MASTER_SERVICE}
    for at_s, proxy, up in told:
        servers = [
            {"backend": "redis", "server": f"redis-{n}", "address": f"{ip}:6379", "up": n in up}
            for n, ip in enumerate(IPS)
        ]
        story.event("proxy.servers", at_s, AGENT, at_s - 0.05, proxy=proxy, servers=servers)
    return story


def test_behind_haproxy_the_pointer_is_the_last_of_them_that_calls_the_new_master_up(analysed: Analysed):
    """Whatever the EndpointSlice of its Service says, which names HAProxy's own pods."""
    started = [(-5.0, "one", [0]), (-5.0, "two", [0])]
    story = behind_haproxy(kill_master(), *started, (3.0, "one", []), (7.4, "one", [1]), (8.1, "two", [0, 1]))
    pointer = analysed(story).milestones["pointer"]
    assert at(pointer) == pytest.approx((8.05, 8.1))
    assert (pointer.source, pointer.evidence) == ("proxy", f"two: redis-1 ({IPS[1]}:6379) is up")


def test_behind_haproxy_one_that_never_calls_the_new_master_up_is_not_yet(analysed: Analysed):
    story = behind_haproxy(kill_master(), (-5.0, "one", [0]), (3.0, "one", []))
    assert analysed(story).milestones["pointer"].state is State.NOT_YET


def test_behind_haproxy_that_nobody_asked_the_pointer_is_unobserved(analysed: Analysed):
    assert analysed(behind_haproxy(kill_master())).milestones["pointer"].state is State.UNOBSERVED


def test_without_slices_nobody_saw_the_pointer(analysed: Analysed):
    assert analysed(kill_master().without("endpoints")).milestones["pointer"].state is State.UNOBSERVED


def test_a_watch_that_died_for_good_saw_nothing_either(analysed: Analysed):
    story = kill_master()
    story.events = [event for event in story.events if not late_endpoints(event)]
    story.event("gap", 89.5, since_s=2.0, source="endpoints", text="connection refused")
    assert analysed(story).milestones["pointer"].state is State.UNOBSERVED


def test_a_failover_that_no_sentinel_saw_a_need_for_does_not_apply_and_without_a_watch_is_unobserved(
    analysed: Analysed,
):
    silent = Story(length_s=30.0).fault().out("service", 0.0, 99.0)
    assert analysed(silent).milestones["sdown"].state is State.NOT_APPLICABLE
    assert analysed(silent.without("sentinel.address")).milestones["sdown"].state is State.UNOBSERVED


def test_clients_see_their_own_milestones(analysed: Analysed):
    milestones = analysed(kill_master()).milestones
    assert at(milestones["first_failed"])[1] < 0.03
    assert at(milestones["first_good"]) == pytest.approx((6.45, 6.47), abs=0.03)
    assert at(milestones["stable"]) == pytest.approx((51.88, 51.91), abs=0.03)


def test_what_is_out_at_the_end_is_not_stable(analysed: Analysed):
    story = Story(length_s=30.0).fault().out("service", 0.0, 99.0)
    assert analysed(story).milestones["stable"].state is State.NOT_YET


def test_a_sentinel_that_nobody_listened_to_switched_when_it_told_the_new_address(analysed: Analysed):
    name = list(SENTINELS)[1]
    story = kill_master().without("sentinel")
    story.events = [
        event for event in story.events if event.event.kind != "sentinel.event" or event.event.sentinel != name
    ]
    assert analysed(story).failovers[0].per_sentinel[name].state is State.NOT_YET
    story.event("gap", 9.0, "agent", since_s=5.0, source=f"sentinel.event/{name}", text="no answer within 1 s")
    switched = analysed(story).failovers[0].per_sentinel[name]
    assert switched.source == "address"
    assert at(switched) == pytest.approx((6.46, 6.51))


def test_a_write_that_it_acknowledged_proves_a_promotion_earlier_than_a_poll(analysed: Analysed):
    """The poll met a stall and saw the role 2 s late; a client did not."""
    story = Story().fault().failover(sdown_s=5.4, try_s=5.6, promoted_s=5.9).without("redis")
    for number, event in enumerate(story.events):
        if event.event.kind == "role" and event.event.role == "master" and event.at_ns > ns(0):
            story.events[number] = replace(event, at_ns=ns(8.0))
    assert at(analysed(story).milestones["promoted"])[1] < 6.5


def test_sdown_is_told_where_no_failover_follows_and_then_one_was_due(analysed: Analysed):
    """Three Sentinels call the master down, and nobody tries."""
    story = Story(length_s=30.0).fault().out("service", 0.0, 99.0)
    for who in range(3):
        story.sentinel(5.4 + who / 10, who, "+sdown", f"master mymaster {IPS[0]} 6379")
    milestones = analysed(story).milestones
    assert at(milestones["sdown"]) == pytest.approx((5.4, 5.401))
    assert milestones["odown"].state is State.NOT_YET
    assert milestones["promoted"].state is State.NOT_YET


def test_one_sentinel_of_three_is_no_quorum_and_nothing_was_due(analysed: Analysed):
    story = Story(length_s=30.0).fault().out("service", 0.0, 2.0)
    story.sentinel(5.4, 0, "+sdown", f"master mymaster {IPS[0]} 6379")
    milestones = analysed(story).milestones
    assert milestones["sdown"].state is State.SEEN
    assert milestones["promoted"].state is State.NOT_APPLICABLE
