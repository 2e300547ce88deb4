"""A whole trial in its worker, on a system of processes: nothing of it is made up."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.analysis.trial import analyse_trial
from chaos.scenario.lookup import find_experiment
from tests.cluster.local.systems import reference, scenario
from tests.fakes import trial_spec
from tests.verdicts import counted

pytestmark = [pytest.mark.local, pytest.mark.timeout(150)]


def played(tmp_path: Path, experiment: str) -> Path:
    """The directory of a trial that was played to its end. Who was taken away stays away until it is failed over."""
    wanted = scenario(local__replace__after="6s")
    limits = wanted.limits.model_copy(update={"baseline": 1.0, "stable": 1.0, "watch": 1.0, "recovery": 30.0})
    wanted = wanted.model_copy(update={"limits": limits})
    spec = replace(
        trial_spec(tmp_path),
        experiment=str(find_experiment(experiment)),
        scenario=wanted.model_dump(mode="json"),
        ref=reference() | {"module": "chaos.cluster.local.cluster"},
        cluster={"kind": "local", "name": "local", "platform": {}, "images": {}},
    )
    command = [sys.executable, "-m", "chaos.trial"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(spec.line() + "\n")
        worker.stdin.flush()
        said = worker.stdout.read()
    assert worker.returncode == 0, said
    return Path(spec.directory)


def test_a_killed_master_is_failed_over_and_every_source_is_placed(tmp_path):
    directory = played(tmp_path, "kill-master")
    assert json.loads((directory / "closed").read_text())["ended"] == "complete"
    result = analyse_trial(directory)
    counted([result])
    [fault] = result.faults
    assert fault.confirmed_s is not None
    failover = result.failovers[0]
    assert failover.kind == "detected"
    assert failover.successor is not None
    assert failover.successor.name != "redis-0"
    for name in ("sdown", "promoted", "switched", "labelled"):
        assert failover.milestones[name].state == "seen", name
    for name in ("service/new", "sentinel/new"):
        path = result.paths[name]
        assert path.state == "works"
        assert path.recovered_s is not None
    assert not {path.name for path in directory.iterdir()} & {"control", "agent.log"}
    assert result.losses.lost is not None
