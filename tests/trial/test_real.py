"""A whole trial on real servers, real Sentinels and the real agent: the master is killed, the failover measured."""

from dataclasses import replace
from pathlib import Path

import pytest

from chaos.analysis.interval import Interval
from chaos.analysis.trial import analyse_trial
from chaos.model import MemberKind
from chaos.progress import Tell
from chaos.scenario import load
from tests.fakes import Played, trial_spec
from tests.rig import Rig
from tests.rig_cluster import held
from tests.verdicts import counted

SCENARIO = """
about: Real processes on loopback
system:
  kube:
    manifests: []
    namespace: loopback
    images: []
    redis: {{selector: app=redis}}
    sentinel: {{selector: app=sentinel, service: rfs}}
  settings: {{sentinel: {{down-after-milliseconds: 2000}}}}
  period: 1s
clients:
  sentinel: {{sentinel: "127.0.0.1:{sentinel}", count: 2, rate_each: 50/s}}
  first: {{address: "127.0.0.1:{master}", count: 1, rate_each: 50/s}}
targets:
  promotion: {{limit: 4s}}
  recovery: {{limit: 6s, gate: true}}
limits: {{recovery: 6s, stable: 1s, watch: 1s, baseline: 3s, healthy: 20s}}
"""


@pytest.mark.redis
def test_every_second_of_a_real_failover_is_measured(rig_of: Rig, tmp_path: Path) -> None:
    """Detection takes the down-after of 2 s; clients of Sentinel are back after it, those of the dead address never."""
    ports = {
        member.kind: member.port for member in rig_of.members() if not member.name.endswith(("-1", "-2", "-b", "-c"))
    }
    folder = tmp_path / "loopback"
    folder.mkdir()
    file = folder / "scenario.yaml"
    file.write_text(SCENARIO.format(sentinel=ports[MemberKind.SENTINEL], master=ports[MemberKind.REDIS]))
    held("rig", rig_of)
    played = Played(
        replace(
            trial_spec(tmp_path),
            scenario=load(str(file)).scenario.model_dump(mode="json"),
            ref={"module": "tests.rig_cluster", "rig": "rig"},
        )
    )

    assert played.code == 0, played.messages
    result = analyse_trial(played.directory)
    counted([result])
    [failover] = result.failovers
    sdown, switched = (failover.milestones[name] for name in ("sdown", "switched"))
    assert failover.kind == "detected"
    assert sdown.at_s is not None
    assert switched.at_s is not None
    assert 1.8 < sdown.at_s.least < switched.at_s.most < 6
    assert "promotion" in {data["name"] for data in played.told(Tell.SEEN)}
    for name in ("sentinel/new", "sentinel/kept"):
        path = result.paths[name]
        assert path.state == "works"
        assert path.recovered_s is not None
        assert sdown.at_s.least < path.recovered_s.most < 8
    first = result.paths["first/new"].recovered_s
    assert first is None or first.is_open
    assert result.losses.lost == Interval.at(0)
