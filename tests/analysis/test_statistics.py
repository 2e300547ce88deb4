"""Figures over trials. scipy is asked for what it knows better; every interval covers what it says."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from chaos.analysis.claim import TAIL, at_most, share_interval, supported_share
from chaos.analysis.result import Spread, TrialResult, Verdict
from chaos.analysis.statistics import (
    QUANTILES,
    difference,
    fisher,
    groups,
    holm,
    kaplan_meier,
    limits,
    needed,
    quantile,
    quantile_interval,
    ranks,
    signed,
    spread,
    strength,
    unpaired,
)
from tests.analysis.conftest import Analysed
from tests.recordings import kill_master, no_fault

NONE = np.zeros(0)
COVERS = 0.94
"""What every 95 % interval has to cover at least in a simulation of so many campaigns."""


def told(seen: list[float], censored: list[float] | None = None, missing: int = 0) -> Spread:
    rows = [{"least_s": value, "middle_s": value, "censored": False} for value in seen]
    rows += [{"least_s": value, "middle_s": math.inf, "censored": True} for value in censored or ()]
    rows += [{"least_s": math.nan, "middle_s": math.nan, "censored": False}] * missing
    return spread(pd.DataFrame(rows, columns=["least_s", "middle_s", "censored"]))


def failovers(draw: np.random.Generator, size: int | tuple[int, int]) -> np.ndarray:
    """Seconds until service was back: 6 ± 0.4, and one in 20 takes 5 to 11 s more."""
    slow: np.ndarray = draw.random(size) < 0.05
    return np.asarray(draw.normal(6, 0.4, size) + slow * draw.uniform(5, 11, size))


class TestShares:
    @pytest.mark.parametrize(
        ("passed", "n", "percent"), [(3, 3, 37), (10, 10, 74), (59, 59, 95), (299, 299, 99), (58, 59, 92)]
    )
    def test_passes_say_their_strength(self, passed: int, n: int, percent: int):
        assert f'{passed} of {n} supports "at least {percent} % of such failovers" at 95 %' == strength(passed, n)

    def test_no_pass_says_how_many_may_pass_at_most(self):
        assert strength(0, 3) == 'none of 3 passed, which supports "at most 63 % of such failovers" at 95 %'
        assert strength(0, 0) == "no trial was conclusive"

    @pytest.mark.parametrize("n", [1, 3, 10, 59, 299, 2000])
    @pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 0.99])
    def test_the_chance_of_at_most_so_many_is_scipys(self, n: int, share: float):
        for k in {0, n // 2, int(n * share), n - 1, n}:
            assert at_most(k, n, share) == pytest.approx(stats.binom.cdf(k, n, share), abs=1e-9)

    @pytest.mark.parametrize(("passed", "n"), [(0, 5), (1, 1), (3, 3), (5, 10), (58, 59), (290, 300)])
    def test_intervals_of_shares_are_those_of_clopper_and_pearson(self, passed: int, n: int):
        exact = stats.binomtest(passed, n).proportion_ci(0.95, method="exact")
        assert share_interval(passed, n) == pytest.approx((exact.low, exact.high), abs=1e-6)
        bound = stats.binomtest(passed, n, alternative="greater").proportion_ci(0.95, method="exact")
        assert supported_share(passed, n) == pytest.approx(bound.low, abs=1e-6)

    @pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.97])
    @pytest.mark.parametrize("n", [3, 10, 59])
    def test_they_cover_what_they_say(self, share: float, n: int):
        drawn = np.random.default_rng(1).binomial(n, share, 4000)
        found = {int(k): share_interval(int(k), n) for k in np.unique(drawn)}
        assert np.mean([found[k][0] <= share <= found[k][1] for k in drawn.tolist()]) >= COVERS
        assert np.mean([supported_share(k, n) <= share for k in drawn.tolist()]) >= COVERS


class TestOrderStatistics:
    def test_few_values_do_not_bound_a_median(self):
        assert told([]).interval == (None, None)
        assert told([1.0, 2.0, 3.0]).interval == (None, None)
        assert told([float(n) for n in range(1, 11)]).interval == (2.0, 9.0)

    @pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
    def test_ranks_are_scipys(self, share: float):
        for n in (1, 5, 10, 30, 59, 100, 299):
            low, high = stats.binom.ppf(0.025, n, share), stats.binom.ppf(0.975, n, share) + 1
            assert ranks(n, share) == (int(low), int(high))

    def test_a_quantile_that_so_few_cannot_bear_says_how_many_it_needs(self):
        assert {name: needed(share) for name, share in QUANTILES.items()} == {"p95": 59, "p99": 299}
        few, enough = (told([float(value) for value in range(n)]).quantiles["p95"] for n in (58, 59))
        assert (few.needs, few.value, few.most) == (59, None, None)
        assert (enough.value, enough.most) == (56.0, 58.0)

    @pytest.mark.parametrize("n", [6, 10, 29, 30, 59, 100, 299])
    def test_what_is_printed_covers_what_it_says(self, n: int):
        """A law like that of failovers, with a slow tail of 5 %; its quantiles are those of a million draws."""
        every = failovers(np.random.default_rng(0), 10**6)
        campaigns = failovers(np.random.default_rng(n), (10_000, n))
        campaigns.sort(axis=1)
        for share in (0.5, *QUANTILES.values()):
            true = np.quantile(every, share)
            low, high = ranks(n, share)
            least = campaigns[:, low - 1] if low >= 1 else -np.inf
            most = campaigns[:, high - 1] if high <= n else np.inf
            assert np.mean((least <= true) & (true <= most)) >= COVERS
            if share != 0.5 and n >= needed(share):
                _, high = ranks(n, share, 0.0, 0.05)
                assert np.mean(true <= campaigns[:, high - 1]) >= COVERS


class TestCensored:
    def test_a_censored_trial_is_the_longest_and_never_dropped(self):
        found = told([1.1, 3.1], [4.0], missing=1)
        assert (found.n, found.censored, found.missing) == (3, 1, 1)
        assert (found.minimum, found.median) == pytest.approx((1.1, 3.1))
        assert found.maximum is None

    def test_a_median_among_the_censored_has_no_value(self):
        assert told([1.1], [2.0, 2.0]).median is None

    def test_the_share_that_is_still_out_is_scipys(self):
        draw = np.random.default_rng(3)
        for _ in range(20):
            seen, censored = draw.integers(1, 15, 12).astype(float), draw.integers(1, 15, 5).astype(float)
            exact = stats.ecdf(stats.CensoredData(uncensored=seen, right=censored)).sf
            times, out = kaplan_meier(seen, censored)
            assert out == pytest.approx(exact.evaluate(times))

    def test_without_early_ones_beta_products_are_the_order_statistics(self):
        for n in (6, 10, 31):
            seen = np.arange(1.0, n + 1)
            times, least, most = limits(seen, NONE, 0.025, 0.025)
            low, high = ranks(n, 0.5)
            assert (times[least <= 0.5][0], times[most <= 0.5][0]) == (low, high)

    def test_what_was_watched_for_shorter_than_others_took_may_be_anything_later(self):
        """Ten trials: six are over at 1 to 6, and four were given up on at 0.5, before anything was over."""
        seen, early, late = np.arange(1.0, 7.0), np.full(4, 0.5), np.full(4, 10.0)
        assert quantile(seen, early, 0.5) == 3.0
        assert quantile(seen, late, 0.5) == 5.0
        assert quantile_interval(seen, early, 0.5) == (1.0, 6.0)
        assert quantile_interval(seen, late, 0.5) == (2.0, None)

    @pytest.mark.slow
    @pytest.mark.parametrize("n", [10, 25])
    def test_intervals_among_early_ones_cover_what_they_say(self, n: int):
        """A median of ln 2 × 10 s, while watching ends anywhere between 2 and 40 s."""
        draw, covered, of, true = np.random.default_rng(n), 0, 400, 10 * math.log(2)
        for _ in range(of):
            takes, watched = draw.exponential(10, n), draw.uniform(2, 40, n)
            over = takes <= watched
            low, high = quantile_interval(takes[over], watched[~over], 0.5)
            covered += (low is None or low <= true) and (high is None or true <= high)
        assert covered / of >= COVERS


def killed(trial: TrialResult, ordinal: int, verdict: Verdict = Verdict.FAIL) -> TrialResult:
    return replace(trial, group="lower" if ordinal < 1 else "higher", number=ordinal, verdict=verdict)


class TestGroups:
    def test_lower_and_higher_ordinals_are_never_pooled(self, analysed: Analysed):
        """The successor is pod 1."""
        trial = analysed(kill_master())
        passed, unknown = killed(trial, 2, Verdict.PASS), killed(trial, 0, Verdict.INCONCLUSIVE)
        lower, higher = groups([killed(trial, 0), passed, unknown])
        assert (lower.group, lower.trials, lower.failed, lower.inconclusive) == ("lower", (0, 0), 1, 1)
        assert (higher.group, higher.trials, higher.passed) == ("higher", (2,), 1)
        assert higher.share == pytest.approx((0.025, 1.0))
        assert lower.figures["endpoint"].median == pytest.approx(51.785)
        assert lower.figures["service/new outage"].n == 2

    def test_phases_are_figures_of_their_path(self, analysed: Analysed):
        trial = analysed(kill_master())
        (group,) = groups([trial])
        [endpoint] = [one for one in trial.paths["service/new"].windows[0].phases if one.name == "endpoint"]
        assert group.figures["service/new: endpoint"].median == pytest.approx(endpoint.seconds)

    def test_a_trial_in_which_nothing_failed_over_has_no_group(self, analysed: Analysed):
        (group,) = groups([analysed(no_fault())])
        assert (group.experiment, group.group) == ("no-fault", "")
        assert group.figures["detection"].missing == 1

    def test_the_operators_room_names_the_group(self, analysed: Analysed):
        assert analysed(kill_master()).group == "lower"

    def test_paths_that_never_worked_and_applications_have_no_figures(self, analysed: Analysed):
        (group,) = groups([analysed(kill_master())])
        assert not any(name.startswith(("given", "app")) for name in group.figures)


# How much later one sample is than another.


@pytest.mark.parametrize(("m", "n"), [(4, 4), (5, 9), (10, 10), (20, 20), (7, 30)])
def test_the_interval_is_cut_where_the_test_of_mann_and_whitney_says(m: int, n: int):
    """Fewer than so many of all pairs the other way round would be seen in at most 2.5 % of campaigns."""
    out = int(np.searchsorted(unpaired(m, n), TAIL, side="right"))

    def chance(u: int) -> float:
        return float(stats.mannwhitneyu(*_with_u(u, m, n), alternative="less", method="exact").pvalue)

    if out:
        assert chance(out - 1) <= 0.025 < chance(out)
    else:
        assert chance(0) > 0.025


def _with_u(u: int, m: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two samples without ties of which exactly `u` pairs are the other way round."""
    second = np.arange(n, dtype=float)
    whole, rest = divmod(u, n)
    first = [-1.0 - i for i in range(m - whole - (rest > 0))]
    first += [rest - 0.5] * (rest > 0) + [n + 1.0 + i for i in range(whole)]
    return np.array(first), second


