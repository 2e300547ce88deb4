"""What a member is started with: the first time, again in place, and after it was taken away."""

from pathlib import Path

import pytest

from chaos.cluster.local.config import Recipes
from chaos.cluster.local.platform import Plan
from chaos.cluster.local.pod import LocalPod, Space
from chaos.cluster.local.servers import Server
from chaos.model import MemberKind
from chaos.scenario import load

REDIS, SENTINEL = MemberKind.REDIS, MemberKind.SENTINEL
MASTER = ("10.93.1.1", 6379)


def pod(kind: MemberKind, address: str) -> LocalPod:
    return LocalPod(name=f"{kind}-1", kind=kind, port=6379, space=Space(0, address, 0), role=None)


@pytest.fixture
def recipes(tmp_path):
    def made(name: str, **replace: str) -> Recipes:
        system = load(name, {f"system.local.replace.{key}": value for key, value in replace.items()}).scenario.system
        server = Server(Path("/usr/bin/redis-server"), "redis", "7.0.15")
        plan = Plan(system=system, server=server, directory=tmp_path / "trial")
        assert Plan.parse(plan.line()) == plan
        return Recipes(plan, tmp_path)

    return made


def conf(tmp_path: Path, kind: MemberKind) -> Path:
    return tmp_path / f"{kind}-1" / "server.conf"


@pytest.mark.parametrize("kind", [REDIS, SENTINEL])
def test_a_configuration_is_the_members_own_from_its_first_start_on(recipes, tmp_path, kind):
    made = recipes("sentinel", address="new", data="kept")
    made.first(pod(kind, "10.93.1.2"), MASTER)
    file = conf(tmp_path, kind)
    assert MASTER[0] in file.read_text()
    rewritten = file.read_text() + "# as CONFIG REWRITE left it\n"
    file.write_text(rewritten)
    made.restarted(pod(kind, "10.93.1.2"))
    assert file.read_text() == rewritten
    (made.data(pod(kind, "")) / "dump.rdb").write_text("x")
    made.replaced(pod(kind, "10.93.1.9"), MASTER)
    assert file.read_text() == rewritten.replace("10.93.1.2", "10.93.1.9")
    assert (made.data(pod(kind, "")) / "dump.rdb").exists()


@pytest.mark.parametrize(("kind", "kept"), [(REDIS, True), (SENTINEL, False)])
def test_lost_data_are_a_sentinels_file_too_for_that_is_all_it_has(recipes, tmp_path, kind, kept):
    made = recipes("sentinel", address="kept", data="lost")
    made.first(pod(kind, "10.93.1.2"), MASTER)
    file = conf(tmp_path, kind)
    file.write_text(file.read_text() + "# known\n")
    (made.data(pod(kind, "")) / "dump.rdb").write_text("x")
    made.replaced(pod(kind, "10.93.1.2"), ("10.93.1.3", 6379))
    assert not (made.data(pod(kind, "")) / "dump.rdb").exists()
    assert ("# known" in file.read_text()) is kept
    assert ("10.93.1.3" in file.read_text()) is not kept


@pytest.mark.parametrize(("kind", "again"), [(REDIS, True), (SENTINEL, False)])
def test_a_redis_reads_the_operators_file_at_every_start_and_a_sentinel_at_its_first(recipes, tmp_path, kind, again):
    made = recipes("operator-model")
    made.first(pod(kind, "10.93.1.2"), MASTER)
    template = conf(tmp_path, kind).read_text()
    assert "127.0.0.1 6379" in template
    conf(tmp_path, kind).write_text("rewritten\n")
    made.restarted(pod(kind, "10.93.1.2"))
    assert (conf(tmp_path, kind).read_text() == template) is again
    made.replaced(pod(kind, "10.93.1.2"), MASTER)
    assert conf(tmp_path, kind).read_text() == template


def test_the_controller_has_a_folder_and_no_configuration(recipes, tmp_path):
    made = recipes("sentinel")
    controller = pod(MemberKind.OPERATOR, "10.93.3.1")
    made.first(controller, None)
    made.replaced(controller, MASTER)
    assert made.command(controller)[1:] == ["-m", "chaos.operators"]
    assert not conf(tmp_path, MemberKind.OPERATOR).exists()


def test_a_redis_that_asked_first_follows_whom_it_was_told_or_nobody(recipes, tmp_path):
    made = recipes("sentinel")
    made.first(pod(REDIS, "10.93.1.2"), MASTER)
    made.told(pod(REDIS, "10.93.1.9"), ("10.93.1.3", 6379))
    assert "replicaof 10.93.1.3 6379" in conf(tmp_path, REDIS).read_text()
    made.told(pod(REDIS, "10.93.1.9"), None)
    assert "replicaof" not in conf(tmp_path, REDIS).read_text()
