"""Real members become one system, on every server that is here."""

import time
from typing import Any

import pytest

from chaos.analysis.logs import find
from chaos.cluster.local import assembly
from chaos.cluster.local.assembly import Address, Told, assemble, told
from chaos.errors import SetupError
from chaos.observe.watch import pairs
from chaos.until import until
from tests.cluster.local.processes import Processes, started, system_of
from tests.rig import LOOPBACK
from tests.servers import server_or_skip

pytestmark = pytest.mark.redis

PERIODS = {"INFO-PERIOD": "10000", "PING-PERIOD": "1000", "ASK-PERIOD": "1000", "PUBLISH-PERIOD": "2000"}


async def ask(at: Address, *words: str | int) -> Any:
    async with told(at) as one:
        return await one.call(*words)


@pytest.fixture(params=["sentinel", "operator-model"])
def processes(request, server, tmp_path):
    with started(server, system_of(request.param), tmp_path) as running:
        yield running


@pytest.fixture
def plain(tmp_path):
    with started(server_or_skip("redis-7"), system_of("sentinel"), tmp_path) as running:
        yield running


async def assembled(processes: Processes) -> None:
    await assemble(processes.system, processes.redis, processes.sentinels)


async def follows(at: Address, host: str, port: int) -> bool:
    return bool((await ask(at, "ROLE"))[:3] == ["slave", host, port])


async def test_it_is_whole_within_seconds_and_set_as_declared(processes):
    begun = time.monotonic()
    await assembled(processes)
    assert time.monotonic() - begun < 60
    first = processes.redis[0]
    assert (await ask(first, "ROLE"))[0] == "master"
    for at in processes.redis[1:]:
        assert (await ask(at, "ROLE"))[:4] == ["slave", *first, "connected"]
    for at in processes.redis:
        for name, value in processes.system.settings.redis.items():
            assert await ask(at, "CONFIG", "GET", name) == [name, str(value)]
        assert await ask(at, "CONFIG", "GET", assembly.DELAY) == [assembly.DELAY, "5"]
    for at in processes.sentinels:
        state = pairs(await ask(at, "SENTINEL", "MASTER", "mymaster"))
        assert (state["flags"], state["ip"], int(state["port"])) == ("master", *first)
        assert (state["num-slaves"], state["num-other-sentinels"]) == ("2", "2")
        assert {name: state[name] for name in processes.system.settings.sentinel} == {
            name: str(value) for name, value in processes.system.settings.sentinel.items()
        }


async def test_sentinels_agree_on_the_quorum_and_run_with_their_own_periods(processes):
    await assembled(processes)
    for at in processes.sentinels:
        assert "OK 3 usable Sentinels" in await ask(at, "SENTINEL", "CKQUORUM", "mymaster")
        if not processes.server.version.startswith("6."):
            assert pairs(await ask(at, "SENTINEL", "DEBUG")).items() >= PERIODS.items()


async def test_sentinels_do_not_begin_in_step(plain):
    await assembled(plain)
    began = [
        [line.wall_ns[0] for line in find(plain.directory / f"sentinel-{n}.log", r"\+monitor master", "")][-1]
        for n in range(3)
    ]
    assert max(began) - min(began) > 10e6
    assert max(began) - min(began) < assembly.PING_S * 1.5e9


async def test_what_a_hello_said_is_what_sentinels_say_by_themselves(plain):
    """Two publish periods later each Sentinel still knows the same two, under the same run ids."""
    await assembled(plain)

    async def known() -> list[tuple[str, str]]:
        others = [pairs(one) for one in await ask(plain.sentinels[0], "SENTINEL", "SENTINELS", "mymaster")]
        return sorted((one["port"], one["runid"]) for one in others)

    async def heard() -> bool:
        others = [pairs(one) for one in await ask(plain.sentinels[0], "SENTINEL", "SENTINELS", "mymaster")]
        return all(int(one["last-hello-message"]) < 2000 for one in others) and time.monotonic() - begun > 4.5

    begun, first = time.monotonic(), await known()
    await until(heard, within_s=60, because="hellos of Sentinel itself")
    assert await known() == first
    assert "+sdown" not in plain.log("sentinel-0")
    assert plain.log("sentinel-0").count("+sentinel ") == 2


async def test_a_member_of_its_own_file_comes_back_as_what_it_was(plain):
    await assembled(plain)
    plain.kill("redis-1")
    plain.start_redis(1)
    await until(lambda: follows(plain.redis[1], *plain.redis[0]), within_s=60, because="redis-1 follows again")
    assert await ask(plain.redis[1], "CONFIG", "GET", "appendonly") == ["appendonly", "yes"]


async def test_a_member_of_the_operators_file_comes_back_as_its_own_replica_without_settings(tmp_path):
    with started(server_or_skip("redis-7"), system_of("operator-model"), tmp_path) as modelled:
        await assembled(modelled)
        modelled.kill("redis-1")
        modelled.start_redis(1)
        at = modelled.redis[1]
        await until(lambda: follows(at, "127.0.0.1", at[1]), within_s=60, because="redis-1 follows itself")
        assert await ask(at, "CONFIG", "GET", "maxmemory") == ["maxmemory", "0"]


async def test_a_member_that_never_answers_ends_it_with_its_address(plain, monkeypatch):
    plain.kill("redis-2")
    monkeypatch.setattr(assembly, "ANSWER_S", 0.3)
    with pytest.raises(SetupError, match=rf"127.0.0.1:{plain.redis[2][1]} does not answer \(.*refused\); see its log"):
        await assembled(plain)


async def test_a_setting_that_redis_refuses_ends_it_in_redis_own_words(tmp_path):
    system = system_of("operator-model")
    wrong = system.model_copy(update={"settings": system.settings.model_copy(update={"redis": {"maxmemory": "much"}})})
    with (
        started(server_or_skip("redis-7"), wrong, tmp_path) as processes,
        pytest.raises(SetupError, match=r"refused CONFIG SET maxmemory much: ERR"),
    ):
        await assembled(processes)


async def test_a_sentinel_that_hears_of_one_too_few_is_waited_for_and_named(plain, monkeypatch):
    monkeypatch.setattr(assembly, "COMPLETE_S", 3.0)
    more = plain.system.model_copy(update={"sentinels": 4})
    with pytest.raises(SetupError, match=r"knows 2 of 3 sentinels"):
        await assemble(more, plain.redis, plain.sentinels)


async def test_a_replica_that_cannot_follow_is_waited_for_and_named(plain, monkeypatch):
    monkeypatch.setattr(assembly, "COMPLETE_S", 2.0)
    await assembled(plain)
    await ask(plain.redis[0], "ACL", "SETUSER", "default", "-psync", "-sync")
    await ask(plain.redis[1], "REPLICAOF", "NO", "ONE")
    with pytest.raises(
        SetupError, match=rf":{plain.redis[1][1]} is no replica of {LOOPBACK}:{plain.redis[0][1]} in sync"
    ):
        await assembled(plain)


async def test_a_master_that_keeps_the_hurry_of_the_assembly_ends_it(plain):
    """What is measured must not be faster than what was declared."""

    class Deaf(Told):
        async def call(self, *command: str | int) -> Any:
            back = command[:3] == ("CONFIG", "SET", assembly.DELAY) and command[3] != 0
            return "OK" if back else await super().call(*command)

    with pytest.raises(SetupError, match=r"did not take repl-diskless-sync-delay 5 back"):
        await assemble(plain.system, plain.redis, plain.sentinels, Deaf)