@pytest.mark.parametrize(
    ("first", "second"), [((18, 20), (12, 20)), ((0, 5), (5, 5)), ((3, 3), (3, 3)), ((58, 59), (50, 59))]
)
def test_pass_rates_are_held_against_each_other_by_fishers_exact_test(first: tuple[int, int], second: tuple[int, int]):
    table = [[passed, n - passed] for passed, n in (first, second)]
    assert fisher(first, second) == pytest.approx(stats.fisher_exact(table).pvalue)


@pytest.mark.parametrize("n", [6, 10, 20])
def test_pairs_are_cut_where_the_test_of_wilcoxon_says(n: int):
    draw = np.random.default_rng(n)
    for _ in range(20):
        first, second = draw.normal(6, 0.5, (2, n))
        second = second + draw.choice([0.0, 0.4])
        expected = stats.wilcoxon(second - first, method="exact").pvalue
        assert difference(("x",), first, second, paired=True).chance == pytest.approx(expected)
    assert signed(n)[-1] == pytest.approx(1.0)


@pytest.mark.parametrize(("m", "n"), [(5, 9), (10, 10), (20, 12)])
def test_the_chance_of_what_are_no_pairs_is_that_of_mann_and_whitney(m: int, n: int):
    draw = np.random.default_rng(m)
    for _ in range(20):
        first, second = draw.normal(6, 0.5, m), draw.normal(6.2, 0.5, n)
        expected = stats.mannwhitneyu(first, second, method="exact").pvalue
        assert difference(("x",), first, second).chance == pytest.approx(expected)


