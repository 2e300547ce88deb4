"""Windows, from operations written down as `time: good or bad`."""

from collections.abc import Sequence

import numpy as np
import pytest

from chaos.analysis.windows import Outage, Sent, judged, outages

PERIOD_S, TOOK_S, GAP_S = 0.02, 0.001, 1.0


Spells = Sequence[tuple[float, float]]


def sent(bad: Spells, suspect: Spells = (), length_s: float = 30.0, waited: Spells = ()) -> Sent:
    """A client that sends every 20 ms from 0 on; bad, suspect and waited where [from, to) says."""
    at = np.round(np.arange(0, length_s, PERIOD_S), 9)
    within = lambda spells: sum(((at >= start) & (at < end) for start, end in spells), np.zeros(len(at), bool)) > 0  # noqa: E731
    return Sent(sent_s=at, done_s=at + TOOK_S, bad=within(bad), suspect=within(suspect), waited=within(waited))


def one(found: list[Outage]) -> Outage:
    assert len(found) == 1
    return found[0]


def test_no_bad_operation_is_no_outage():
    assert outages(sent([]), GAP_S) == []


def test_edges_lie_between_the_good_and_the_bad():
    window = judged(one(outages(sent([(5.0, 12.0)]), GAP_S)), "seen", 3, None)[0]
    assert window.onset_s == pytest.approx((4.98, 5.0))
    assert window.end_s == pytest.approx((11.98, 12.001))
    assert window.length_s == pytest.approx((6.98, 7.021))
    assert window.client == 3


def test_a_single_bad_operation_may_have_been_no_time_at_all():
    window = judged(one(outages(sent([(5.0, 5.02)]), GAP_S)), "seen", 0, None)[0]
    assert window.length_s == pytest.approx((0.0, 0.041))


def test_a_good_spell_within_the_gap_does_not_end_an_outage():
    assert one(outages(sent([(5.0, 6.0), (6.9, 8.0)]), GAP_S)).first_good_s == pytest.approx(8.0)


def test_a_good_spell_longer_than_the_gap_does():
    first, second = outages(sent([(5.0, 6.0), (7.1, 8.0)]), GAP_S)
    assert (first.first_good_s, second.first_good_s) == pytest.approx((6.0, 8.0))


def test_what_never_came_back_is_censored_and_not_dropped():
    window = judged(one(outages(sent([(5.0, 99.0)]), GAP_S)), "seen", 0, None)[0]
    assert (window.end_s, window.censored) == (None, "limit")
    assert window.length_s[0] == pytest.approx(24.98)
    assert window.length_s[1] is None


def test_a_good_operation_that_nobody_watched_after_is_no_end():
    assert one(outages(sent([(5.0, 29.5)]), GAP_S)).end_s is None


def test_bad_from_the_first_operation_on_has_no_good_one_before_it():
    assert one(outages(sent([(0.0, 3.0)]), GAP_S)).last_good_s == 0.0


def test_an_outage_of_our_own_stall_is_none():
    assert outages(sent([(5.0, 5.1)], suspect=[(5.0, 5.1)]), GAP_S) == []


def test_an_outage_of_waits_alone_is_none_and_one_that_is_more_touches_no_edge():
    assert outages(sent([(5.0, 5.1)], waited=[(5.0, 5.1)]), GAP_S) == []
    assert outages(sent([(5.0, 5.1)], suspect=[(5.0, 5.04)], waited=[(5.04, 5.1)]), GAP_S) == []
    assert one(outages(sent([(5.0, 5.2)], waited=[(5.0, 5.1)]), GAP_S)).suspect == ()


@pytest.mark.parametrize(("stall", "edge"), [((5.0, 5.1), "onset"), ((11.9, 12.0), "end")])
def test_a_stall_at_an_edge_is_said(stall: tuple[float, float], edge: str):
    assert edge in one(outages(sent([(5.0, 12.0)], suspect=[stall]), GAP_S)).suspect


def test_a_stall_in_the_middle_changes_nothing():
    assert one(outages(sent([(5.0, 12.0)], suspect=[(7.0, 8.0)]), GAP_S)).suspect == ()


def test_operations_are_taken_in_the_order_of_sending():
    """A late one is decided after those that were sent after it."""
    shuffled = sent([(5.0, 12.0)])
    order = np.random.default_rng(1).permutation(len(shuffled.sent_s))
    mixed = Sent(
        sent_s=shuffled.sent_s[order],
        done_s=shuffled.done_s[order],
        bad=shuffled.bad[order],
        suspect=shuffled.suspect[order],
        waited=shuffled.waited[order],
    )
    assert outages(mixed, GAP_S) == outages(shuffled, GAP_S)


class TestAHealedFault:
    """It is judged up to the healing; what follows is a window of its own, added to nothing."""

    def test_what_was_back_before_is_whole(self):
        windows = judged(one(outages(sent([(5.0, 8.0)]), GAP_S)), "durable", 0, heal_s=10.0)
        assert [(w.censored, w.after_heal) for w in windows] == [(None, False)]

    def test_what_was_not_did_not_recover(self):
        during, after = judged(one(outages(sent([(5.0, 12.0)]), GAP_S)), "durable", 0, heal_s=10.0)
        assert (during.censored, during.end_s, during.length_s[1]) == ("heal", None, None)
        assert during.length_s[0] == pytest.approx(5.0)
        assert after.after_heal
        assert after.length_s == pytest.approx((1.98, 2.001))

    def test_what_begins_after_it_is_after_it(self):
        windows = judged(one(outages(sent([(12.0, 14.0)]), GAP_S)), "durable", 0, heal_s=10.0)
        assert [w.after_heal for w in windows] == [True]
