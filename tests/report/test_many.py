"""Many trials: which is shown in full, which they are in few characters, and when each path was back."""

from dataclasses import replace

import pytest

from chaos.analysis.interval import Interval
from chaos.analysis.statistics import needed
from chaos.analysis.wording import breakable, numbers
from chaos.report.many import NEEDED, PathSpread, some, spreads, unvisited, worst_first
from tests.report.results import campaign, path, trial, window


@pytest.mark.parametrize(
    ("given", "text"), [([], ""), ([0, 1], "0, 1"), ([0, 1, 2], "0–2"), ([9, 3, 4, 5, 1], "1, 3–5, 9")]
)
def test_three_in_a_row_are_said_by_the_first_and_the_last(given: list[int], text: str):
    assert numbers(given) == text


def test_what_would_be_long_is_counted():
    assert some(list(range(0, 99, 2))) == "50 trials"
    assert some(list(range(99))) == "0–98"


def test_an_outage_without_an_end_is_longer_than_one_that_came_again_later():
    later = path("service/new", 55.0, outage_s=Interval(54.9, 55.0))
    again = replace(
        later, windows=(*later.windows, window(94.0, onset_s=Interval(93.0, 93.1), length_s=Interval(1.0, 1.1)))
    )
    never = path("service/kept", 90.0, outage_s=Interval(90.0), recovered_s=Interval(90.0))
    trials = [trial(n, 51.9, 51.99, paths={one.name: one}) for n, one in enumerate((again, never))]
    assert [one.number for one in worst_first(campaign(*trials))] == [1, 0]


def many(*back_s: float | None):
    """Trials whose only path was back then; None: it never was."""
    trials = []
    for number, at in enumerate(back_s):
        one = path("service/new", 180.0 if at is None else at)
        one = replace(one, recovered_s=Interval(180.0)) if at is None else one
        trials.append(replace(trial(number, 51.9, 51.99), paths={one.name: one}))
    return campaign(*trials)


def test_a_few_trials_have_no_curve():
    assert spreads(many(*[6.5] * 12)) == {}


def test_half_of_the_trials_are_told_by_when_they_were_back():
    [(title, [spread])] = spreads(many(*[5.0] * 30, *[10.0] * 30)).items()
    assert title == "kill-master, 60 trials, the killed ordinal below its successor's"
    assert breakable(spread.text) == "half by 4.99 s, 95 % by 9.99 s, all by 9.99 s"


def test_a_share_that_so_few_trials_cannot_bear_says_how_many_it_needs():
    assert {share: needed(share) for share in NEEDED} == NEEDED
    few, enough = (PathSpread("service/new", (6.5,) * n) for n in (58, 59))
    assert breakable(few.text) == "half by 6.50 s, 95 % needs n ≥ 59, all by 6.50 s"
    assert breakable(enough.text) == "half by 6.50 s, 95 % by 6.50 s, all by 6.50 s"
    assert [breakable(cell) for cell in few.row[2:7]] == ["6.50 s"] * 4 + ["needs n ≥ 59"]


def test_what_was_never_back_is_counted():
    [[spread]] = spreads(many(*[5.0] * 15, *[None] * 5)).values()
    assert breakable(spread.text).endswith("all by never")
    assert spread.row[-1] == "5"


def test_a_trial_without_an_outage_was_back_at_once():
    one = path("service/new", None)
    [[spread]] = spreads(campaign(*(replace(trial(n, 5, 5), paths={one.name: one}) for n in range(20)))).values()
    assert spread.back_s == (0.0,) * 20


def test_trials_that_may_not_be_pooled_have_a_curve_each():
    result = many(*[5.0] * 20)
    [group] = result.groups
    halves = (replace(group, trials=tuple(range(5))), replace(group, trials=tuple(range(5, 20)), group="higher"))
    titles = list(spreads(replace(result, groups=halves)))
    assert [title.split(",")[1] for title in titles] == [" 5 trials", " 15 trials"]


@pytest.mark.parametrize(("share", "at"), [(0.1, 1), (0.5, 5), (0.9, 9), (0.95, 10), (1.0, 10)])
def test_a_share_of_the_trials_is_an_order_statistic(share: float, at: float):
    assert PathSpread("service/new", tuple(float(n) for n in range(1, 11))).by_s(share) == at


def visited(*cells: tuple[float | None, str, str]):
    """Trials by when since the last resync, of 30 s, which order of names, and which Sentinel led."""
    trials = []
    for number, (since_s, order, leader) in enumerate(cells):
        one = trial(number, 51.9, 51.99)
        led = replace(one.failovers[0], leader=leader, per_sentinel={})
        covariates = {"since_resync_s": since_s, "period_s": 30.0}
        trials.append(replace(one, group=order, failovers=(led,), covariates=covariates))
    return campaign(*trials)


def test_cells_that_no_trial_has_visited_are_named():
    every = [(at, order, who) for at in (1.0, 12.0, 29.0) for order in ("lower", "higher") for who in ("a", "b")]
    assert unvisited(visited(*every)) == []
    [sentence] = unvisited(visited(*every[:-1]))
    about = "time in the operator's period × order of names × leader"
    assert sentence == f"kill-master: 1 of 12 cells ({about}) were never visited: late in it higher b."


def test_many_cells_are_counted():
    [sentence] = unvisited(visited((1.0, "lower", "a"), (29.0, "lower", "b")))
    assert sentence.startswith("kill-master: 10 of 12 cells")
    assert sentence.endswith("; and 4 more.")


def test_what_does_not_differ_or_is_not_known_is_no_part_of_a_cell():
    assert unvisited(visited((None, "", "a"), (None, "", "b"))) == []
    assert unvisited(visited((None, "", "a"), (None, "", "a"))) == []
