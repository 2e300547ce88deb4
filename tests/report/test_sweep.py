"""A sweep: what stands in its table and its figure, and which setting is best at what price."""

from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from chaos.analysis import summary
from chaos.analysis.result import CampaignResult, Verdict
from chaos.cli import entry
from chaos.errors import PASS, ScenarioError
from chaos.experiment.written import load
from chaos.frames import of
from chaos.report import figures, sweep
from chaos.scenario.lookup import experiments
from tests.report.results import campaign, losses, path, trial, undecided

NAME = "down-after-milliseconds"


def played(*settings: tuple[int, float, int], fails: int = 0, kills: int = 4) -> CampaignResult:
    """Of each (value, back_s, false): kills that were back then, and pauses of 2 s of which so many brought a failover.

    The first `fails` kills of each setting miss their promise.
    """
    trials = []
    for value, back_s, false in settings:
        for n in range(kills):
            one = path("service/new", back_s + n / 10)
            verdict = Verdict.FAIL if n < fails else Verdict.PASS
            trials.append(replace(trial(n, 5, 5, paths={one.name: one}), verdict=verdict, group=""))
        for n in range(5):
            one = path("service/new", 2.0)
            some = trial(n, 5, 5, paths={one.name: one})
            some = replace(some, experiment="pause-2s", verdict=Verdict.PASS, group="", losses=losses(n == 0))
            trials.append(some if n < false else replace(some, failovers=()))
        first = len(trials) - kills - 5
        trials[first:] = [replace(one, variant=f"{NAME}={value}") for one in trials[first:]]
    return campaign(*(replace(one, number=number) for number, one in enumerate(trials)))


THREE = played((1000, 2.2, 5), (5000, 6.2, 0), (10000, 11.2, 0))


def test_settings_stand_in_the_order_of_their_values_with_what_they_cost():
    found = list(sweep.swept(of([THREE])))
    assert [one.variant for one in found] == [f"{NAME}=1000", f"{NAME}=5000", f"{NAME}=10000"]
    assert [round(one.median_s, 2) for one in found] == [2.34, 6.34, 11.34]
    assert [(one.passed, one.known) for one in found] == [(4, 4)] * 3
    assert [one.pauses[2.0].failovers for one in found] == [5, 0, 0]
    assert list(found[0].pauses[2.0].share) == [pytest.approx(0.478, abs=1e-3), 1.0]


def test_the_best_keeps_the_promise_with_the_fewest_false_failovers_and_has_a_price():
    sentence = sweep.best(list(sweep.swept(of([THREE]))))
    assert sentence.startswith(f"{NAME}=5000 keeps the promise with the fewest failovers that nobody needed, 0 in 5")
    assert 'supports "at least 47 % of such failovers"' in sentence
    assert sentence.endswith(f"it is back 4.00 s later than with {NAME}=1000, which fails over in 5 of 5 pauses.")


def test_where_none_keeps_the_promise_none_is_the_best():
    sentence = sweep.best(list(sweep.swept(of([played((1000, 2.2, 5), (5000, 6.2, 0), fails=1)]))))
    assert sentence == f"No setting keeps the promise; {NAME}=1000 comes nearest, in 3 of 4."


def test_the_quickest_that_is_the_best_has_no_price():
    sentence = sweep.best(list(sweep.swept(of([played((1000, 2.2, 0), (5000, 6.2, 0))]))))
    assert sentence.endswith("It is the quickest too, back after 2.34 s.")


def test_a_median_that_so_few_trials_do_not_bound_says_how_many_it_needs():
    _, [few, *_] = sweep.cells(list(sweep.swept(of([THREE]))))
    _, [many, *_] = sweep.cells(list(sweep.swept(of([played((1000, 2.2, 5), (5000, 6.2, 0), kills=6)]))))
    assert (few[2], many[2]) == ("needs n ≥ 6", "2.19 to 2.69")


def test_void_trials_count_nowhere_and_are_said():
    void = replace(undecided(), number=99, variant=f"{NAME}=1000", group="")
    given = played((1000, 2.2, 5), (5000, 6.2, 0))
    [one, _] = sweep.swept(of([replace(given, trials=(*given.trials, void))]))
    assert (one.void, one.known, len(one.back_s)) == (1, 4, 4)
    assert sweep.cells([one])[1][0][4] == "4 of 4, 1 void"


