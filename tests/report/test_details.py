"""The rows of a trial's tables."""

from dataclasses import replace

from chaos.analysis.interval import Interval
from chaos.report.details import ways, window_rows
from tests.report.results import NEVER, never, path, trial, window


def rows(*windows):
    shown = path("service/new", 52.0, windows=windows)
    return window_rows(replace(trial(0, 51.9, 51.99), paths={"service/new": shown}))


def test_a_window_that_was_seen_and_is_durable_alike_is_told_once():
    assert [row[1] for row in rows(window(52.0), window(52.0, kind="seen"))] == ["seen and durable"]


def test_a_durable_window_that_is_longer_than_what_was_seen_is_told_beside_it():
    assert [row[1] for row in rows(window(62.0), window(52.0, kind="seen"))] == ["durable", "seen"]


def test_of_very_many_windows_the_first_are_told_and_the_rest_is_counted():
    many = [window(float(at_s), onset_s=Interval(at_s - 1.0, at_s - 0.9)) for at_s in range(2, 42)]
    told = rows(*many)
    assert len(told) == 13
    assert told[-1][1] == "28 more"


def test_the_ways_of_an_address_that_never_worked_are_one_row_with_the_operations_of_all():
    ways_of = {one.name: one for one in ways([never("given/new"), path("service/new", 52.0), never("given/kept")])}
    assert list(ways_of) == ["service/new", "given/new and given/kept"]
    assert ways_of["given/new and given/kept"].operations.sent == 1920
    assert ways_of["given/new and given/kept"].errors == {"NAME_NOT_FOUND": 1920}
    assert ways_of["given/new and given/kept"].state_why == NEVER
