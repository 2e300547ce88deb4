"""Several failovers in one trial, as in a rolling restart: the promise is held against each, and against the whole."""

import pytest

from chaos.analysis.result import TargetResult
from tests.analysis.conftest import Analysed
from tests.recordings import Story, kill_master
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
