"""Intervals, and how one is held against a limit."""

import pytest

from chaos.analysis.interval import Interval, total


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (Interval(14.0, 15.0), "pass"),
        (Interval(14.9, 15.1), "undecided"),
        (Interval(15.0, 15.1), "undecided"),
        (Interval(15.1, 15.2), "fail"),
        (Interval(15.1), "fail"),
        (Interval(15.0), "fail"),
        (Interval(14.0), "undecided"),
    ],
)
def test_an_interval_is_held_against_a_limit(measured: Interval, said: str):
    assert measured.judged(15.0) == said


def test_an_open_one_is_quoted_by_its_least():
    assert (Interval(60.0).middle, Interval(60.0).is_open, Interval(1.0, 3.0).middle) == (60.0, True, 2.0)


def test_a_sum_with_an_open_one_is_open():
    assert total([Interval(1.0, 2.0), Interval(3.0, 4.0)]) == Interval(4.0, 6.0)
    assert total([Interval(1.0, 2.0), Interval(3.0)]) == Interval(4.0)


def test_one_is_clipped_to_another():
    outer = Interval(2.0, 5.0)
    assert Interval(1.0, 3.0).within(outer) == Interval(2.0, 3.0)
    assert Interval(4.0, 9.0).within(outer) == Interval(4.0, 5.0)
    assert Interval(7.0, 9.0).within(outer) == Interval(5.0, 5.0)


def test_two_overlap_only_with_time_in_common():
    assert Interval(1.0, 3.0).overlaps(Interval(2.0, 4.0))
    assert not Interval(1.0, 2.0).overlaps(Interval(2.0, 4.0))
