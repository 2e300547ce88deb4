"""What an application met, beside what the service did."""

import pytest

from chaos.clock import AGENT
from chaos.model import ErrorCode
from tests.analysis.conftest import Analysed
from tests.recordings import Story, delete_master, kill_master
from tests.saying import edges


def test_its_longest_blocked_call_and_its_first_good_one(analysed: Analysed):
    app = analysed(kill_master()).paths["app/kept"]
    assert app.application
    assert app.longest_blocked_s == pytest.approx(4.5, abs=0.001)
    assert edges(app.first_good_s) == pytest.approx((51.95, 51.95), abs=0.06)


def test_an_acknowledged_call_that_is_lost_is_not_good(analysed: Analysed):
    app = analysed(delete_master()).paths["app/kept"]
    assert app.first_good_s is not None
    assert app.first_good_s.least > 75


def test_a_call_that_never_returned_is_told_by_its_event(analysed: Analysed):
    story = (
        Story(paths=("service", "app"))
        .fault()
        .event("application.call", 9.0, "agent", client=2, blocked_s=33.0, error="")
    )
    assert analysed(story).paths["app/kept"].longest_blocked_s == pytest.approx(33.0)


def test_one_that_never_succeeded_again_has_no_first_good_call(analysed: Analysed):
    story = Story(paths=("service", "app")).fault().out("app", 0.0, 99.0)
    assert analysed(story).paths["app/kept"].first_good_s is None


def test_one_that_never_succeeded_again_says_what_it_met_last_and_on_which_connection(analysed: Analysed):
    story = Story(paths=("service", "app")).fault().out("app", 0.0, 9.0).out("app", 9.0, 99.0, error=ErrorCode.READONLY)
    story.event("connection.opened", -6.0, AGENT, client=2)
    assert analysed(story).paths["app/kept"].never_again == "readonly, on the connection that it had before the fault"
    story.event("connection.closed", 0.1, AGENT, client=2).event("connection.opened", 8.9, AGENT, client=2)
    assert analysed(story).paths["app/kept"].never_again == "readonly, on the connection that it opened at 8.9 s"
    story.event("connection.closed", 19.0, AGENT, client=2)
    assert analysed(story).paths["app/kept"].never_again == "readonly"


def test_one_that_succeeded_again_was_not_out_for_good(analysed: Analysed):
    assert analysed(kill_master()).paths["app/kept"].never_again == ""


def test_one_whose_calls_are_acknowledged_and_lost_to_the_end_has_no_good_one(analysed: Analysed):
    story = Story(paths=("service", "app")).fault().acknowledged_then_lost("app", 2.0, 99.0)
    assert analysed(story).paths["app/kept"].first_good_s is None


def test_the_connection_that_is_told_is_its_own(analysed: Analysed):
    story = Story(paths=("service", "app")).fault().out("app", 0.0, 99.0, error=ErrorCode.READONLY)
    story.event("connection.opened", -6.0, AGENT, client=2).event("connection.opened", 9.0, AGENT, client=0)
    assert analysed(story).paths["app/kept"].never_again == "readonly, on the connection that it had before the fault"
