"""A pod that never becomes Ready is named, with what it waits for and its last event."""

import asyncio
import re
import time

import pytest

from chaos.cluster.kube.deploy import Readiness, is_ready, state_of
from chaos.errors import SetupError
from chaos.progress import Message, Tell
from chaos.scenario.scenario import System
from chaos.until import until

REDIS, OPERATOR = "/api/v1/namespaces/here/pods", "/api/v1/namespaces/ops/pods"
SYSTEM = System.model_validate(
    {
        "kube": {
            "manifests": [],
            "namespace": "here",
            "images": [],
            "redis": {"selector": "a=b"},
            "sentinel": {"selector": "a=b", "service": "rfs"},
            "operator": {"namespace": "ops", "selector": "a=c"},
        },
        "replicas": 1,
        "sentinels": 2,
        "period": "30s",
    }
)


def pod(name: str, *, ready: bool = True, waiting: str = ""):
    conditions = [{"type": "Ready", "status": str(ready), "message": "containers with unready status: [redis]"}]
    containers = [{"state": {"waiting": {"reason": waiting, "message": f"{waiting} of image"}}}] if waiting else []
    return {"metadata": {"name": name}, "status": {"conditions": conditions, "containerStatuses": containers}}


def readiness(api) -> Readiness:
    return Readiness(api, SYSTEM, lambda _: None)


async def test_it_returns_once_every_pod_is_ready(api, server):
    server.items(OPERATOR, pod("operator"))
    server.items(REDIS, pod("one"), pod("two"))

    await readiness(api).wait(within_s=1)


async def test_a_pod_that_never_becomes_ready(api, server):
    server.items(OPERATOR, pod("operator"))
    server.items(REDIS, pod("one"), pod("two", ready=False, waiting="ErrImagePull"))
    early = {"reason": "Scheduled", "message": "to worker", "lastTimestamp": "2026-11-23T09:00:00Z"}
    late = {"reason": "Failed", "message": "no such image", "lastTimestamp": "2026-11-23T09:00:09Z"}
    server.items("/api/v1/namespaces/here/events", late, early)

    expected = r"0\.1 s: pod two is not Ready: ErrImagePull of image; its log is empty; last event: Failed: no such"
    with pytest.raises(SetupError, match=expected):
        await readiness(api).wait(within_s=0.1)
    assert server.asked[-1][2] == {"fieldSelector": ["involvedObject.name=two"]}


async def test_a_pod_that_never_becomes_ready_is_described_with_its_last_lines(api, server):
    server.items(OPERATOR, pod("operator"))
    server.items(REDIS, pod("one"), pod("two", ready=False))
    server.items("/api/v1/namespaces/here/events", {"reason": "Unhealthy", "message": "probe failed"})
    server.answers["GET", f"{REDIS}/two/log"] = "getent: not found"
    told: list[Message] = []

    words = 'pod two is not Ready: .*; its log ends: ""getent: not found""; last event: Unhealthy: probe failed'
    waiting = asyncio.create_task(Readiness(api, SYSTEM, told.append).wait(30, say_s=0.01, described_s=0.05))

    async def told_again() -> bool:
        """Some rounds after the note, so that a second one would have come."""
        return [message.tell for message in told].count(Tell.WAITING) > 20

    await until(told_again, within_s=60, because="it is told again and again what is waited for", every_s=0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    notes = [message.data["text"] for message in told if message.tell is Tell.NOTE]
    assert len(notes) == 1
    assert re.match(words, notes[0])


async def test_a_container_that_can_never_start_ends_the_wait_at_once(api, server):
    server.items(OPERATOR, pod("operator"))
    server.items(REDIS, pod("one"), pod("two", ready=False, waiting="InvalidImageName"))
    server.items("/api/v1/namespaces/here/events")

    begun = time.monotonic()
    with pytest.raises(SetupError, match=r"^pod two is not Ready: InvalidImageName of image; its log is empty"):
        await readiness(api).wait(within_s=30)
    assert time.monotonic() - begun < 5


async def test_pods_that_never_appear(api, server):
    server.items(OPERATOR)
    server.items("/api/v1/namespaces/ops/events")

    with pytest.raises(SetupError, match=r"0 of 1 pods with a=c are there in ops; no event says why"):
        await readiness(api).wait(within_s=0.1)


def test_a_pod_that_is_being_deleted_is_not_ready():
    leaving = pod("one")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-23T09:00:00Z"

    assert is_ready(pod("one"))
    assert not is_ready(leaving)


def test_a_pod_that_no_node_takes_says_so():
    condition = {"type": "PodScheduled", "status": "False", "message": "0/4 nodes are available"}

    assert state_of({"status": {"phase": "Pending", "conditions": [condition]}}) == "0/4 nodes are available"
    assert state_of({"status": {"phase": "Pending"}}) == "Pending"
