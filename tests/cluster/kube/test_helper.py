"""The node helper on a real node, with real containers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chaos.clock import identity, mono_ns
from chaos.cluster.base import Partition, Stop
from chaos.cluster.kube.helper import NodeHelper, pod_manifest
from chaos.cluster.kube.stream import LineStream, PodProgram
from chaos.errors import FaultError
from chaos.record.events import Stamped
from chaos.until import until
from tests.cluster.kube.rig import Room, aimed_at, container_of, room
from tests.saying import said


def test_the_pod_can_heal_before_it_ends() -> None:
    """It reaches every process of its node, starts anywhere, keeps its state over a restart, and has a grace."""
    spec = pod_manifest("failover-harness", "worker-1", "failover-agent:1")["spec"]

    assert spec["hostPID"]
    assert spec["containers"][0]["securityContext"]["privileged"]
    assert spec["tolerations"] == [{"operator": "Exists"}]
    assert spec["containers"][0]["volumeMounts"][0]["mountPath"] == "/run/failover"
    assert spec["terminationGracePeriodSeconds"] > 5


def test_a_long_node_name_still_makes_a_pod_name() -> None:
    name = pod_manifest("n", "ip-10-0-0-1." + "x" * 80, "i")["metadata"]["name"]

    assert len(name) <= 63


@asynccontextmanager
async def helping(there: Room) -> AsyncIterator[tuple[NodeHelper, list[Stamped[Any]]]]:
    events: list[Stamped[Any]] = []
    helper = NodeHelper(there.api, pod_manifest(there.namespace, there.node, there.image), events.append)
    try:
        await helper.start()
        yield helper, events
    finally:
        await helper.close()


@pytest.fixture
async def there() -> AsyncIterator[Room]:
    async with room() as made:
        yield made


@pytest.mark.kind
@pytest.mark.timeout(180)
async def test_faults_of_a_helper(there: Room) -> None:
    """One helper, everything it does: starting one costs seconds."""
    one, two = await asyncio.gather(there.redis("one"), there.redis("two"))
    async with helping(there) as (helper, events):
        assert events[0].event.boot_id == identity()["boot_id"]  # a kind node runs on the host's kernel
        await paused(helper, container_of(one))
        await cut(helper, container_of(one), two["status"]["podIP"], there)
        await killed(helper, container_of(one))
        restarted = await there.running("one", restarts=1)
        assert container_of(restarted) != container_of(one)
        with pytest.raises(FaultError, match="no process of container"):
            await helper.stop(aimed_at(container_of(one)), Stop.KILL)
        names = {process["name"] for process in await helper.processes(one["metadata"]["uid"])}
        assert names == {"pause", "redis-server"}
    assert [event.event.kind for event in events].count("clock.pair") >= 1
    assert not [event for event in events if event.event.kind in ("gap", "fault.undone")]


async def paused(helper: NodeHelper, container: str) -> None:
    effect = await helper.stop(aimed_at(container), Stop.PAUSE)
    assert effect.latest_ns - effect.earliest_ns < 50e6
    assert effect.evidence.endswith("seen stopped")
    await helper.resume(aimed_at(container))


async def cut(helper: NodeHelper, container: str, peer: str, there: Room) -> None:
    """Proved by a packet: the pod's own, to the peer that it is cut from."""
    dialling = ["sh", "-c", f"while sleep 0.1; do timeout 1 redis-cli -h {peer} ping; done"]
    talker = LineStream(there.api, PodProgram(there.namespace, "one", "redis", dialling))
    await talker.open()
    begun_ns = mono_ns()
    effect = await helper.cut(Partition(member=aimed_at(container), peers=(peer,), longest_s=60))
    assert effect.latest_ns - effect.earliest_ns < 50e6
    assert effect.confirmed_ns is not None
    assert effect.confirmed_ns - begun_ns < 1e9
    await helper.heal()
    await talker.close()


async def killed(helper: NodeHelper, container: str) -> None:
    effect = await helper.stop(aimed_at(container), Stop.KILL)
    assert effect.latest_ns - effect.earliest_ns < 50e6
    assert effect.evidence.endswith("seen gone")


@pytest.mark.kind
@pytest.mark.timeout(180)
async def test_an_unproved_cut_and_a_helper_that_was_replaced(there: Room) -> None:
    """Nobody talks to 192.0.2.1, so nothing is dropped. A helper that dies comes back, heals, and says so."""
    one = container_of(await there.redis("one"))
    async with helping(there) as (helper, events):
        effect = await helper.cut(Partition(member=aimed_at(one), peers=("192.0.2.1",), longest_s=60))
        assert effect.confirmed_ns is None
        assert "no packet between it and 1 peers was dropped" in effect.evidence
        own = (await there.api.items(there.pods, labelSelector="app.kubernetes.io/component=node-helper"))[0]
        with pytest.raises(FaultError, match="broke off"):
            await helper.stop(aimed_at(container_of(own)), Stop.KILL)  # the helper itself: the kubelet starts it again

        async def healed() -> list[dict[str, str]]:
            return [said(event) for event in events if event.event.kind == "fault.undone"]

        undone = await until(healed, within_s=60, because="the helper came back and said that it healed")
        assert undone == [{"what": "cut", "because": "the helper was started again"}]
        assert [event.event.source for event in events if event.event.kind == "gap"] == [f"helper on {there.node}"]
        await helper.heal()