def test_a_setting_of_which_every_kill_is_void_has_a_row(tmp_path: Path):
    given = played((1000, 2.2, 5), (5000, 6.2, 0))
    void = undecided()
    trials = tuple(
        replace(one, verdict=void.verdict, doubts=void.doubts)
        if one.variant == f"{NAME}=5000" and one.experiment == "kill-master"
        else one
        for one in given.trials
    )
    (tmp_path / "summary.json").write_text(summary.to_json(replace(given, trials=trials)))
    lines = sweep.write(tmp_path)
    assert lines[3].split()[:5] == [f"{NAME}=5000", "–", "needs", "n", "≥"]
    assert "0 of 0, 4 void" in lines[3]
    assert lines[4].startswith(f"{NAME}=1000 keeps the promise")


def test_inconclusive_kills_are_said_beside_the_best():
    given = played((1000, 2.2, 0), (5000, 6.2, 0))
    trials = (replace(given.trials[0], verdict=Verdict.INCONCLUSIVE), *given.trials[1:])
    settings = list(sweep.swept(of([replace(given, trials=trials)])))
    assert sweep.cells(settings)[1][0][4] == "3 of 3, 1 inconclusive"
    assert 'supports "at least 37 % of such failovers" at 95 %, 1 inconclusive.' in sweep.best(settings)


def test_a_setting_with_few_pauses_is_not_the_best_because_of_that():
    given = played((1000, 2.2, 1), (5000, 6.2, 2))
    pauses = [one for one in given.trials if one.experiment != "kill-master"]
    lacking = [one for one in pauses if one.variant == f"{NAME}=1000"]
    trials = tuple(one for one in given.trials if one not in lacking[1:])
    sentence = sweep.best(list(sweep.swept(of([replace(given, trials=trials)]))))
    assert sentence.startswith(f"{NAME}=5000 keeps the promise"), "2 of 5, and 1 of 1"


def test_a_sweep_is_told_again_with_its_table_and_its_figure(tmp_path: Path, capsys):
    (tmp_path / "summary.json").write_text(summary.to_json(THREE))
    assert entry(["sweep", "--again", str(tmp_path)]) == PASS
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("setting ")
    assert said[2].split()[:2] == [f"{NAME}=1000", "2.34"]
    assert (tmp_path / "sweep.md").read_text().count("| down-after-milliseconds=") == 3
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")
    fromstring((tmp_path / "sweep.svg").read_text())


def test_a_sweep_that_lacks_a_trial_says_so(tmp_path: Path):
    more = {"trials": 1 + len(THREE.trials), "experiments": ["kill-master"]}
    (tmp_path / "summary.json").write_text(summary.to_json(replace(THREE, manifest=more)))
    assert any(line.startswith("1 of ") and "no longer there" in line for line in sweep.write(tmp_path))
    assert "no longer there" in (tmp_path / "sweep.md").read_text()


def test_the_figure_is_the_same_bytes_each_time_and_has_no_styles():
    settings = list(sweep.swept(of([THREE])))
    vector, png = figures.of_sweep(settings, 15.0)
    assert (vector, png) == figures.of_sweep(settings, 15.0)
    assert "style=" not in vector


def test_another_campaign_is_no_sweep(tmp_path: Path):
    (tmp_path / "summary.json").write_text(summary.to_json(campaign()))
    with pytest.raises(ScenarioError, match="is no campaign of `failover sweep`"):
        sweep.write(tmp_path)


def test_one_value_is_no_sweep(capsys):
    assert entry(["sweep", "sentinel", "--over", "sentinel.down-after-milliseconds=1000"]) == 2
    assert "--over takes a setting and two values or more" in capsys.readouterr().err


def test_the_pauses_are_experiments_that_all_does_not_name():
    for file in sweep.experiments():
        assert load(Path(file)).expects in ("failover", "any")
    pauses = {f"pause-{seconds:g}s" for seconds in sweep.PAUSES_S}
    assert not pauses & set(experiments())
    assert pauses == {Path(file).stem for file in sweep.experiments()[1:]}
