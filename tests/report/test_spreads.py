"""Many trials as one curve a path: steps where trials were back, and a top that is reached only if all were."""

from dataclasses import replace

import pytest

from chaos.analysis.interval import Interval
from chaos.report.spreads import HEIGHT, curves, share_s
from chaos.report.words import breakable
from tests.report.results import campaign, path, trial


def many(*back_s: float | None):
    """Trials whose only path was back then; None: it never was."""
    trials = []
    for number, at in enumerate(back_s):
        one = path("service/new", 180.0 if at is None else at)
        one = replace(one, recovered_s=Interval(180.0)) if at is None else one
        trials.append(replace(trial(number, 51.9, 51.99), paths={one.name: one}))
    return campaign(*trials)


def test_a_few_trials_have_no_curve():
    assert curves(many(*[6.5] * 12)).groups == ()


def test_half_of_the_trials_are_half_of_the_height():
    [(title, [curve])] = curves(many(*[5.0] * 10, *[10.0] * 10)).groups
    assert title == "kill-master, 20 trials, the killed ordinal below its successor's"
    steps = curve.line.split("H")
    assert steps[0] == f"M0 {HEIGHT}"
    assert [step.partition("V")[2] for step in steps[1:]] == ["24.0", "0.0", ""]
    assert breakable(curve.text) == "half by 4.99 s, 95 % by 9.99 s, all by 9.99 s"


def test_what_was_never_back_keeps_the_curve_from_the_top_and_is_counted():
    [(_, [curve])] = curves(many(*[5.0] * 15, *[None] * 5)).groups
    assert curve.line.endswith("V12.0H100")
    assert breakable(curve.text).endswith("all by never")
    assert curve.row[-1] == "5"


def test_a_trial_without_an_outage_was_back_at_once():
    one = path("service/new", None)
    [(_, [curve])] = curves(campaign(*(replace(trial(n, 5, 5), paths={one.name: one}) for n in range(20)))).groups
    assert curve.line == f"M0 {HEIGHT}H0V0.0H100"


def test_trials_that_may_not_be_pooled_have_a_curve_each():
    result = many(*[5.0] * 20)
    [group] = result.groups
    halves = (replace(group, trials=tuple(range(5))), replace(group, trials=tuple(range(5, 20)), group="higher"))
    titles = [title for title, _ in curves(replace(result, groups=halves)).groups]
    assert [title.split(",")[1] for title in titles] == [" 5 trials", " 15 trials"]


@pytest.mark.parametrize(("share", "at"), [(0.1, 1), (0.5, 5), (0.9, 9), (0.95, 10), (1.0, 10)])
def test_a_share_of_the_trials_is_an_order_statistic(share: float, at: float):
    assert share_s([float(n) for n in range(1, 11)], share) == at
