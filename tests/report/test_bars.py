"""The geometry of the phase bars."""

from dataclasses import replace

import pytest

from chaos.analysis.interval import Interval
from chaos.analysis.statistics import groups
from chaos.report.bars import LATER, UNATTRIBUTED, chart, limits_s, phase_rows, strips, ticks
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


def test_of_many_trials_each_path_is_a_strip_of_its_trials_the_shortest_first():
    trials = tuple(trial(n, 60.0 - n, 60.09 - n) for n in range(20))
    [(title, found)] = strips(campaign(*trials)).items()
    assert title == "kill-master, 20 trials, the killed ordinal below its successor's"
    service = next(strip for strip in found if strip.path == "service/new")
    assert list(service.totals) == sorted(service.totals)
    assert service.totals[-1] == pytest.approx(60.09, abs=0.1)
    assert list(service.phases)[:2] == ["detection", "quorum"]
    assert {len(seconds) for seconds in service.phases.values()} == {20}


def test_of_more_trials_than_a_strip_has_columns_the_longest_is_always_drawn():
    trials = tuple(trial(n, 10.0 + n / 10, 10.1 + n / 10) for n in range(150))
    [found] = strips(campaign(*trials)).values()
    service = next(strip for strip in found if strip.path == "service/new")
    assert len(service.totals) == 50
    assert service.totals[-1] == pytest.approx(10.1 + 149 / 10, abs=0.1)


def test_a_few_trials_have_no_strips():
    assert strips(campaign()) == {}


def test_each_phase_has_its_median_with_its_interval():
    trials = tuple(trial(n, 50.0 + n, 50.1 + n) for n in range(9))
    [group] = groups(trials)
    row = next(row for row in phase_rows(group) if row[:2] == ("service/new", "endpoint"))
    assert (row[2], row[3]) == ("9", "48.09")
    assert row[4] == "45.09 to 51.09"
