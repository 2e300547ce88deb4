"""The geometry of the phase bars."""

from dataclasses import replace

import pytest

from chaos.analysis.interval import Interval
from chaos.report.bars import LATER, UNATTRIBUTED, chart, limits_s, ticks
from tests.report.results import campaign, path, phases, target, trial, window


def with_path(changed):
    one = trial(0, 51.9, 51.99)
    return campaign(replace(one, paths={changed.name: changed}))


def only_bar(changed):
    [bar] = chart(with_path(changed)).bars
    return bar


def test_phases_fill_the_bar_without_holes():
    bar = chart(campaign()).bars[0]
    ends = [segment.x + segment.width for segment in bar.segments]
    assert [segment.x for segment in bar.segments][1:] == pytest.approx(ends[:-1], abs=0.1)
    assert bar.end == pytest.approx(ends[-1], abs=0.1)


def test_what_no_phase_explains_is_drawn_as_unattributed():
    bar = only_bar(path("service/new", 52.0, phases(("detection", 5.5, "sdown"))))
    assert [segment.name for segment in bar.segments] == ["detection", UNATTRIBUTED]
    assert "46.50" in bar.text_of(UNATTRIBUTED)


def test_a_window_without_an_end_is_drawn_as_far_as_it_was_watched_and_left_open():
    endless = window(0.0, end_s=None, censored="limit", length_s=Interval(180.0))
    bar = only_bar(path("service/new", 180.0, windows=(endless,)))
    assert bar.open_end
    assert bar.total.startswith(">")


def test_later_windows_are_drawn_and_not_added_to_the_first():
    later = window(60.5, onset_s=Interval(60.0, 60.02), length_s=Interval(0.46, 0.54))
    bar = only_bar(path("service/new", 52.0, windows=(window(52.0), later)))
    assert bar.segments[-1].name == LATER
    assert bar.total.startswith("51.99")


def test_a_window_that_is_told_in_both_kinds_is_drawn_once():
    seen = replace(window(40.0), kind="seen")
    bar = only_bar(path("service/new", 52.0, windows=(seen, window(52.0))))
    assert len(bar.segments) == 1


def test_the_longest_stay_when_there_are_too_many():
    drawn = chart(campaign(), most=2)
    assert [bar.total[:5] for bar in drawn.bars] == ["53.09", "53.19"]
    assert drawn.left_out == 10


def test_the_promised_limit_is_on_the_axis():
    [(place, text)] = chart(campaign()).limits
    assert 0 < place < 100
    assert text.startswith("15")


@pytest.mark.parametrize("axis_s", [0.9, 7.0, 55.0, 190.0, 4000.0])
def test_ticks_are_round_and_few(axis_s):
    assert 2 <= len(ticks(axis_s)) <= 10


def test_a_campaign_without_outages_has_no_bars():
    assert chart(with_path(path("service/new", None))).bars == ()


def test_the_limit_of_a_control_is_no_time():
    control = path("service/new", None, targets={"recovery": target(0, 0, gate=True)})
    assert limits_s([trial(0, 51.9, 51.99, paths={control.name: control})]) == []
