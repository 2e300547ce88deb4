"""What chaostoolkit calls completed and is not, and what it would accept and must not."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos.cluster.base import Ability
from chaos.errors import ExperimentError, ScenarioError
from chaos.experiment.play import Journal, check, play
from chaos.experiment.written import Experiment, load
from tests.fakes import HERE

OURS = sorted((HERE / "experiments").glob("*.yaml"))

ANY = """
title: Any
description: Of this test
{extra}
steady-state-hypothesis:
  title: So
  probes:
  - {{name: it is so, type: probe, tolerance: true, provider: {{type: python, module: {here}, func: {steady}}}}}
method:
- {{name: do it, type: action, provider: {{type: python, module: {here}, func: {act}}}}}
- {{name: go on, type: action, provider: {{type: python, module: {here}, func: fine}}}}
rollbacks:
- {{name: undo, type: action, provider: {{type: python, module: {here}, func: {undo}}}}}
"""


EXPECTED = {
    "cordon-node": "failover",
    "crash-in-place": "any",
    "crash-loop": "any",
    "cut-operator-off": "failover",
    "delayed-master": "any",
    "delete-all-redis": "any",
    "delete-all-sentinels": "no-failover",
    "delete-master": "failover",
    "disk-full-master": "any",
    "drain-node": "failover",
    "failover-after-pause": "any",
    "failover-by-redis": "any",
    "failover-by-sentinel": "failover",
    "failover-coordinated": "failover",
    "failover-to-best-replica": "any",
    "hook-failover": "failover",
    "hook-none": "failover",
    "hook-save": "failover",
    "hook-shutdown": "failover",
    "hook-sleep": "failover",
    "keep-master-down": "failover",
    "kill-all-sentinels": "no-failover",
    "kill-leader": "failover",
    "kill-machine": "failover",
    "kill-master": "failover",
    "kill-new-master": "failover",
    "kill-operator": "no-failover",
    "kill-sentinel": "no-failover",
    "kill-sentinel-at-odown": "failover",
    "kill-two-sentinels": "no-failover",
    "known-outage": "no-failover",
    "leader-ends-after-election": "failover",
    "leader-ends-after-promotion": "failover",
    "lossy-master": "any",
    "no-fault": "nothing",
    "oom-master": "any",
    "operator-away": "failover",
    "partition-bridge": "any",
    "partition-deaf": "failover",
    "partition-from-clients": "failover",
    "partition-from-sentinels": "failover",
    "partition-halves": "failover",
    "partition-master": "failover",
    "partition-mute": "failover",
    "partition-reject": "failover",
    "partition-with-clients": "failover",
    "pause-master": "failover",
    "pause-operator": "failover",
    "reset-sentinel": "no-failover",
    "rollout-redis": "failover",
    "setting-min-replicas": "no-failover",
    "slow-link-master": "any",
    "slow-master": "failover",
    "starve-master": "any",
    "stop-kubelet": "no-failover",
    "stop-node": "failover",
}
"""What each shipped experiment says that its fault brings."""


def fine() -> bool:
    return True


def wrong() -> bool:
    return False


def raises() -> None:
    raise ValueError("the disk is full")


async def never_awaited() -> bool:
    return True


def coroutine() -> Any:
    return never_awaited()


def file(folder: Path, extra: str = "", **functions: str) -> Path:
    path = folder / "any.yaml"
    chosen = {"steady": "fine", "act": "fine", "undo": "fine"} | functions
    path.write_text(ANY.format(here=__name__, extra=extra, **chosen))
    return path


def unchecked(path: Path) -> Experiment:
    """What a file says, without what every file needs."""
    content = yaml.safe_load(path.read_text())
    return Experiment(name=path.stem, path=path, content=content, expects="any", needs=frozenset())


def played(folder: Path, **functions: str) -> Journal:
    experiment = unchecked(file(folder, **functions))
    journal = play(experiment, lambda: None)
    check(journal, experiment)
    return journal


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_every_experiment_of_ours_is_valid_and_says_what_it_expects(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    [control] = content["controls"]
    first, *others = [probe["provider"]["func"] for probe in content["steady-state-hypothesis"]["probes"]]

    assert load(path).expects == EXPECTED[path.stem]
    assert control["provider"]["module"] == "chaos.control"
    assert content["runtime"]["rollbacks"]["strategy"] == "always"
    assert first == "recording_is_live"
    assert "recording_is_live" not in others
    assert content["rollbacks"][-1]["provider"]["func"] == "heal"


def test_what_an_experiment_needs_follows_from_its_actions() -> None:
    needs = {path.stem: load(path).needs for path in OURS}

    assert needs["kill-master"] == {Ability.KILL, Ability.DELETE}
    assert needs["partition-master"] == {Ability.CUT}
    assert needs["pause-master"] == {Ability.PAUSE}
    assert needs["no-fault"] == frozenset()


def test_a_played_experiment_is_no_error(tmp_path: Path) -> None:
    assert played(tmp_path)["status"] == "completed"


def test_an_action_that_raised_is_an_error_although_chaostoolkit_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"any: do it: .*the disk is full"):
        played(tmp_path, act="raises")


def test_a_steady_state_that_is_not_met_is_an_error_although_only_the_method_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="any was not played: it is so: it is not so"):
        played(tmp_path, steady="wrong")


def test_a_steady_state_that_cannot_be_looked_at_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"any was not played: it is so: .*the disk is full"):
        played(tmp_path, steady="raises")


def test_a_rollback_that_raised_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"any: undo: .*the disk is full"):
        played(tmp_path, undo="raises")


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_coroutine_that_nobody_ran_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="do it: it returned a coroutine"):
        played(tmp_path, act="coroutine")


def test_an_async_activity_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"any\.yaml:\d+: method\.0\.provider: never_awaited is async"):
        load(file(tmp_path, act="never_awaited"))


def test_a_function_that_is_not_there_is_refused_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"any\.yaml"):
        load(file(tmp_path, act="misspelt"))


def test_an_expectation_that_is_no_word_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match='"maybe" is none of failover'):
        load(file(tmp_path, extra="extensions: [{name: failover, expects: maybe}]"))


def test_a_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "any.yaml"
    path.write_text("title: [")

    with pytest.raises(ScenarioError, match=r"any\.yaml"):
        load(path)


def test_without_an_open_trial_nothing_is_done_even_where_the_control_is_missing(tmp_path: Path) -> None:
    """The first probe raises, so that no method of ours is ever played unrecorded."""
    path = tmp_path / "kill-master.yaml"
    lines = (HERE / "experiments" / path.name).read_text().splitlines()
    path.write_text("\n".join(line for line in lines if "control" not in line))
    experiment = unchecked(path)
    journal = play(experiment, lambda: None)

    assert journal["run"] == []
    with pytest.raises(ExperimentError, match=r"the recording is live: .*no trial is open here"):
        check(journal, experiment)
