"""Two campaigns compared. scipy knows the tests; the interval covers what it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from chaos.analysis import summary
from chaos.analysis.result import CampaignResult, Verdict
from chaos.cli import entry
from chaos.compare import compare, difference, fisher, trimmed
from chaos.errors import PASS, ScenarioError
from chaos.linux import machine
from tests.report.results import campaign, losses, path, trial

MACHINE = "EPYC, 2 cores"


def put(folder: Path, result: CampaignResult, **manifest: object) -> Path:
    folder.mkdir(parents=True)
    given = replace(result, name=folder.name, manifest={**result.manifest, "machine": MACHINE, **manifest})
    (folder / "summary.json").write_text(summary.to_json(given))
    return folder


def played(*back_s: float | None, passed: int = 0, after: int = 0, down_after: str = "5000") -> CampaignResult:
    trials = []
    for number, at in enumerate(back_s):
        one = path("service/new", at)
        given = replace(trial(number, 5, 5, paths={one.name: one}), losses=losses(after))
        settings = {"settings": {"sentinel": {"down-after-milliseconds": down_after}}}
        verdict = Verdict.PASS if number < passed else Verdict.FAIL
        trials.append(replace(given, verdict=verdict, covariates=settings))
    return campaign(*trials)


@pytest.mark.parametrize(("m", "n"), [(4, 4), (5, 9), (10, 10), (20, 20), (7, 30)])
def test_the_interval_is_cut_where_the_test_of_mann_and_whitney_says(m: int, n: int):
    """Fewer than so many of all pairs the other way round would be seen in at most 2.5 % of campaigns."""
    out = trimmed(m, n)

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


@pytest.mark.parametrize(("m", "n"), [(6, 6), (10, 20), (30, 30)])
def test_the_interval_covers_what_it_says(m: int, n: int):
    draw, covered, of = np.random.default_rng(m), 0, 3000
    for _ in range(of):
        found = difference("x", draw.normal(6, 0.5, m), draw.normal(6.3, 0.5, n))
        assert found.least_s is not None
        assert found.most_s is not None
        covered += found.least_s <= 0.3 <= found.most_s
    assert covered / of >= 0.94


def test_a_planted_second_is_found_and_without_one_it_is_said_by_chance_alone():
    """20 trials each of a failover of 6.5 s ± 0.5 s. By chance is in one of twenty, as a 95 % interval has it."""
    draw, of = np.random.default_rng(5), 2000
    for _ in range(10):
        sentence = difference("x", draw.normal(6.5, 0.5, 20), draw.normal(7.5, 0.5, 20)).sentence
        assert "later" in sentence
    alike = (difference("x", *draw.normal(6.5, 0.5, (2, 20))).sentence for _ in range(of))
    assert sum("no difference shown" not in sentence for sentence in alike) / of <= 0.06


def test_what_could_have_been_seen_is_seen_in_four_of_five():
    draw, seen, of = np.random.default_rng(6), 0, 600
    visible = np.median([difference("x", *draw.normal(6, 0.5, (2, 20))).visible_s or 0.0 for _ in range(100)])
    for _ in range(of):
        found = difference("x", draw.normal(6, 0.5, 20), draw.normal(6 + visible, 0.5, 20))
        seen += found.least_s is not None and found.least_s > 0
    assert 0.72 <= seen / of <= 0.88


def test_too_few_trials_have_no_interval():
    found = difference("kill-master", np.array([6.0, 6.1, 6.2]), np.array([7.0, 7.1, 7.2]))
    assert found.sentence == "kill-master: +1.00 s, and 3 and 3 trials are too few for an interval"


def test_a_comparison_says_times_pass_rates_losses_and_what_was_set_otherwise(tmp_path: Path, capsys):
    first = put(tmp_path / "a", played(*(6.0 + n / 10 for n in range(10)), passed=10))
    slow = played(*(8.0 + n / 10 for n in range(10)), passed=2, after=3, down_after="7000")
    second = put(tmp_path / "b", slow)
    assert entry(["compare", str(first), str(second)]) == PASS
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "setting sentinel.down-after-milliseconds: 5000, then 7000"
    assert said[1].startswith("kill-master lower, service/new: later, +2.00 s (+1.70 to +2.30) in 10 and 10 trials; ")
    assert (
        said[2]
        == "kill-master lower: 10 of 10 passed, then 2 of 10; rates so unlike come by chance in 0 % of such pairs"
    )
    assert said[-1] == "lost_after: 0, then 30 writes"


def test_what_was_never_back_is_the_longest(tmp_path: Path):
    from chaos.analysis.interval import Interval

    given = played(*[6.0] * 8)
    never = [replace(one, recovered_s=Interval(60.0)) for one in (given.trials[0].paths["service/new"],) * 8]
    out = tuple(replace(one, paths={"service/new": it}) for one, it in zip(given.trials, never, strict=True))
    said = compare(put(tmp_path / "a", given), put(tmp_path / "b", replace(given, trials=out)))
    assert any("+inf s" in sentence for sentence in said)


@pytest.mark.parametrize(
    ("changes", "manifest", "said"),
    [
        ({"scenario": "other"}, {}, "scenario redis-operator, and other"),
        ({"cluster": "local"}, {}, "cluster kind, and local"),
        ({}, {"machine": "Xeon, 64 cores"}, "machine EPYC, 2 cores, and Xeon, 64 cores"),
    ],
)
def test_unlike_campaigns_are_refused_unless_asked_for(tmp_path: Path, changes, manifest, said: str):
    first = put(tmp_path / "a", played(*[6.0] * 6))
    second = put(tmp_path / "b", replace(played(*[7.0] * 6), **changes), **manifest)
    with pytest.raises(ScenarioError, match=said):
        compare(first, second)
    assert compare(first, second, unlike=True)[0] == said


def test_a_machine_is_told_by_its_processor_and_its_cores():
    assert machine().endswith(" cores")
