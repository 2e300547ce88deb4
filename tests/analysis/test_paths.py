"""Each path's state, its worst client, and what its clients share."""

import pytest

from chaos.analysis.lateness import suspect
from chaos.analysis.paths import measure
from chaos.analysis.result import PathResult
from chaos.model import ErrorCode, Outcome
from tests.analysis.conftest import Placed
from tests.recordings import Story
from tests.saying import edges

LATE = {"outcome": Outcome.UNKNOWN, "error": ErrorCode.REPLY_TIMEOUT, "takes_s": 0.1}


def by_name(placed: Placed, story: Story, *, decided: bool = True) -> dict[str, PathResult]:
    history = placed(story)
    return measure(history, suspect(history), decided=decided)


class TestBaseline:
    def test_a_path_whose_operations_are_good_works(self, placed: Placed):
        assert by_name(placed, Story().fault())["service/new"].state == "works"

    def test_a_name_that_is_not_found_never_worked(self, placed: Placed):
        path = by_name(placed, Story(paths=("given",)).fault())["given/new"]
        assert (path.state, path.state_why) == ("never worked", "name not found, 0 of 39")

    def test_a_name_that_reaches_one_pod_of_three_is_unreliable(self, placed: Placed):
        story = Story().fault()
        for start in (-4.0, -3.0, -2.0, -1.0):
            story.out("service", start, start + 0.66, error=ErrorCode.READONLY)
        path = by_name(placed, story)["service/new"]
        assert path.state == "unreliable"
        assert "readonly" in path.state_why

    def test_one_client_of_two_that_never_succeeds_makes_its_path_unreliable(self, placed: Placed):
        story = Story(meters=20).fault().out("service", -10, 30, client=0)
        assert by_name(placed, story)["service/new"].state == "unreliable"

    def test_a_client_that_did_not_send_proves_nothing(self, placed: Placed):
        story = Story(baseline_s=1.2).fault()
        assert by_name(placed, story)["service/new"].state == "unproved"

    def test_what_our_own_stalls_made_bad_counts_neither_way(self, placed: Placed):
        story = Story().fault().out("service", -3.0, -2.0, **LATE)
        assert by_name(placed, story)["service/new"].state == "unreliable"
        story.event("hiccup", -2.0, "agent", late_ns=1_100_000_000)
        assert by_name(placed, story)["service/new"].state == "works"

    def test_no_outage_is_measured_on_a_path_that_does_not_work(self, placed: Placed):
        path = by_name(placed, Story(paths=("given",)).fault())["given/new"]
        assert path.windows == ()


class TestWorst:
    def test_the_client_that_was_out_longest_is_the_headline(self, placed: Placed):
        story = Story(meters=3).fault().out("service", 0.5, 4.0).out("service", 4.0, 6.0, client=1)
        path = by_name(placed, story)["service/new"]
        assert path.head is not None
        assert path.head.client == 1

    def test_full_is_when_nobody_succeeded_and_any_when_not_everybody(self, placed: Placed):
        story = Story(meters=2).fault().out("service", 1.0, 4.0, client=0).out("service", 3.0, 7.0, client=1)
        path = by_name(placed, story)["service/new"]
        assert edges(path.full_s) == pytest.approx((1.0, 1.0), abs=0.05)
        assert edges(path.any_s) == pytest.approx((6.0, 6.0), abs=0.05)

    def test_without_a_moment_when_all_were_out_there_is_no_full_outage(self, placed: Placed):
        story = Story(meters=2).fault().out("service", 1.0, 2.0, client=0).out("service", 5.0, 7.0, client=1)
        path = by_name(placed, story)["service/new"]
        assert path.full_s is None
        assert edges(path.any_s) == pytest.approx((1.0, 1.0), abs=0.05)

    def test_one_client_that_never_had_trouble_is_no_full_outage(self, placed: Placed):
        path = by_name(placed, Story(meters=2).fault().out("service", 1.0, 2.0, client=0))["service/new"]
        assert path.full_s is None

    def test_an_outage_without_an_end_is_the_worst(self, placed: Placed):
        story = Story(meters=2).fault().out("service", 1.0, 99.0, client=0).out("service", 0.0, 9.0, client=1)
        path = by_name(placed, story)["service/new"]
        assert path.head is not None
        assert (path.head.client, path.head.censored) == (0, "limit")
        assert path.any_s is not None
        assert path.any_s.is_open