@pytest.mark.parametrize("n", [6, 10, 20])
def test_the_interval_of_pairs_covers_what_it_says(n: int):
    """Skewed as failovers are, and alike in a pair, since both wait for the same time before the fault."""
    draw, covered, of = np.random.default_rng(n), 0, 3000
    for _ in range(of):
        seed = draw.uniform(0, 1, n)
        first, second = (6 + seed + draw.exponential(0.3, n) for _ in range(2))
        found = difference(("x",), first, second + 0.3, paired=True)
        assert found.least_s is not None
        assert found.most_s is not None
        covered += found.least_s <= 0.3 <= found.most_s
    assert covered / of >= 0.94


def test_of_ten_campaigns_with_a_planted_second_all_find_it_and_of_twenty_without_at_most_one_says_so():
    """20 pairs over four paths, as `failover ab` plays them. Whatever the number of paths, Holm's rule holds."""
    draw = np.random.default_rng(8)

    def said(later_s: float) -> bool:
        law = 6 + draw.uniform(0, 1, (2, 1, 20)) + draw.exponential(0.3, (2, 4, 20))
        pairs = [difference(("x",), law[0][path], law[1][path] + later_s, paired=True) for path in range(4)]
        return any(one.shown for one in holm(pairs))

    assert all(said(1.0) for _ in range(100))
    assert sum(said(0.0) for _ in range(600)) / 600 <= 0.05


