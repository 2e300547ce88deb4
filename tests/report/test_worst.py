"""Which trial is shown in full."""

from dataclasses import replace

from chaos.analysis.interval import Interval
from chaos.report.worst import worst_first
from tests.report.results import campaign, path, trial, window


def test_an_outage_without_an_end_is_longer_than_one_that_came_again_later():
    later = path("service/new", 55.0, outage_s=Interval(54.9, 55.0))
    again = replace(
        later, windows=(*later.windows, window(94.0, onset_s=Interval(93.0, 93.1), length_s=Interval(1.0, 1.1)))
    )
    never = path("service/kept", 90.0, outage_s=Interval(90.0), recovered_s=Interval(90.0))
    trials = [trial(n, 51.9, 51.99, paths={one.name: one}) for n, one in enumerate((again, never))]
    assert [one.number for one in worst_first(campaign(*trials))] == [1, 0]
