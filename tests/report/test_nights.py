"""The page of all nights, and what dashboards take of the newest."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from chaos.analysis.nights import series, steps
from chaos.analysis.result import Doubt, Verdict
from chaos.cli import entry
from chaos.errors import PASS, SetupError
from chaos.frames import of
from chaos.report.nights import benchmark, html, metrics, picture
from tests.analysis.test_nights import law, told
from tests.report.results import campaign, losses, trial
from tests.test_gates import nights, put


def test_a_directory_of_nights_becomes_one_page(tmp_path: Path, capsys):
    found = nights(tmp_path / "nights", tonight_s=1.0)
    assert entry(["history", str(found), "--openmetrics"]) == PASS
    assert capsys.readouterr().out.strip() == str(found / "history.html")
    text = (found / "history.html").read_text()
    assert "21 nights, the newest 2026-11-21T0217-x" in text
    assert "<script" not in text
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert "kill-master lower, service/new" in text
    assert "2026-11-21T0217-x" in text
    assert {path.name for path in found.iterdir() if path.is_file()} == {
        "history.html",
        "benchmark.json",
        "metrics.txt",
    }


def test_a_night_that_lacks_a_trial_says_so():
    [one, *_] = told(law(np.random.default_rng(8), 2))
    said = html("nights", [one], {"2026-11-21T0217-x": "1 of 2 trials was not played"})
    assert "2026-11-21T0217-x: 1 of 2 trials was not played." in said


def test_a_newest_night_that_measured_nothing_is_said_and_no_older_one_stands_for_it(tmp_path: Path):
    """The dashboards get no figures of that night, instead of those of the night before."""
    doubt = Doubt(name="cut off", text="the trial was cut off", voids=True)
    void = replace(trial(0, 5, 5), verdict=Verdict.INCONCLUSIVE, doubts=(doubt,))
    put(tmp_path / "2026-11-01T0217-x", campaign(trial(0, 5, 5)), "2026-11-01")
    put(tmp_path / "2026-11-02T0217-x", campaign(void), "2026-11-02")
    assert entry(["history", str(tmp_path), "--openmetrics"]) == PASS
    text = (tmp_path / "history.html").read_text()
    assert "2 nights, the newest 2026-11-02T0217-x" in text
    assert "2026-11-02T0217-x: none of its 1 trials measured a path that worked." in text
    assert json.loads((tmp_path / "benchmark.json").read_text()) == []
    families = {one.name: one for one in text_string_to_metric_families((tmp_path / "metrics.txt").read_text())}
    assert families["failover_back_seconds"].samples == []
    [unknown] = families["failover_trials_inconclusive"].samples
    assert (unknown.labels["experiment"], unknown.value) == ("kill-master", 1)


def test_a_night_without_a_trial_or_without_a_summary_is_on_the_page(tmp_path: Path):
    put(tmp_path / "2026-11-01T0217-x", campaign(trial(0, 5, 5)), "2026-11-01")
    put(tmp_path / "2026-11-02T0217-x", replace(campaign(), trials=(), groups=()), "2026-11-02")
    killed = tmp_path / "2026-11-03T0217-x"
    killed.mkdir()
    (killed / "campaign.json").write_text("{}")
    assert entry(["history", str(tmp_path)]) == PASS
    text = (tmp_path / "history.html").read_text()
    assert "3 nights, the newest 2026-11-03T0217-x" in text
    assert "2026-11-02T0217-x: no trial was recorded." in text
    assert f"2026-11-03T0217-x: it has no summary.json, which `failover analyse {killed}` makes." in text


def test_losses_that_are_undecided_are_not_told_as_none(tmp_path: Path):
    unknown = replace(trial(1, 5, 5).losses, before=None, tail=None, after=None, undecided="keys were evicted")
    found = campaign(replace(trial(0, 5, 5), losses=losses(3)), replace(trial(1, 5, 5), losses=unknown))
    [one, *_] = series(of([found]))
    assert picture(one).rows[0][6] == "3, undecided in 1"


def test_a_step_is_marked_and_the_limits_are_of_the_nights_since():
    back = law(np.random.default_rng(8), 40)
    back[:, 25:] += 2.0
    [one, *_] = told(back)
    one = replace(one, steps=steps(one.nights))
    drawn = picture(one)
    assert sum(column.step for column in drawn.columns) == len(one.steps) == 1
    assert drawn.limits.endswith("in the 15 nights since day 25 that match.")
    assert [row[-1] for row in drawn.rows].index("step") == 14, "the newest night comes first"
    text = html("nights", [one], {})
    [svg] = re.findall(r"<svg viewBox.*?</svg>", text, re.DOTALL)
    assert "step" in "".join(fromstring(svg).itertext())
    assert "style=" not in svg


def test_what_was_never_back_reaches_to_the_top():
    back = law(np.random.default_rng(1), 3)
    back[:, 1, 0] = np.inf
    drawn = picture(told(back)[0])
    assert [column.open_end for column in drawn.columns] == [False, True, False]
    assert drawn.columns[1].most == min(drawn.columns[1].most, 10.0)
    assert "never" in drawn.columns[1].text
    back[:, 1, :6] = np.inf
    drawn = picture(told(back)[0])
    assert [column.median is None for column in drawn.columns] == [False, True, False], "never has no height"


def test_a_single_night_gives_no_limits():
    drawn = picture(told(law(np.random.default_rng(1), 1))[0])
    assert drawn.band is None
    assert drawn.limits == "A single night that matches gives no limits."


def test_the_newest_night_is_a_benchmark_of_smaller_is_better():
    back = law(np.random.default_rng(1), 3)
    rows = json.loads(benchmark(told(back), "night-002"))
    assert rows[0]["name"] == "kill-master, sentinel/new, median"
    assert rows[0]["value"] == pytest.approx(float(np.median(back[0, 2])), abs=1e-3)
    assert {tuple(row) for row in rows} == {("name", "unit", "value", "range", "extra")}
    assert rows[0]["extra"] == "night-002: 10 of 10 kept their promises, 0 writes lost"


def test_a_path_that_was_never_back_is_in_the_benchmark(tmp_path: Path):
    back = law(np.random.default_rng(1), 3)
    back[0, 2, :6] = np.inf
    rows = {row["name"]: row["value"] for row in json.loads(benchmark(told(back), "night-002"))}
    assert "kill-master, sentinel/new, median" not in rows, "JSON has no infinity"
    assert rows["kill-master, sentinel/new, never back"] == 6
    assert rows["kill-master, service/new, never back"] == 0


def test_the_newest_night_is_read_by_prometheus_own_parser():
    back = law(np.random.default_rng(1), 3)
    families = {
        one.name: one
        for one in text_string_to_metric_families(metrics(told(back), "night-002", of([]).trials).decode())
    }
    [first, *_] = families["failover_back_seconds"].samples
    assert first.labels["path"] == "sentinel/new"
    assert first.value == pytest.approx(float(np.median(back[0, 2])))
    assert families["failover_trials_kept"].samples[0].value == 10


def test_openmetrics_without_its_library_says_what_brings_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SetupError, match=r"pip install 'failover-harness\[openmetrics\]'"):
        metrics(told(law(np.random.default_rng(1), 2)), "night-001", of([]).trials)
