"""A real system without a namespace: on the machine's loopback, each in a range of its own. For any machine."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos.cluster.base import Ability, Partition, Stop
from chaos.cluster.local import loopback
from chaos.cluster.local.level import LOOPBACK, Level
from chaos.cluster.local.loopback import Loopback
from chaos.errors import FaultError, SetupError
from chaos.model import Member
from chaos.resp import Resp
from chaos.scenario import load
from chaos.until import until
from tests.cluster.local.systems import WITHIN_S, Held, family, held, nest_pid, scenario
from tests.rig import free_port

UNUSED = 255
"""No system takes this range by itself."""
FORCED = Level(LOOPBACK, "FAILOVER_LEVEL asks for it")


def range_of(one: Held) -> str:
    """127.N, the one that all its addresses are in."""
    said = {pod.event.ip for pod in one.said("pod")} | {each.event.cluster_ip for each in one.said("service")}
    [found] = {".".join(address.split(".")[:2]) for address in said}
    return found


@contextmanager
def claimed(*ports: int) -> Iterator[Loopback]:
    one = Loopback(ports)
    with one._held:
        yield one


def ended(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


async def role(address: str, port: int = 6379) -> list[object]:
    async with Resp.connect(address, port, 2.0) as connection:
        return list(await connection.call("ROLE"))


@pytest.mark.redis
async def test_it_is_whole_and_its_members_know_each_other_by_their_addresses(tmp_path):
    async with held(tmp_path, level=FORCED) as one:
        assert one.cluster.cannot.keys() == {Ability.CUT, Ability.LINK, Ability.DELAY}
        members = await one.cluster.members()
        assert len({member.address for member in members.values()}) == 7
        await one.until("endpoints", service="redis")
        assert re.fullmatch(r"127\.\d+", range_of(one))
        replicas = {members[f"redis-{number}"].address for number in (1, 2)}
        [master, _, known] = await role(members["redis-0"].address)
        assert master == "master"
        assert {address for address, _, _ in known} == replicas  # type: ignore[attr-defined]
        services = {said.event.service: said.event.cluster_ip for said in one.said("service")}
        assert (await role(services["redis"]))[0] == "master"
        async with Resp.connect(services["sentinel"], 26379, 2.0) as sentinel:
            others = await sentinel.call("SENTINEL", "SENTINELS", "mymaster")
        assert {other[other.index("ip") + 1] for other in others} < {
            members[f"sentinel-{number}"].address for number in range(3)
        }


@pytest.mark.redis
async def test_a_master_that_crashes_is_replaced_and_the_service_follows(tmp_path):
    wanted = scenario(local__replace__after="6s")
    async with held(tmp_path, wanted, FORCED) as one:
        before = await one.member("redis-0")
        service = (await one.until("service", service="redis")).event.cluster_ip
        await one.until("endpoints", service="redis")
        await one.cluster.stop(before, Stop.CRASH)
        await one.until("endpoints", service="redis", endpoints=[])
        with pytest.raises(ConnectionRefusedError):
            await role(service)

        async def moved() -> bool:
            return bool(one.said("endpoints", service="redis")[-1].event.endpoints)

        await until(moved, within_s=WITHIN_S, because="the Service has an endpoint again", every_s=0.02)
        assert (await role(service))[0] == "master"

        async def back() -> Member | None:
            return (await one.cluster.members()).get("redis-0")

        after = await until(back, within_s=WITHIN_S, because="redis-0 is back")
        assert after.uid != before.uid

        async def known() -> bool:
            return after.address in {address for address, _, _ in (await role(service))[2]}  # type: ignore[attr-defined]

        await until(known, within_s=WITHIN_S, because="the master knows it by its address")


@pytest.mark.redis
async def test_the_operators_files_follow_nobody_elses_redis(tmp_path):
    """127.0.0.1 is the machine's here, and whatever listens there is not the system's."""
    async with held(tmp_path, load("operator-model").scenario, FORCED) as one:
        for name in ("rfr-redis-cluster-1", "rfr-redis-cluster-2"):
            await one.cluster.stop(await one.member(name), Stop.KILL)
            started = await one.until("pod", name=name, restarts=1)
            address = started.event.ip

            async def itself(address: str = address) -> bool:
                try:
                    return (await role(address))[:2] == ["slave", address]
                except OSError:
                    return False

            await until(itself, within_s=WITHIN_S, because="it follows itself", every_s=0.01)


@pytest.mark.redis
async def test_a_cut_is_refused_by_the_system_itself_too(tmp_path):
    async with held(tmp_path, level=FORCED) as one:
        member = await one.member("redis-0")
        with pytest.raises(FaultError, match="redis-0 has no network of its own that could be cut"):
            await one.cluster.cut(Partition(member=member, peers=("127.0.0.1",), longest_s=1.0))


@pytest.mark.redis
async def test_two_systems_side_by_side_do_not_meet(tmp_path):
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    async with held(folders[0], level=FORCED) as first, held(folders[1], level=FORCED) as second:
        for one in (first, second):
            await one.until("endpoints", service="redis")
            assert len((await role((await one.member("redis-0")).address))[2]) == 2  # type: ignore[arg-type]
        assert range_of(first) != range_of(second)


@pytest.mark.redis
async def test_nothing_is_left_when_the_nest_is_killed(tmp_path):
    async with held(tmp_path, level=FORCED) as one:
        await one.until("endpoints", service="redis")
        pids = family(nest_pid())
        assert len(pids) == 9
        os.kill(pids[0], signal.SIGKILL)

        async def gone() -> bool:
            return all(ended(pid) for pid in pids)

        await until(gone, within_s=WITHIN_S, because="all of it is gone")


def test_a_range_in_which_somebody_listens_is_passed_over(monkeypatch):
    monkeypatch.setattr(loopback, "RANGES", (0, UNUSED))
    with socket.create_server(("127.0.7.7", 0)), claimed(free_port()) as one:
        assert one.members == f"127.{UNUSED}"


def test_a_range_is_free_again_once_its_system_is_gone(monkeypatch):
    monkeypatch.setattr(loopback, "RANGES", (UNUSED,))
    ports = (free_port(), free_port())
    with claimed(*ports), pytest.raises(SetupError, match="no range of loopback addresses is free"):
        Loopback(ports)
    with claimed(*ports) as again:
        assert again.members == f"127.{UNUSED}"


def test_a_port_that_somebody_has_at_every_address_is_named_with_what_frees_it():
    with socket.create_server(("0.0.0.0", 0)) as everywhere:
        port = everywhere.getsockname()[1]
        with pytest.raises(SetupError, match=rf"for the ports {port} \(Address already in use\).*--set system.local"):
            Loopback((port,))