class TestBad:
    def test_ok_but_later_than_the_deadline_is_bad(self, placed: Placed):
        story = Story().fault().out("service", 2.0, 3.0, outcome=Outcome.OK, error=ErrorCode.NONE, takes_s=0.2)
        head = by_name(placed, story)["service/new"].head
        assert head is not None
        assert head.length_s.least == pytest.approx(0.98)

    @pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNKNOWN, Outcome.MISSED, Outcome.IN_FLIGHT])
    def test_whatever_is_not_ok_is_bad(self, placed: Placed, outcome: Outcome):
        assert by_name(placed, Story().fault().out("service", 2.0, 3.0, outcome=outcome))["service/new"].head

    def test_acknowledged_and_lost_is_bad_for_the_durable_outage_only(self, placed: Placed):
        story = Story().fault().acknowledged_then_lost("service", 1.0, 4.0).out("service", 4.0, 6.0)
        durable, seen = by_name(placed, story)["service/new"].windows
        assert (durable.kind, seen.kind) == ("durable", "seen")
        assert durable.length_s.least == pytest.approx(4.98)
        assert seen.length_s.least == pytest.approx(1.98)

    def test_undecided_losses_are_no_bad_operations(self, placed: Placed):
        story = Story().fault().acknowledged_then_lost("service", 1.0, 4.0)
        assert by_name(placed, story, decided=False)["service/new"].head is None

    def test_an_outage_that_was_over_before_the_fault_is_not_its(self, placed: Placed):
        path = by_name(placed, Story(baseline_s=20.0).fault().out("service", -8.0, -7.5))["service/new"]
        assert path.head is None
        assert {window.when for window in path.windows} == {"before"}

    def test_operations_that_met_a_stall_of_the_agent_open_no_window(self, placed: Placed):
        story = Story().fault().out("service", 3.0, 3.1, **LATE)
        assert by_name(placed, story)["service/new"].head
        story = story.event("hiccup", 3.12, "agent", late_ns=120_000_000)
        assert by_name(placed, story)["service/new"].head is None

    def test_a_stall_of_less_than_half_the_deadline_excuses_nothing(self, placed: Placed):
        story = Story().fault().out("service", 3.0, 3.1, **LATE).event("hiccup", 3.1, "agent", late_ns=40_000_000)
        assert by_name(placed, story)["service/new"].head

    def test_a_refusal_is_the_systems_however_late_we_were(self, placed: Placed):
        story = Story().fault().out("service", 3.0, 3.1, error=ErrorCode.READONLY)
        assert by_name(placed, story.event("hiccup", 3.12, "agent", late_ns=120_000_000))["service/new"].head


class TestAtTheEnd:
    def test_a_path_that_is_served_works(self, placed: Placed):
        assert by_name(placed, Story().fault().out("service", 1.0, 2.0))["service/new"].at_end == "works"

    def test_one_client_of_two_that_is_out_is_enough(self, placed: Placed):
        """It is not the one that was out first and longest."""
        story = Story(meters=2, length_s=40.0).fault().out("service", 1.0, 20.0, client=0)
        story.out("service", 1.0, 2.0, client=1).out("service", 30.0, 99.0, client=1)
        path = by_name(placed, story)["service/new"]
        assert path.at_end == "out"
        assert path.downtime_s is not None
        assert path.downtime_s.is_open

    def test_a_good_operation_just_before_the_end_proves_nothing(self, placed: Placed):
        story = Story(length_s=20.0).fault().out("service", 1.0, 19.7)
        assert by_name(placed, story)["service/new"].at_end == "unknown"
