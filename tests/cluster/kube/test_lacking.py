"""What kind cannot do is said before anything is deployed, with what is missing."""

from pathlib import Path

import pytest

from chaos.cluster.base import Ability, refusal
from chaos.cluster.here import kind_faults
from chaos.cluster.kube.kind import lacking
from chaos.cluster.kube.platform import KindPlatform
from chaos.experiment.written import load as load_experiment
from chaos.scenario import load
from tests.fakes import asked

DEBUG = "system.settings.redis.enable-debug-command"


@pytest.mark.parametrize(("said", "missing"), [({}, True), ({DEBUG: "local"}, True), ({DEBUG: "yes"}, False)])
def test_debug_is_refused_unless_the_servers_allow_it(tmp_path: Path, said: dict[str, str], missing: bool) -> None:
    loaded = load("redis-operator", said)
    slow = load_experiment(Path("experiments/slow-master.yaml"))
    why = refusal(slow.name, slow.needs, KindPlatform(loaded.scenario, loaded.folder, asked(tmp_path)))

    assert ("`enable-debug-command yes`" in why) == missing
    assert why.startswith("slow-master needs DEBUG, which ") == missing


def test_a_redis_of_before_version_7_takes_debug() -> None:
    scenario = load("redis-operator", {"system.kube.images": "[redis:6.2.14-alpine]"}).scenario
    assert Ability.DEBUG not in lacking(scenario)
    assert Ability.DEBUG in lacking(load("redis-operator", {"system.kube.images": "[redis:7.0]"}).scenario)


@pytest.mark.parametrize(
    ("image", "lacks"),
    [("redis:7.0.15-alpine", True), ("valkey/valkey:8.1", True), ("valkey/valkey:9.0", False), ("valkey:10", False)],
)
def test_a_coordinated_failover_needs_valkey_9(tmp_path: Path, image: str, lacks: bool) -> None:
    loaded = load("redis-operator", {"system.kube.images": f"['{image}']"})
    coordinated = load_experiment(Path("experiments/failover-coordinated.yaml"))
    why = refusal(coordinated.name, coordinated.needs, KindPlatform(loaded.scenario, loaded.folder, asked(tmp_path)))
    assert why.startswith("failover-coordinated needs SENTINEL FAILOVER COORDINATED, which ") == lacks


async def test_the_doctor_says_it_too() -> None:
    lines = (await kind_faults()).splitlines()
    assert lines[0] == "kind: an experiment that needs one of these cannot be played there"
    assert any(line.startswith("- DEBUG: Redis from version 7 on, and Valkey, refuse DEBUG") for line in lines)
    assert any(line.startswith("- cgroups of a core's share, limits of files: the node helper") for line in lines)


def test_kind_kills_for_want_of_memory() -> None:
    scenario = load("redis-operator").scenario
    assert Ability.MEMORY not in lacking(scenario)
    assert Ability.STARVE in lacking(scenario)
