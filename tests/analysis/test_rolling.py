"""Several failovers in one trial, as in a rolling restart: the promise is held against each, and against the whole."""

from typing import Any

import pytest

from chaos.analysis.result import TargetResult
from chaos.clock import AGENT
from tests.analysis.conftest import Analysed, Placed
from tests.recordings import Story, kill_master
from tests.recordings.world import IPS, NODE, PODS, run_id
from tests.saying import edges


def second(story: Story, *, back_s: float, fails_over: bool = True) -> Story:
    """The master moves on at 30 s, without another fault."""
    story.length_s = 90.0
    story.out("service", 30.0, back_s)
    return story.failover(sdown_s=None, try_s=30.1, promoted_s=30.6, epoch=2) if fails_over else story


def recovery(analysed: Analysed, story: Story) -> TargetResult:
    return analysed(story).paths["service/new"].targets["recovery"]


def test_a_second_failover_that_was_too_long_breaks_the_promise_though_the_first_kept_it(analysed: Analysed) -> None:
    found = recovery(analysed, second(kill_master(back_s=14.0), back_s=47.0))

    assert found.verdict == "fail"
    assert edges(found.measured) == pytest.approx((17.0, 17.1), abs=0.1)
    assert found.why == "of the outage in the failover of epoch 2, which began at 30.0 s"


def test_a_second_one_that_was_short_enough_leaves_what_the_first_one_took(analysed: Analysed) -> None:
    found = recovery(analysed, second(kill_master(back_s=14.0), back_s=40.0))

    assert found.verdict == "pass"
    assert edges(found.measured) == pytest.approx((14.0, 14.1), abs=0.1)


def test_the_whole_is_held_against_the_downtime(analysed: Analysed) -> None:
    found = analysed(second(kill_master(back_s=14.0), back_s=40.0)).paths["service/new"].targets["downtime"]

    assert (found.verdict, found.limit) == ("fail", 15.0)


def test_an_outage_without_a_failover_of_its_own_is_in_the_whole_alone(analysed: Analysed) -> None:
    found = recovery(analysed, second(kill_master(back_s=14.0), back_s=47.0, fails_over=False))

    assert found.verdict == "pass"


def rolled_a_replica_first(story: Story, at_s: float) -> Story:
    """The same fault was in effect on a replica before, whose end cost the Service a second."""
    target = {"name": PODS[2], "ordinal": 2, "address": f"{IPS[2]}:6379", "run_id": "replica"}
    story.event("fault.requested", at_s - 0.05, fault="crash", target=target, arguments={})
    story.event("fault.effect", at_s + 0.01, NODE, since_s=at_s, fault="crash")
    story.event("fault.confirmed", at_s + 0.3, fault="crash", evidence="pid 1241 gone")
    return story.out("service", at_s + 0.5, at_s + 1.5)


def test_a_rollout_counts_from_the_master_and_what_a_replica_cost_is_in_the_whole(analysed: Analysed) -> None:
    story = Story(baseline_s=30.0, length_s=50.0).fault().failover(sdown_s=5.2, try_s=5.4, promoted_s=5.8)
    path = analysed(rolled_a_replica_first(story.out("service", 0.004, 10.0), -6.0)).paths["service/new"]

    assert edges(path.recovered_s) == pytest.approx((10.0, 10.1), abs=0.1)
    assert edges(path.outage_s) == pytest.approx((10.0, 10.1), abs=0.1)
    assert edges(path.downtime_s) == pytest.approx((11.0, 11.1), abs=0.2)
    assert [window.when for window in path.windows if window.kind == "durable"] == ["fault", "fault"]
    assert path.targets["downtime"].verdict == "pass"


def test_without_that_fault_what_came_before_is_not_the_faults(analysed: Analysed) -> None:
    path = analysed(kill_master(back_s=13.0).out("service", -5.5, -4.5)).paths["service/new"]

    assert edges(path.downtime_s) == pytest.approx((13.0, 13.1), abs=0.1)
    assert [window.when for window in path.windows if window.kind == "durable"] == ["before", "fault"]


def test_an_outage_of_a_replica_alone_breaks_the_promise_of_the_whole(analysed: Analysed) -> None:
    story = Story(length_s=40.0, baseline_s=40.0).fault()
    path = analysed(rolled_a_replica_first(story, -20.0).out("service", -19.6, -3.0)).paths["service/new"]

    assert path.recovered_s is None
    assert path.targets["recovery"].verdict == "pass"
    assert path.targets["downtime"].verdict == "fail"


def test_who_acknowledged_a_write_is_known_after_another_process_came_to_the_address(placed: Placed) -> None:
    story = kill_master(back_s=14.0)
    again: dict[str, Any] = {"member": PODS[0], "address": f"{IPS[0]}:6379", "run_id": "9" * 40, "role": "slave"}
    state: dict[str, Any] = {"master": f"{IPS[1]}:6379", "link": "up", "syncing": False, "offset": 1000}
    history = placed(story.event("role", 12.0, AGENT, **again, **state))
    for who in (run_id(0), "9" * 40):
        node = history.ran(who)
        assert node is not None
        assert (node.name, node.run_id) == (PODS[0], who)
    assert history.ran("") is None
