"""How much later one sample is than another. scipy knows the tests; the interval covers what it says."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from chaos.analysis.claim import TAIL
from chaos.analysis.differences import difference, fisher, holm, signed, unpaired


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
