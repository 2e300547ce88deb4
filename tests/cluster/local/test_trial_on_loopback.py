"""Whole trials at the level loopback, as their worker plays them: one that it can play, and one that it cannot."""

from dataclasses import replace
from pathlib import Path

import pytest

from chaos.analysis.trial import analyse_trial
from chaos.cluster.local.level import LOOPBACK, Level
from chaos.progress import Tell
from chaos.scenario import load
from chaos.trial.assignment import TrialSpec
from tests.cluster.local.systems import reference
from tests.fakes import Played, trial_spec
from tests.verdicts import counted

pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]

FORCED = Level(LOOPBACK, "FAILOVER_LEVEL asks for it")
SMALL = {
    "system.settings.sentinel.down-after-milliseconds": "2000",
    "limits.recovery": "20s",
    "limits.stable": "1s",
    "limits.watch": "1s",
}


def spec(folder: Path, experiment: str) -> TrialSpec:
    return replace(
        trial_spec(folder, experiment=experiment),
        scenario=load("sentinel", SMALL).scenario.model_dump(mode="json"),
        ref={"module": "chaos.cluster.local.cluster", **reference(FORCED)},
        cluster={"kind": "local", "name": "local", "platform": {"isolation": LOOPBACK}, "images": {}},
    )


def test_a_failover_is_measured_without_a_namespace(tmp_path: Path) -> None:
    played = Played(spec(tmp_path, "kill-master"))

    assert played.code == 0, played.messages
    result = analyse_trial(played.directory)
    counted([result])
    [failover] = result.failovers
    assert failover.kind == "detected"
    for name in ("service/new", "service/kept", "sentinel/new", "sentinel/kept"):
        path = result.paths[name]
        assert path.state == "works", name
        assert path.recovered_s is not None
        assert 0.8 < path.recovered_s.least < path.recovered_s.most < 12, name
    assert result.losses.undecided == ""


def test_a_partition_is_refused_with_the_level_and_why(tmp_path: Path) -> None:
    played = Played(spec(tmp_path, "partition-master"))

    assert played.code == 3
    assert played.closed["step"] == 1
    [failed] = played.told(Tell.FAILED)
    assert failed["text"] == (
        "partition-master needs cut, which local cannot do: at the level loopback no member has a network of its own "
        "that could be cut (FAILOVER_LEVEL asks for it)"
    )
