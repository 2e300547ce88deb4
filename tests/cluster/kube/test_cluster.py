"""Faults on a real system, each with its effect and its proof. A replica is the target: the system stays up."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chaos.agent.orders import MEMBERS, START, AgentSpec
from chaos.client.spec import ClientSpec, Load
from chaos.clock import mono_ns
from chaos.cluster.base import Effect, Partition, Stop
from chaos.cluster.health import Facts, replicas, summary, unhealthy
from chaos.cluster.kube.agent import KubeAgent
from chaos.cluster.kube.api import OURS, Api
from chaos.cluster.kube.cluster import KubeCluster, connect
from chaos.cluster.kube.deploy import NAMESPACE
from chaos.cluster.kube.helper import NodeHelper, pod_manifest
from chaos.errors import SetupError
from chaos.model import Member
from chaos.record.event_files import Tail
from chaos.record.events import Stamped
from chaos.record.ops_files import read_rows
from chaos.until import until
from tests.cluster.kube.conftest import System
from tests.cluster.kube.rig import aimed_at
from tests.saying import stamped

pytestmark = [pytest.mark.kind, pytest.mark.timeout(400)]
SERVICE = "rfrm-redis-cluster"
WIDEST_MS = 1000.0
"""Of an effect here. On a calm machine it is below 50; these tests share theirs with whatever else runs."""


class Open:
    """A cluster that is connected to, with everything it says folded into facts, and an agent that observes."""

    def __init__(self, cluster: KubeCluster, system: System, directory: Path) -> None:
        self.cluster, self.system, self.directory = cluster, system, directory
        self.events: list[Stamped[Any]] = []
        self.facts = Facts()
        self._agent = Tail(directory / "events" / "agent.jsonl")

    async def follow(self) -> None:
        async for event in self.cluster.events():
            self.take(event)

    def take(self, one: Stamped[Any]) -> None:
        self.events.append(one)
        self.facts.apply(one.event)

    async def launch(self) -> KubeAgent:
        await self.tell_members()
        client = ClientSpec(
            number=0, kind="meter", path="service", connection="kept", address=f"{SERVICE}:6379", rate_hz=50
        )
        spec = AgentSpec(
            clients=(client,),
            load=Load(deadline_s=0.2, keys=f"failover:test:{mono_ns()}:", ttl_s=600, database=0, master="mymaster"),
            members=tuple(self.facts.members.values()),
            names=(SERVICE,),
            limit_s=300,
        )
        return await self.cluster.launch(spec)

    async def tell_members(self, agent: KubeAgent | None = None) -> None:
        members = [member.as_json() for member in (await self.cluster.members()).values()]
        self.take(stamped("members", "host", mono_ns(), members=members))
        if agent is not None:
            await agent.put(MEMBERS, json.dumps(members))

    async def healthy(self) -> str:
        """Wait for the gate as a trial does: from the agent's events and the platform's."""

        async def nothing_wrong() -> bool:
            for one in self._agent.new():
                self.facts.apply(one.event)
            return not unhealthy(self.facts, self.system.scenario.system, [SERVICE])

        def because() -> str:
            return "; ".join(unhealthy(self.facts, self.system.scenario.system, [SERVICE]))

        await until(nothing_wrong, within_s=180, because=because, every_s=0.5)
        return summary(self.facts)

    async def replica(self) -> Member:
        return (await self.cluster.members())[replicas(self.facts)[0].name]


@asynccontextmanager
async def opened(system: System, directory: Path) -> AsyncIterator[Open]:
    async with connect(system.ref, system.scenario, directory) as cluster:
        one = Open(cluster, system, directory)
        following = asyncio.create_task(one.follow())
        try:
            yield one
        finally:
            following.cancel()


def width_ms(effect: Effect) -> float:
    return (effect.latest_ns - effect.earliest_ns) / 1e6


def api_of(system: System) -> Api:
    return Api(Path(system.ref["kubeconfig"]), system.ref["context"])


async def ours(system: System) -> list[str]:
    """Pods of ours that nobody has asked to end yet."""
    with api_of(system) as api:
        namespaces = (NAMESPACE, system.scenario.system.on_kube.namespace)
        paths = [f"/api/v1/namespaces/{namespace}/pods" for namespace in namespaces]
        found = [pod for path in paths for pod in await api.items(path, labelSelector=OURS)]
        return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]]


async def test_faults_and_their_proofs(system, tmp_path):
    """One connection, every fault. Afterwards the gate opens again, and nothing of ours is left."""
    async with opened(system, tmp_path) as one:
        agent = await one.launch()
        assert await one.healthy() == summary(one.facts)
        await pause(one)
        await cut(one)
        await crash(one)
        await one.tell_members(agent)
        await one.healthy()
        await agent.close()
        assert {"clock.domain", "clock.offset", "pod", "endpoints", "service"} <= {
            event.event.kind for event in one.events
        }
    assert await ours(system) == []


async def pause(one: Open) -> None:
    effect = await one.cluster.stop(await one.replica(), Stop.PAUSE)
    await one.cluster.resume(await one.replica())

    assert effect.confirmed_ns is not None
    assert width_ms(effect) < WIDEST_MS


async def cut(one: Open) -> None:
    target = await one.replica()
    peers = tuple(other.address for other in (await one.cluster.members()).values() if other.name != target.name)
    asked_ns = mono_ns()
    effect = await one.cluster.cut(Partition(member=target, peers=peers, longest_s=30))
    began_ns = mono_ns()
    await one.cluster.heal()
    await one.cluster.heal()

    assert effect.confirmed_ns is not None, effect.evidence
    assert width_ms(effect) < WIDEST_MS
    assert (effect.confirmed_ns - asked_ns) / 1e9 < 2
    assert (mono_ns() - began_ns) / 1e9 < 5


async def crash(one: Open) -> None:
    target = await one.replica()
    effect = await one.cluster.stop(target, Stop.CRASH)

    assert effect.confirmed_ns is not None, effect.evidence
    assert width_ms(effect) < WIDEST_MS
    assert "no container of it started again" in effect.evidence

    async def successor() -> bool:
        now = (await one.cluster.members()).get(target.name)
        return now is not None and now.uid != target.uid and now.address not in {"", target.address}

    await until(successor, within_s=60, because="no successor with another address")


async def test_a_killed_agent_is_noticed_and_what_it_recorded_is_there(system, tmp_path):
    """At most 2 s of the record are lost, and who pulls is told how the agent ended."""
    async with opened(system, tmp_path) as one:
        agent = await one.launch()
        await agent.put(START, json.dumps({"deadline_s": 0.2}))
        await asyncio.sleep(4)
        killed_ns = await kill_the_agent(system)

        async def told() -> bool:
            return any(event.event.kind == "gap" and "ended by itself" in event.event.text for event in one.events)

        await until(told, within_s=60, because="nobody says that the agent ended")
        with pytest.raises(SetupError, match=r"the agent ended by itself: .*exit code 137"):
            await agent.pull()
        last_ns = max(row.intended_ns for row in read_rows(tmp_path / "ops" / "meters.rows"))
        assert (killed_ns - last_ns) / 1e9 < 2
    assert await ours(system) == []


async def kill_the_agent(system: System) -> int:
    """By a helper on its node: a container's own process 1 is safe from its own namespace."""
    with api_of(system) as api:
        pods = await api.items(
            f"/api/v1/namespaces/{system.scenario.system.on_kube.namespace}/pods", labelSelector=OURS
        )
        states = {one["name"]: one["containerID"] for one in pods[0]["status"]["containerStatuses"]}
        pod = pod_manifest(NAMESPACE, pods[0]["spec"]["nodeName"], system.ref["agent_image"])
        helper = NodeHelper(api, pod, lambda _: None)
        try:
            await helper.start()
            agent = aimed_at(states["agent"].rpartition("/")[2], "agent")
            return (await helper.stop(agent, Stop.KILL)).latest_ns
        finally:
            await helper.close()