def test_what_is_said_of_many_is_held_to_more():
    one, others = np.arange(8.0), [np.random.default_rng(n).normal(0, 1, (2, 8)) for n in range(3)]
    alone = difference(("x",), one, one + 9)
    assert [each.shown for each in holm([alone])] == [True]
    every = holm([replace(alone, chance=0.04), *(replace(difference(("y",), *each), chance=0.5) for each in others)])
    assert [each.shown for each in every] == [False] * 4
    assert [each.shown for each in holm([replace(alone, chance=0.012), replace(alone, chance=0.03)])] == [True, True]


@pytest.mark.parametrize(("m", "n"), [(6, 6), (10, 20), (30, 30)])
def test_the_interval_covers_what_it_says(m: int, n: int):
    draw, covered, of = np.random.default_rng(m), 0, 3000
    for _ in range(of):
        found = difference(("x",), draw.normal(6, 0.5, m), draw.normal(6.3, 0.5, n))
        assert found.least_s is not None
        assert found.most_s is not None
        covered += found.least_s <= 0.3 <= found.most_s
    assert covered / of >= 0.94


def test_a_planted_second_is_found_and_without_one_it_is_said_by_chance_alone():
    """20 trials each of a failover of 6.5 s ± 0.5 s. By chance is in one of twenty, as a 95 % interval has it."""
    draw, of = np.random.default_rng(5), 2000
    for _ in range(10):
        assert difference(("x",), draw.normal(6.5, 0.5, 20), draw.normal(7.5, 0.5, 20)).word == "later"
    alike = (difference(("x",), *draw.normal(6.5, 0.5, (2, 20))) for _ in range(of))
    assert sum(one.shown for one in alike) / of <= 0.06


def test_what_could_have_been_seen_is_seen_in_four_of_five():
    draw, seen, of = np.random.default_rng(6), 0, 600
    visible = np.median([difference(("x",), *draw.normal(6, 0.5, (2, 20))).visible_s or 0.0 for _ in range(100)])
    for _ in range(of):
        found = difference(("x",), draw.normal(6, 0.5, 20), draw.normal(6 + visible, 0.5, 20))
        seen += found.least_s is not None and found.least_s > 0
    assert 0.72 <= seen / of <= 0.88


def test_too_few_trials_have_no_interval():
    found = difference(("kill-master",), np.array([6.0, 6.1, 6.2]), np.array([7.0, 7.1, 7.2]))
    assert found.cells == ("+1.00 s", "needs more trials", "too few trials", "none of any size", "3 and 3 trials")


def test_of_many_that_are_looked_for_more_has_to_be_there_to_be_seen():
    first, second = np.random.default_rng(4).normal(6, 0.5, (2, 20))
    alone, of_many = (difference(("x",), first, second, paired=True, of=of).visible_s for of in (1, 8))
    assert alone is not None
    assert of_many is not None
    assert alone < of_many
    assert difference(("x",), first[:6], second[:6], paired=True, of=8).visible_s is None
    far = holm([replace(difference(("x",), first[:6], second[:6] + 9, paired=True), chance=0.03, of=2)] * 2)
    assert [one.word for one in far] == ["perhaps later"] * 2


@pytest.mark.parametrize("paired", [False, True])
def test_how_much_later_one_time_without_an_end_is_than_another_is_not_known(paired: bool):
    """Two systems of which neither came back are not equal: the interval is open, and nothing could be seen."""
    never = np.full(20, np.inf)
    found = difference(("x",), never, never, paired=paired)
    assert (found.least_s, found.most_s) == (-np.inf, np.inf)
    assert found.cells[:4] == ("not known", "-inf to +inf s", "none shown", "none of any size")


def test_two_times_without_an_end_make_the_interval_wider_and_not_narrower():
    """Of ten trials each, two were never back: their four differences may lie anywhere."""
    first = np.array([*np.linspace(6.0, 6.9, 8), np.inf, np.inf])
    found, calm = difference(("x",), first, first + 0.5), difference(("x",), first[:8], first[:8] + 0.5)
    assert found.least_s is not None and found.most_s is not None  # noqa: PT018
    assert calm.least_s is not None and calm.most_s is not None  # noqa: PT018
    assert found.most_s - found.least_s > calm.most_s - calm.least_s
    assert found.by_s == pytest.approx(0.5, abs=0.2)
