"""Windows, from operations written down as `time: good or bad`."""

from collections.abc import Sequence

import numpy as np
import pytest

from chaos.analysis.interval import Interval
from chaos.analysis.result import Window
from chaos.analysis.windows import Sent, windows
from tests.saying import edges

PERIOD_S, TOOK_S = 0.02, 0.001
Spells = Sequence[tuple[float, float]]


def sent(bad: Spells, suspect: Spells = (), start_s: float = 0.0, length_s: float = 30.0) -> Sent:
    """A client that sends every 20 ms from `start_s` on; bad and suspect where [from, to) says."""
    at = np.round(np.arange(start_s, length_s, PERIOD_S), 9)
    within = lambda spells: sum(((at >= start) & (at < end) for start, end in spells), np.zeros(len(at), bool)) > 0  # noqa: E731
    return Sent(sent_s=at, done_s=at + TOOK_S, bad=within(bad), suspect=within(suspect))


def outages(ops: Sent, heal_s: float | None = None, first_effect_s: float = 0.0) -> list[Window]:
    return list(windows(ops, "seen", 3, gap_s=1.0, first_effect_s=first_effect_s, heal_s=heal_s))


def one(ops: Sent) -> Window:
    (found,) = outages(ops)
    return found


def test_no_bad_operation_is_no_outage():
    assert outages(sent([])) == []


def test_edges_lie_between_the_good_and_the_bad():
    window = one(sent([(5.0, 12.0)]))
    assert edges(window.onset_s) == pytest.approx((4.98, 5.0))
    assert edges(window.end_s) == pytest.approx((11.98, 12.001))
    assert edges(window.length_s) == pytest.approx((6.98, 7.021))
    assert (window.client, window.when, window.censored) == (3, "fault", None)


def test_a_single_bad_operation_may_have_been_no_time_at_all():
    assert edges(one(sent([(5.0, 5.02)])).length_s) == pytest.approx((0.0, 0.041))


def test_a_good_spell_within_the_gap_does_not_end_an_outage():
    assert edges(one(sent([(5.0, 6.0), (6.9, 8.0)])).end_s) == pytest.approx((7.98, 8.001))


def test_a_good_spell_that_is_exactly_as_long_as_the_gap_does_not_either():
    """It lasts from the first good operation to the next bad one, and not from the last bad one before it."""
    assert edges(one(sent([(5.0, 6.0), (7.0, 8.0)])).end_s) == pytest.approx((7.98, 8.001))


def test_an_operation_that_is_answered_late_stands_where_it_was_sent():
    ops = sent([(5.0, 5.02)])
    slow = Sent(sent_s=ops.sent_s, done_s=ops.done_s + 0.9 * ops.bad, bad=ops.bad, suspect=ops.suspect)
    assert one(slow) == one(ops)


def test_a_good_spell_longer_than_the_gap_does():
    first, second = outages(sent([(5.0, 6.0), (7.1, 8.0)]))
    assert edges(first.end_s) == pytest.approx((5.98, 6.001))
    assert edges(second.onset_s) == pytest.approx((7.08, 7.1))


def test_what_never_came_back_is_censored_and_not_dropped():
    window = one(sent([(5.0, 99.0)]))
    assert (window.end_s, window.censored) == (None, "limit")
    assert window.length_s.least == pytest.approx(24.98)
    assert window.length_s.is_open


def test_a_good_operation_that_nobody_watched_after_is_no_end():
    assert one(sent([(5.0, 29.5)])).end_s is None


def test_bad_from_the_first_operation_on_has_no_good_one_before_it():
    assert one(sent([(0.0, 3.0)])).onset_s == Interval(0.0, 0.0)


def test_operations_are_taken_in_the_order_of_sending():
    """A late one is decided after those that were sent after it."""
    shuffled = sent([(5.0, 12.0)])
    order = np.random.default_rng(1).permutation(len(shuffled.sent_s))
    assert outages(shuffled.chosen(order)) == outages(shuffled)


class TestSuspect:
    """A suspect operation is neither good nor bad: it opens nothing, and an edge reaches past it."""

    def test_an_outage_of_our_own_stall_is_none(self):
        assert outages(sent([(5.0, 5.1)], suspect=[(5.0, 5.1)])) == []

    def test_at_the_onset_the_interval_reaches_back_to_the_last_good_operation(self):
        window = one(sent([(5.0, 12.0)], suspect=[(5.0, 5.1)]))
        assert edges(window.onset_s) == pytest.approx((4.98, 5.1))
        assert edges(window.end_s) == pytest.approx((11.98, 12.001))
        assert window.widened == ("onset",)

    def test_at_the_end_the_interval_reaches_from_the_last_sure_bad_to_the_first_good(self):
        window = one(sent([(5.0, 12.0)], suspect=[(11.9, 12.0)]))
        assert edges(window.end_s) == pytest.approx((11.88, 12.001))
        assert edges(window.length_s) == pytest.approx((6.88, 7.021))
        assert window.widened == ("end",)

    def test_a_good_operation_between_suspect_ones_is_the_end(self):
        """The interval reaches to the nearest operation that is not suspect, and no more."""
        window = one(sent([(5.0, 12.0), (12.02, 12.4)], suspect=[(12.02, 12.4)]))
        assert edges(window.end_s) == pytest.approx((11.98, 12.001))
        assert window.widened == ()

    def test_in_the_middle_it_changes_nothing(self):
        assert one(sent([(5.0, 12.0)], suspect=[(7.0, 8.0)])) == one(sent([(5.0, 12.0)]))

    def test_a_good_operation_counts_although_it_met_a_stall(self):
        assert one(sent([(5.0, 12.0)], suspect=[(4.98, 5.0)])) == one(sent([(5.0, 12.0)]))

    def test_a_later_one_neither_prolongs_an_outage_nor_opens_another(self):
        assert outages(sent([(5.0, 6.0), (6.5, 6.6)], suspect=[(6.5, 6.6)])) == outages(sent([(5.0, 6.0)]))


