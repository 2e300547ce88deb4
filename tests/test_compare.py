"""Two campaigns compared, and two variants of one: what is said of times, passes, losses and settings."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.analysis import summary
from chaos.analysis.result import CampaignResult, Doubt, Verdict
from chaos.cli import entry
from chaos.compare import compare, compare_variants
from chaos.errors import PASS, ScenarioError
from chaos.linux import machine
from tests.report.results import campaign, losses, path, target, trial

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


def test_a_comparison_says_times_pass_rates_losses_and_what_was_set_otherwise(tmp_path: Path, capsys):
    first = put(tmp_path / "a", played(*(6.0 + n / 10 for n in range(10)), passed=10))
    slow = played(*(8.0 + n / 10 for n in range(10)), passed=2, after=3, down_after="7000")
    second = put(tmp_path / "b", slow)
    assert entry(["compare", str(first), str(second)]) == PASS
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "setting sentinel.down-after-milliseconds: 5000, then 7000"
    row = next(one for one in said if one.startswith("kill-master lower, service/new "))
    assert re.search(r" \+2\.00 s +\+1\.70 to \+2\.30 s +later +[0-9.]+ s +10 and 10 trials$", row)
    assert (
        said[-4]
        == "kill-master lower: 10 of 10 passed, then 2 of 10; rates so unlike come by chance in 0 % of such pairs"
    )
    assert said[-1] == "kill-master lower: lost_after 0 of 21140, then 30 of 21140 acknowledged writes"


def test_a_campaign_is_not_compared_with_itself(tmp_path: Path):
    """Otherwise it would be said of every path that there is no difference."""
    first = put(tmp_path / "a", played(*[6.0] * 6))
    with pytest.raises(ScenarioError, match="are the same campaign"):
        compare(first, first / ".." / "a")
    copied = tmp_path / "copy"
    copied.mkdir()
    (copied / "summary.json").write_bytes((first / "summary.json").read_bytes())
    with pytest.raises(ScenarioError, match="are the same campaign"):
        compare(first, copied)


def test_what_only_one_of_the_two_has_is_said(tmp_path: Path):
    given = played(*[6.0] * 8)
    deleted = replace(given.trials[0], number=8, experiment="delete-master", group="", losses=losses(7))
    paths = {one.name: one for one in (path("service/new", 6, state="unreliable"), path("sentinel/new", 6))}
    gone = tuple(replace(one, paths=paths) for one in given.trials)
    first, second = put(tmp_path / "a", given), put(tmp_path / "b", replace(given, trials=(*gone, deleted)))
    said = compare(first, second)
    assert "delete-master: it has 1 trial of the second only, and is not compared" in said
    assert "kill-master lower, service/new: it worked in 8 trials of the first only, and is not compared" in said
    assert "kill-master lower, sentinel/new: it worked in 8 trials of the second only, and is not compared" in said
    assert said[-1] == "kill-master lower: lost_after 0 of 16912, then 0 of 16912 acknowledged writes"


def test_losses_that_are_undecided_are_not_told_as_none(tmp_path: Path):
    given = played(*[6.0] * 8)
    unknown = replace(losses(0), before=None, tail=None, after=None, undecided="keys were evicted")
    other = replace(given, trials=(replace(given.trials[0], losses=unknown), *given.trials[1:]))
    said = compare(put(tmp_path / "a", given), put(tmp_path / "b", other))
    assert said[-1].endswith("lost_after 0 of 16912, then 0 of 14798 (undecided in 1 trial) acknowledged writes")


def test_limits_that_differ_are_said_before_the_pass_rates(tmp_path: Path):
    given = played(*[6.0] * 8)
    looser = {"recovery": target(60, 6, gate=True), "downtime": target(15, 6)}
    trials = (replace(one, paths={"service/new": path("service/new", 6.0, targets=looser)}) for one in given.trials)
    said = compare(put(tmp_path / "a", given), put(tmp_path / "b", replace(given, trials=tuple(trials))))
    assert said[0] == "promised, recovered in s: 15, then 60"


def test_no_conclusive_trial_is_no_equal_pass_rate(tmp_path: Path):
    given = played(*[6.0] * 4)
    other = replace(given, trials=tuple(replace(one, verdict=Verdict.INCONCLUSIVE) for one in given.trials))
    said = compare(put(tmp_path / "a", given), put(tmp_path / "b", other))
    assert said[-4] == "kill-master lower: 0 of 4 passed, then 0 of 0 (0 and 4 inconclusive); too few to compare"


def test_a_trial_that_is_not_there_is_said(tmp_path: Path):
    planned = {"trials": 9, "experiments": ["kill-master"]}
    first, second = (put(tmp_path / name, played(*[6.0] * n), **planned) for name, n in (("a", 9), ("b", 8)))
    said = compare(first, second)
    assert "b: 1 of 9 trials was not played or is no longer there (trial 8)" in said
    assert not any(one.startswith("a: ") for one in said)


def test_what_was_never_back_is_the_longest(tmp_path: Path):
    from chaos.analysis.interval import Interval

    given = played(*[6.0] * 8)
    never = [replace(one, recovered_s=Interval(60.0)) for one in (given.trials[0].paths["service/new"],) * 8]
    out = tuple(replace(one, paths={"service/new": it}) for one, it in zip(given.trials, never, strict=True))
    said = compare(put(tmp_path / "a", given), put(tmp_path / "b", replace(given, trials=out)))
    assert any("+inf s" in sentence for sentence in said)


def variants(later_s: float, *, groups: tuple[str, ...] = ("",)) -> CampaignResult:
    """Ten pairs; the seeds of a pair are equal, and its times nearly so."""
    trials = []
    for number in range(20):
        variant, pair = "ab"[number % 2], number // 2
        given = played(6.0 + pair + (later_s if variant == "b" else 0.0) + number / 1000).trials[0]
        given = replace(given, number=number, seed=pair, variant=variant, group=groups[pair % len(groups)])
        trials.append(given)
    return campaign(*trials)


def test_variants_of_one_campaign_are_compared_in_pairs_of_one_seed(tmp_path: Path, capsys):
    directory = put(tmp_path / "ab", variants(0.5))
    assert entry(["compare", str(directory)]) == PASS
    said = capsys.readouterr().out
    assert re.search(r"kill-master, service/new +\+0\.50 s +\+0\.50 to \+0\.50 s +later .* 10 pairs", said)


def test_variants_are_never_pooled(tmp_path: Path):
    """Two campaigns of variants are compared variant by variant, and one of them with nothing else."""
    first, second = put(tmp_path / "a", variants(0.5)), put(tmp_path / "b", variants(0.5))
    said = compare(first, second)
    rows = [one for one in said if "service/new" in one]
    assert len(rows) == 2
    assert all(re.match(r"kill-master (a|b), service/new .* none shown .* 10 and 10 trials$", one) for one in rows)
    said = compare(first, put(tmp_path / "c", played(*[6.0] * 8)))
    assert not any("none shown" in one for one in said)
    assert "kill-master a: it has 10 trials of the first only, and is not compared" in said


def test_pairs_are_of_one_campaign(tmp_path: Path):
    """Two campaigns by one seed have ten pairs each, and not forty."""
    put(tmp_path / "both" / "first", variants(0.5))
    put(tmp_path / "both" / "second", variants(0.5))
    assert any(one.endswith(" 20 pairs") for one in compare_variants(tmp_path / "both"))


def test_trials_of_unlike_groups_are_no_pairs(tmp_path: Path):
    said = compare_variants(put(tmp_path / "ab", variants(0.5, groups=("lower", "higher"))))
    assert any(re.search("kill-master lower, service/new .*none shown .* 5 and 5 trials$", one) for one in said)


def test_a_campaign_without_variants_is_compared_with_another_only(tmp_path: Path):
    with pytest.raises(ScenarioError, match="is no campaign of two variants"):
        compare_variants(put(tmp_path / "a", played(*[6.0] * 6)))


def test_the_times_of_a_void_trial_are_left_out_and_its_verdict_is_not(tmp_path: Path):
    void = Doubt(name="fault unproved", text="no process was seen to end", voids=True)
    given = played(*[6.0] * 8)
    out = replace(given.trials[0], verdict=Verdict.INCONCLUSIVE, doubts=(void,))
    other = replace(given, trials=(out, *given.trials[1:]))
    said = compare(put(tmp_path / "a", given), put(tmp_path / "b", other))
    assert "0 and 1 void trials have no times here; their verdicts count" in said
    assert any("8 and 7 trials" in one for one in said)
    assert any("(0 and 1 inconclusive)" in one for one in said)


def test_versions_that_differ_are_said(tmp_path: Path):
    given = played(*[6.0] * 6)
    newer = tuple(replace(one, covariates={"versions": {"server": "Valkey 9.1"}}) for one in given.trials)
    older = tuple(replace(one, covariates={"versions": {"server": "Redis 7.0.15"}}) for one in given.trials)
    a, b = put(tmp_path / "a", replace(given, trials=older)), put(tmp_path / "b", replace(given, trials=newer))
    assert compare(a, b)[0] == "version of server: Redis 7.0.15, then Valkey 9.1"


def test_phases_are_compared_too(tmp_path: Path):
    slow = tuple(trial(n, 9.0, 9.1) for n in range(8))
    fast = tuple(trial(n, 8.0, 8.1) for n in range(8))
    said = compare(put(tmp_path / "a", campaign(*fast)), put(tmp_path / "b", campaign(*slow)))
    at = next(n for n, one in enumerate(said) if one.startswith("kill-master lower, service/new "))
    below = said[at + 1 : at + 9]
    assert any(re.match(r"  endpoint +\+1\.00 s .* later ", one) for one in below)
    assert any(re.match(r"  detection +\+0\.00 s .* none shown ", one) for one in below)


@pytest.mark.parametrize(
    ("changes", "manifest", "said"),
    [
        ({"scenario": "other"}, {}, "scenario redis-operator, and other"),
        ({"cluster": "local"}, {}, "cluster kind, and local"),
        ({}, {"parallel": 8}, "parallel not known, and 8"),
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
