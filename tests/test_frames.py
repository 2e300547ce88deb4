"""Campaigns as tables."""

import doctest
import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import chaos
from chaos.analysis import summary
from chaos.analysis.interval import Interval
from chaos.analysis.result import CampaignResult, Milestone, State
from chaos.errors import RecordingError
from chaos.frames import COLUMNS, Frames, of
from tests.recordings import build_sample_campaign
from tests.report.results import campaign, trial

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "reports" / "sample"


def put(folder: Path, result: CampaignResult) -> Path:
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(summary.to_json(result))
    return folder


def one(frames: Frames, **where: object) -> dict[str, object]:
    """The only row of `paths` that is so."""
    table = frames.paths
    for column, value in where.items():
        table = table[table[column] == value]
    [row] = table.to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_the_page_about_tables_prints_what_it_says(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failed, tried = doctest.testfile(str(ROOT / "docs" / "frames.md"), module_relative=False, optionflags=flags)
    assert tried > 5
    assert failed == 0


def test_nothing_loads_pandas_but_who_asks_for_tables():
    """In a process of its own: here it is loaded."""
    asks = (
        "import sys, chaos, chaos.cli, chaos.trial.worker, chaos.analysis.trial\n"
        "from pathlib import Path\n"
        f"chaos.analysis.trial.analyse_trial(Path({str(SAMPLE / 'trial-000')!r}))\n"
        "assert 'pandas' not in sys.modules\n"
        "chaos.load\n"
        "assert 'pandas' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", asks], cwd=ROOT, env=dict(os.environ), check=False)
    assert done.returncode == 0


def test_an_attribute_that_is_not_there_is_said():
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        chaos.laod  # noqa: B018


def test_every_trial_path_and_measure_has_one_row():
    given = trial(0, 51.9, 51.99)
    app = replace(given.paths["app (redis-py 8.1.0)/kept"], application=True)
    frames = of([campaign(replace(given, paths=given.paths | {app.name: app}), trial(1, 50.8, 50.9))])
    assert not frames.paths.duplicated(["campaign", "trial", "path", "measure"]).any()
    assert not frames.milestones.duplicated(["campaign", "trial", "path", "milestone"]).any()
    assert not frames.phases.duplicated(["campaign", "trial", "path", "phase"]).any()
    assert len(frames.trials) == 2
    assert set(frames.paths["measure"]) == {
        *("outage", "recovered", "downtime", "full", "any"),
        *("longest_blocked", "first_good"),
    }


def test_a_measure_has_its_interval_and_the_target_that_it_is_held_against():
    row = one(of([campaign()]), trial=0, path="service/new", measure="recovered")
    assert (row["least_s"], row["most_s"]) == pytest.approx((51.94, 52.02))
    assert (row["censored"], row["limit_s"], row["verdict"], row["gate"]) == (False, 15.0, "fail", True)


def test_what_was_not_over_sorts_as_the_longest_and_is_no_value():
    never = trial(0, 51.9, 51.99)
    path = replace(never.paths["service/new"], recovered_s=Interval(60.0))
    row = one(of([campaign(replace(never, paths={path.name: path}))]), measure="recovered")
    assert (row["least_s"], row["most_s"], row["middle_s"], row["censored"]) == (60.0, math.inf, math.inf, True)


def test_what_never_came_by_the_limit_is_censored_and_what_did_not_apply_is_nothing():
    given = trial(0, 51.9, 51.99)
    changed = given.milestones | {"pointer": Milestone(state=State.NOT_YET, limit_s=90.0)}
    changed.pop("odown")
    table = of([campaign(replace(given, milestones=changed))]).milestones.query("path == ''").set_index("milestone")
    assert (table.loc["pointer", "least_s"], table.loc["pointer", "censored"]) == (90.0, True)
    assert table.loc["odown", "state"] == "not-applicable"
    assert math.isnan(float(str(table.loc["odown", "least_s"])))


def test_covariates_stand_in_every_table_and_settings_in_one():
    settings = {"sentinel": {"down-after-milliseconds": "5000"}}
    given = replace(trial(0, 51.9, 51.99), covariates={"load1": 2.5, "settings": settings})
    frames = of([campaign(given)])
    assert frames.trials["sentinel.down-after-milliseconds"].tolist() == ["5000"]
    for table in (frames.paths, frames.milestones, frames.phases, frames.losses):
        assert set(table["load1"]) == {2.5}


def test_phases_and_the_rest_sum_to_the_window():
    frames = of([campaign()])
    sums = frames.phases.query("path == 'service/new'").groupby("trial")["seconds"].sum()
    assert sums.tolist() == pytest.approx([51.98, 50.89, 53.09])


def test_a_campaign_without_a_trial_has_empty_tables_with_all_columns():
    frames = of([replace(campaign(), trials=())])
    for name, columns in COLUMNS.items():
        table = getattr(frames, name)
        assert table.empty
        assert set(columns) <= set(table.columns)


def test_several_directories_are_one_table(tmp_path: Path):
    first = put(tmp_path / "a", campaign(name="first"))
    second = put(tmp_path / "nights" / "b", campaign(name="second"))
    frames = chaos.load(first, tmp_path / "nights")
    assert frames.trials.groupby("campaign").size().to_dict() == {"first": 3, "second": 3}
    with pytest.raises(RecordingError, match="which campaign"):
        frames.operations(0)
    with pytest.raises(RecordingError, match="the same campaign"):
        chaos.load(first, shutil.copytree(second, tmp_path / "c"), second)


def test_a_directory_without_a_summary_is_said(tmp_path: Path):
    with pytest.raises(RecordingError, match="holds no campaign"):
        chaos.load(tmp_path)


def test_operations_are_those_that_were_recorded(tmp_path: Path):
    from chaos.analysis.analyse import analyse
    from chaos.record.reader import Recording

    folder = build_sample_campaign(tmp_path / "sample")
    (folder / "summary.json").write_text(summary.to_json(analyse(folder)))
    operations = chaos.load(folder).operations(0)
    recording = Recording.load(folder / "trial-000")
    assert len(operations) == sum(len(file.rows) for file in recording.ops)
    assert set(operations["outcome"]) <= {"ok", "failed", "unknown", "missed"}
    named = {f"{client['path']}/{client['connection']}" for client in recording.manifest["clients"]}
    assert set(operations["path"]) <= named
    with pytest.raises(RecordingError, match="trial-999 is not there"):
        chaos.load(folder).operations(999)


def test_tables_say_the_verdicts_that_the_summary_says():
    frames = chaos.load(SAMPLE)
    said = json.loads((SAMPLE / "summary.json").read_text())
    assert frames.trials["verdict"].tolist() == [each["verdict"] for each in said["trials"]]
    of_paths = [path["targets"].get("recovery") for each in said["trials"] for path in each["paths"].values()]
    assert frames.paths.query("measure == 'recovered'")["verdict"].tolist() == [
        target["verdict"] if target else "" for target in of_paths
    ]
