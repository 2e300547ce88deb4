"""Figures over trials."""

import math
from dataclasses import replace

import pytest

from chaos.analysis.result import TrialResult, Verdict
from chaos.analysis.statistics import groups, median_interval, spread, strength, supported_share
from tests.analysis.conftest import Analysed
from tests.recordings import kill_master, no_fault


@pytest.mark.parametrize(
    ("passed", "n", "percent"), [(3, 3, 37), (10, 10, 74), (59, 59, 95), (299, 299, 99), (58, 59, 92)]
)
def test_passes_say_their_strength(passed: int, n: int, percent: int):
    assert f'{passed} of {n} supports "at least {percent} % of such failovers" at 95 %' == strength(passed, n)


@pytest.mark.parametrize(
    ("passed", "n", "share"), [(1, 1, 0.05), (3, 3, 0.36840), (5, 10, 0.22244), (290, 300, 0.94412)]
)
def test_the_supported_share_is_the_bound_of_clopper_and_pearson(passed: int, n: int, share: float):
    """As published tables have it: the 5 % quantile of Beta(passed, n - passed + 1)."""
    assert supported_share(passed, n) == pytest.approx(share, abs=1e-5)


def test_no_pass_has_no_strength():
    assert strength(0, 3) == "none of 3 passed"
    assert strength(0, 0) == "no trial was conclusive"


def test_few_values_do_not_bound_a_median():
    assert median_interval([]) == (None, None)
    assert median_interval([1.0, 2.0, 3.0]) == (None, None)
    assert median_interval([float(n) for n in range(1, 11)]) == (2.0, 9.0)


def test_a_censored_trial_is_the_longest_and_never_dropped():
    found = spread([1.1, math.inf, math.nan, 3.1])
    assert (found.n, found.censored, found.missing) == (3, 1, 1)
    assert (found.minimum, found.median) == pytest.approx((1.1, 3.1))
    assert found.maximum is None


def test_a_median_among_the_censored_has_no_value():
    assert spread([1.1, math.inf, math.inf]).median is None


def killed(trial: TrialResult, ordinal: int, verdict: Verdict = Verdict.FAIL) -> TrialResult:
    return replace(trial, group="lower" if ordinal < 1 else "higher", number=ordinal, verdict=verdict)


def test_lower_and_higher_ordinals_are_never_pooled(analysed: Analysed):
    """The successor is pod 1."""
    trial = analysed(kill_master())
    lower, higher = groups([killed(trial, 0), killed(trial, 2, Verdict.PASS), killed(trial, 0, Verdict.INCONCLUSIVE)])
    assert (lower.group, lower.trials, lower.failed, lower.inconclusive) == ("lower", (0, 0), 1, 1)
    assert (higher.group, higher.trials, higher.passed) == ("higher", (2,), 1)
    assert lower.figures["endpoint"].median == pytest.approx(51.785)
    assert lower.figures["service/new outage"].n == 2


def test_a_trial_in_which_nothing_failed_over_has_no_group(analysed: Analysed):
    (group,) = groups([analysed(no_fault())])
    assert (group.experiment, group.group) == ("no-fault", "")
    assert group.figures["detection"].missing == 1


def test_the_operators_room_names_the_group(analysed: Analysed):
    assert analysed(kill_master()).group == "lower"


def test_paths_that_never_worked_and_applications_have_no_figures(analysed: Analysed):
    (group,) = groups([analysed(kill_master())])
    assert not any(name.startswith(("given", "app")) for name in group.figures)