class TestBeforeTheEffect:
    """t = 0 is the effect. What had ended before it is not the fault's."""

    def test_what_was_over_before_it_is_before(self):
        window = one(sent([(-5.0, -4.0)], start_s=-10.0))
        assert window.when == "before"
        assert edges(window.end_s) == pytest.approx((-4.02, -3.999))

    def test_what_lasted_across_it_is_cut_in_two(self):
        before, ours = outages(sent([(-2.0, 6.0)], start_s=-10.0))
        assert (before.when, ours.when) == ("before", "fault")
        assert edges(before.onset_s) == pytest.approx((-2.02, -2.0))
        assert edges(before.end_s) == pytest.approx((-0.02, 0.0), abs=0.021)
        assert ours.onset_s.least == 0.0
        assert edges(ours.length_s) == pytest.approx((5.98, 6.001), abs=0.021)

    def test_an_operation_that_was_under_way_at_the_effect_is_the_faults(self):
        ops = sent([(-0.04, 6.0)], start_s=-10.0)
        late = Sent(sent_s=ops.sent_s, done_s=ops.sent_s + 0.1, bad=ops.bad, suspect=ops.suspect)
        assert one(late).when == "fault"
        assert edges(one(late).onset_s) == pytest.approx((-0.06, -0.04))

    def test_the_faults_part_begins_with_what_was_under_way_at_the_effect(self):
        ops = sent([(-2.0, 6.0)], start_s=-10.0)
        slow = Sent(sent_s=ops.sent_s, done_s=ops.sent_s + 0.1, bad=ops.bad, suspect=ops.suspect)
        before, ours = outages(slow)
        assert before.end_s is not None
        assert before.end_s.least == pytest.approx(-0.12)
        assert edges(ours.onset_s) == (0.0, 0.0)

    def test_it_is_not_judged_by_the_healing_of_an_earlier_fault(self):
        window = outages(sent([(-8.0, -3.0)], start_s=-20.0), heal_s=-5.0)
        assert [(one.when, one.censored) for one in window] == [("before", None)]

    def test_two_outages_within_the_gap_are_apart_where_the_effect_lies_between(self):
        before, ours = outages(sent([(-0.5, -0.3), (0.1, 3.0)], start_s=-10.0))
        assert (before.when, ours.when) == ("before", "fault")
        assert edges(ours.length_s) == pytest.approx((2.88, 3.001), abs=0.021)

    def test_what_an_earlier_fault_caused_is_the_faults_and_is_cut_at_both_effects(self):
        across = outages(sent([(-8.0, 3.0)], start_s=-10.0), first_effect_s=-5.0)
        assert [one.when for one in across] == ["before", "fault", "fault"]
        assert [one.after_effect for one in across] == [False, False, True]
        assert [edges(one.onset_s)[0] for one in across] == pytest.approx([-8.02, -5.0, 0.0])
        assert [edges(one.length_s)[1] for one in across] == pytest.approx([3.02, 5.0, 3.001], abs=0.021)
        between = one(sent([(-4.0, -3.0)], start_s=-10.0)), outages(sent([(-4.0, -3.0)], start_s=-10.0), None, -5.0)[0]
        assert [(each.when, each.after_effect) for each in between] == [("before", False), ("fault", False)]


class TestAHealedFault:
    """It is judged up to the healing; what follows is a window of its own, added to nothing."""

    def test_what_was_back_before_is_whole(self):
        assert [(w.censored, w.when) for w in outages(sent([(5.0, 8.0)]), heal_s=10.0)] == [(None, "fault")]

    def test_what_was_not_did_not_recover(self):
        during, after = outages(sent([(5.0, 12.0)]), heal_s=10.0)
        assert (during.censored, during.end_s, during.length_s.is_open) == ("heal", None, True)
        assert during.length_s.least == pytest.approx(5.0)
        assert after.when == "after heal"
        assert edges(after.length_s) == pytest.approx((1.98, 2.001))

    def test_whether_it_was_back_counts_from_when_the_good_operation_was_sent(self):
        (whole,) = outages(sent([(5.0, 12.0)]), heal_s=12.0005)
        assert (whole.when, whole.censored) == ("fault", None)

    def test_what_may_have_begun_before_it_is_the_faults(self):
        assert [w.when for w in outages(sent([(5.0, 6.0)]), heal_s=4.99)] == ["fault", "after heal"]

    def test_the_end_of_what_follows_is_not_before_it(self):
        _, after = outages(sent([(5.0, 10.0)]), heal_s=9.99)
        assert edges(after.end_s) == pytest.approx((9.99, 10.001))

    def test_each_part_is_widened_at_its_own_edge(self):
        during, after = outages(sent([(5.0, 12.0)], suspect=[(5.0, 5.1), (11.9, 12.0)]), heal_s=10.0)
        assert (during.widened, after.widened) == (("onset",), ("end",))

    def test_what_begins_after_it_is_after_it(self):
        assert [w.when for w in outages(sent([(12.0, 14.0)]), heal_s=10.0)] == ["after heal"]

    def test_what_is_out_to_the_end_is_open_on_both_sides(self):
        during, after = outages(sent([(5.0, 99.0)]), heal_s=10.0)
        assert (during.censored, after.censored) == ("heal", "limit")
