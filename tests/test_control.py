"""`chaos run` of an experiment's own file: the same trial and the same report, by chaostoolkit's own command."""

import json
import sys
from pathlib import Path

import pytest

from chaos.analysis import summary
from chaos.analysis.result import Verdict
from chaos.control_campaign import options, source
from chaos.errors import ScenarioError
from tests.fakes import HERE, read, scenario_file, signalled

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from chaos.options import PLATFORMS, Registered
PLATFORMS["fake"] = Registered(of="tests.fake_cluster:platform")
from chaostoolkit.cli import cli
cli()
"""
"""The console script `chaos`, with one more platform."""


def chaos_run(folder: Path, experiment: Path, when: str = "", script: str = "") -> tuple[int, str]:
    """The exit code and what was printed; SIGTERM twice once it has printed `when`."""
    asked = {"ON": "fake", "SCENARIO": str(scenario_file(folder)), "OUT": str(folder / "reports"), "SEED": "7"}
    environment = {f"FAILOVER_{name}": value for name, value in asked.items()}
    journal = ["--journal-path", str(folder / "journal.json")]
    return signalled(["-c", PROGRAM, "run", *journal, str(experiment)], {**environment, "FAKE_SCRIPT": script}, when)


def test_it_plays_the_same_trial_and_exits_by_the_verdict(tmp_path: Path) -> None:
    """This trial's baseline is too short to prove anything: inconclusive, which is 1 here."""
    code, printed = chaos_run(tmp_path, HERE / "experiments" / "kill-master.yaml")

    [directory] = (tmp_path / "reports").iterdir()
    result = summary.load(directory / "summary.json")
    assert read(directory / "trial-000" / "closed")["ended"] == "complete", printed
    assert [trial.experiment for trial in result.trials] == ["kill-master"]
    assert read(tmp_path / "journal.json")["deviated"] is (result.verdict is not Verdict.PASS)
    assert code == (0 if result.verdict is Verdict.PASS else 1)
    assert read(directory / "campaign.json")["command"].startswith("chaos run")


def test_without_a_healthy_start_nothing_is_done_and_chaostoolkit_says_interrupted(tmp_path: Path) -> None:
    code, printed = chaos_run(tmp_path, HERE / "experiments" / "kill-master.yaml", script="never-healthy")

    [directory] = (tmp_path / "reports").iterdir()
    assert code == 1
    assert "the system is not healthy" in printed
    assert read(tmp_path / "journal.json")["status"] == "interrupted"
    assert read(tmp_path / "journal.json")["run"] == []
    assert (directory / "summary.json").exists()


def test_a_signal_heals_first_and_the_trial_is_closed_as_interrupted(tmp_path: Path) -> None:
    file = tmp_path / "partition-master.yaml"
    file.write_text((HERE / "experiments" / file.name).read_text().replace("seconds: 90", "seconds: 15"))
    code, printed = chaos_run(tmp_path, file, when="T0 ")

    [directory] = (tmp_path / "reports").iterdir()
    undone = [json.loads(line) for line in (directory / "undone.jsonl").read_text().splitlines()]
    assert code == 1
    assert undone[:2] == ["heal", "cut of rfr-redis-cluster-0"], printed
    assert read(directory / "trial-000" / "closed")["ended"] == "interrupted"


def test_options_come_from_the_environment_before_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    file = HERE / "experiments" / "kill-master.yaml"
    monkeypatch.setattr(sys, "argv", ["chaos", "run", str(file)])
    asked = options({}, {"failover_scenario": "theirs", "FAILOVER_SCENARIO": "ours", "failover_keep": True})

    assert asked.scenario == "ours"
    assert asked.keep
    assert asked.experiments == (str(file),)
    assert asked.on is None


def test_an_experiment_that_is_no_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["chaos", "run", "https://example.org/x.yaml"])
    with pytest.raises(ScenarioError, match="give its file"):
        source({"title": "From afar"})
