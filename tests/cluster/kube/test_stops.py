"""A crash and a delete are proved, or said not to be: for each proof a system that withholds it."""

import asyncio
from typing import Any

import pytest

from chaos.clock import HOST, mono_ns
from chaos.cluster.base import Effect, Stop
from chaos.cluster.kube.stops import Pods
from chaos.errors import FaultError
from chaos.model import Member, MemberKind
from chaos.record.events import Pod
from tests.saying import event

PATH = "/api/v1/namespaces/saasodoo/pods/rfr-0"
TARGET = Member(
    name="rfr-0",
    kind=MemberKind.REDIS,
    address="10.0.0.1",
    port=6379,
    node="worker",
    domain="node/worker",
    uid="uid-0",
    container="c0",
    ordinal=0,
)


class Helper:
    """A node where the kill works unless it is `deaf`; `after` is what runs of the pod once it was killed."""

    def __init__(self, after: list[str], *, deaf: bool = False) -> None:
        self.running = ["pause", "c0"]
        self.after = after
        self.deaf = deaf

    async def stop(self, member: Member, how: Stop) -> Effect:
        assert (member.container, how) == ("c0", Stop.KILL)
        self.running = self.after
        now_ns = mono_ns()
        return Effect(
            domain="node/worker",
            earliest_ns=now_ns,
            latest_ns=now_ns,
            accepted_ns=now_ns,
            confirmed_ns=None if self.deaf else now_ns,
            evidence="process 7 seen gone",
        )

    async def afflict(self, member: Member, do: str, **how: object) -> Effect:
        assert (member.container, do, how) == ("c0", "oom", {"most_bytes": 1})
        return await self.stop(member, Stop.KILL)

    async def processes(self, uid: str) -> list[dict[str, Any]]:
        assert uid == "uid-0"
        return [{"pid": number, "name": "x", "cgroup": cgroup} for number, cgroup in enumerate(self.running)]


def told(**said: Any) -> Pod:
    pod = event("pod", **said)
    assert isinstance(pod, Pod)
    return pod


@pytest.fixture
def watch(api, server):
    """A watch by whose word the pod is gone once it is deleted, and its container was started `restarts` times."""
    server.answers["DELETE", PATH] = {"metadata": {"deletionTimestamp": "2026-11-23T09:00:00Z"}}
    said: dict[str, Any] = {"gone": True, "restarts": 0}
    return said, Pods(api, "saasodoo", lambda _: told(**said))


async def test_a_crash_is_a_kill_and_at_once_a_forced_delete_of_that_very_pod(watch, server):
    effect = await watch[1].crash(TARGET, Helper(after=["pause"]))

    assert effect.confirmed_ns is not None
    assert effect.confirmed_ns >= effect.latest_ns
    assert effect.evidence.startswith("process 7 seen gone, its pod deleted ")
    assert server.asked[-1][3] == {"preconditions": {"uid": "uid-0"}, "gracePeriodSeconds": 0}


async def test_a_pod_that_stays_is_no_crash(watch):
    watch[0]["gone"] = False
    effect = await watch[1].crash(TARGET, Helper(after=["pause"]), within_s=0.05)

    assert effect.confirmed_ns is None
    assert "its pod is still there" in effect.evidence


async def test_a_container_that_runs_again_is_no_crash(watch):
    effect = await watch[1].crash(TARGET, Helper(after=["pause", "c1"]))

    assert effect.confirmed_ns is None
    assert effect.evidence.endswith("but a container of it was started again")


async def test_a_container_that_ran_again_for_a_moment_is_no_crash(api, server):
    """It is gone by the time the node is asked; the watch counted it."""
    server.answers["DELETE", PATH] = {"metadata": {}}
    counts = iter([0, 1, 1, 1])
    pods = Pods(api, "saasodoo", lambda _: told(gone=True, restarts=next(counts)))

    assert (await pods.crash(TARGET, Helper(after=["pause"]))).confirmed_ns is None


async def test_a_delete_that_is_refused_is_an_error(watch, server):
    del server.answers["DELETE", PATH]

    with pytest.raises(FaultError, match=r"pod rfr-0 was not deleted: .*404"):
        await watch[1].delete(TARGET)


async def test_a_graceful_delete_keeps_the_pods_own_grace(watch, server):
    effect = await watch[1].delete(TARGET)

    assert effect.domain == HOST
    assert effect.confirmed_ns == effect.latest_ns
    assert server.asked[-1][3] == {"preconditions": {"uid": "uid-0"}}


async def test_a_delete_without_a_time_stamp_is_not_proved(watch, server):
    server.answers["DELETE", PATH] = {"status": "Success"}

    assert (await watch[1].delete(TARGET)).confirmed_ns is None


async def test_a_pod_whose_process_did_not_end_is_not_deleted(watch, server) -> None:
    effect = await watch[1].crash(TARGET, Helper(after=["pause"], deaf=True))

    assert effect.confirmed_ns is None
    assert not [one for one in server.asked if one[0] == "DELETE"]


async def test_an_oom_kill_that_the_kernel_counted_needs_no_other_proof(watch):
    effect = await watch[1].run_out_of_memory(TARGET, Helper(after=[]), {"most_bytes": 1})

    assert effect.confirmed_ns is not None
    assert effect.evidence == "process 7 seen gone"


@pytest.mark.parametrize(
    ("restarts", "ended", "proved"), [(1, "OOMKilled", True), (1, "Error", False), (0, "OOMKilled", False)]
)
async def test_where_the_count_went_with_the_container_the_reason_of_its_end_is_looked_up(
    watch, restarts, ended, proved
):
    """A container that has not been started again since tells of an end before this one."""
    said, pods = watch

    async def comes() -> None:
        said.update(restarts=restarts, ended=ended)

    effect, _ = await asyncio.gather(
        pods.run_out_of_memory(TARGET, Helper(after=[], deaf=True), {"most_bytes": 1}, within_s=0.1), comes()
    )

    assert (effect.confirmed_ns is not None) == proved
    assert ("; its container ended with OOMKilled" in effect.evidence) == proved
