"""Nodes are drained, stopped and taken into use again, each with a proof: for each proof a system that withholds it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.cluster.base import Disturbance
from chaos.cluster.kube import nodes
from chaos.cluster.kube.api import Api
from chaos.cluster.kube.nodes import NodeLimits, Nodes, disturbance_of, undo_of, undone
from chaos.errors import FaultError
from chaos.model import Member, MemberKind
from chaos.undo import Undo
from tests.cluster.kube.server import Refusal, Server

Object = dict[str, Any]
NODE, PODS = "/api/v1/nodes/worker", "/api/v1/namespaces/redis/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/operators/deployments"
REACH = {"kubeconfig": "here", "context": "fake"}
WAITS = NodeLimits(taint=0.1, evict=0.1, leave=0.1, not_ready=0.1, ready=0.1, scaled=0.1)
TARGET = Member(
    name="redis-0",
    kind=MemberKind.REDIS,
    address="10.0.0.1",
    port=6379,
    node="worker",
    domain="node/worker",
    uid="uid-redis-0",
    container="c0",
    ordinal=0,
)
OPERATOR = replace(TARGET, name="op-x", kind=MemberKind.OPERATOR, uid="uid-op-x", container="c1", ordinal=None)


def pod(name: str, owner: str = "StatefulSet", **meta: Any) -> Object:
    owners = [{"kind": owner, "name": "redis", "controller": True}] if owner else []
    made = {"name": name, "namespace": "redis", "uid": f"uid-{name}", "ownerReferences": owners, **meta}
    return {"metadata": made, "spec": {"nodeName": "worker"}, "status": {"phase": "Running"}}


class Worker:
    """A node as the API serves it. `obeys` says whether what is asked of it has its effect."""

    def __init__(self, server: Server, *pods: Object, obeys: bool = True, labels: Object | None = None) -> None:
        self.server, self.obeys, self.ready = server, obeys, True
        self.node: Object = {"metadata": {"name": "worker", "labels": labels or {}}, "spec": {}}
        server.answers["GET", NODE] = lambda: {**self.node, "status": self.status()}
        server.answers["PATCH", NODE] = self.patched
        server.items("/api/v1/pods", *pods)
        for one in pods:
            path = f"{PODS}/{one['metadata']['name']}"
            server.answers["GET", path] = one
            server.answers["POST", f"{path}/eviction"] = self.evicting(path)

    def status(self) -> Object:
        return {"conditions": [{"type": "Ready", "status": "True" if self.ready else "Unknown"}]}

    def patched(self) -> Object:
        """The node lifecycle controller taints what is unschedulable, and takes that away again."""
        change = self.server.asked[-1][3]
        self.node["metadata"]["annotations"] = change["metadata"]["annotations"]
        marked = bool(change["spec"]["unschedulable"])
        self.node["spec"] = {"unschedulable": True} if marked else {}
        if marked and self.obeys:
            self.node["spec"]["taints"] = [{"key": nodes.UNSCHEDULABLE, "effect": "NoSchedule"}]
        return self.node

    def evicting(self, path: str) -> Callable[[], Object]:
        def evicted() -> Object:
            if self.obeys:
                del self.server.answers["GET", path]
            return {"status": "Success"}

        return evicted

    def evicted(self) -> list[str]:
        return [path.split("/")[-2] for method, path, *_ in self.server.asked if method == "POST"]


def undo(how: Disturbance, target: Member = TARGET) -> Undo:
    return undo_of(how, target, "operators", "run-1", REACH)


async def disturbed(api: Api, how: Disturbance, target: Member = TARGET) -> tuple[Nodes, Any]:
    one = Nodes(api, "run-1", WAITS)
    return one, await one.disturb(target, how, undo(how, target))


async def test_a_drain_evicts_what_kubectl_would_and_the_heal_takes_the_node_into_use(api: Api, server: Server) -> None:
    ours = pod("agent", "", labels={"app.kubernetes.io/managed-by": "failover-harness"})
    mirror = pod("kube-proxy-static", "", annotations={"kubernetes.io/config.mirror": "x"})
    worker = Worker(server, pod("redis-0"), pod("web"), pod("proxy", "DaemonSet"), mirror, ours)
    held, effect = await disturbed(api, Disturbance.DRAIN)

    assert effect.confirmed_ns is not None
    assert sorted(worker.evicted()) == ["redis-0", "web"]
    [body] = [body for method, path, _, body in server.asked if path == f"{PODS}/redis-0/eviction"]
    assert (body["kind"], body["deleteOptions"]) == ("Eviction", {"preconditions": {"uid": "uid-redis-0"}})
    assert "2 pods were evicted from worker and are gone: redis/redis-0, redis/web" in effect.evidence
    assert worker.node["spec"]["unschedulable"]

    assert "no longer tainted" in await held.heal()
    assert worker.node["spec"] == {}
    assert (held.held, await held.heal()) == ([], "")


async def test_what_a_disruption_budget_refuses_is_not_evicted_and_nothing_is_proved(api: Api, server: Server) -> None:
    Worker(server, pod("redis-0"))
    why = "Cannot evict pod as it would violate the pod's disruption budget."
    server.answers["POST", f"{PODS}/redis-0/eviction"] = Refusal(429, why)
    held, effect = await disturbed(api, Disturbance.DRAIN)

    assert effect.confirmed_ns is None
    assert why in effect.evidence
    assert [one.request["do"] for one in held.held] == ["uncordon"], "it is cordoned all the same"


async def test_a_pod_that_stays_is_no_drain_and_is_named(api: Api, server: Server) -> None:
    worker = Worker(server, pod("redis-0"), pod("web"))
    server.answers["POST", f"{PODS}/web/eviction"] = {"status": "Success"}
    effect = (await disturbed(api, Disturbance.DRAIN))[1]

    assert worker.evicted()
    assert effect.confirmed_ns is None
    assert "still there: redis/web" in effect.evidence


async def test_a_pod_that_nothing_would_bring_back_is_not_drained_and_nothing_is_done(api: Api, server: Server) -> None:
    Worker(server, pod("redis-0"), pod("by-hand", ""))
    with pytest.raises(FaultError, match=r"kubectl would not drain worker.*redis/by-hand"):
        await disturbed(api, Disturbance.DRAIN)

    assert {method for method, *_ in server.asked} == {"GET"}


async def test_a_cordon_is_proved_by_the_taint_of_another(api: Api, server: Server) -> None:
    Worker(server, obeys=False)
    effect = (await disturbed(api, Disturbance.CORDON))[1]

    assert effect.confirmed_ns is None
    assert "it was not seen that worker is tainted" in effect.evidence


async def test_a_node_that_somebody_else_cordoned_is_left_alone(api: Api, server: Server) -> None:
    worker = Worker(server)
    worker.node["spec"]["unschedulable"] = True
    with pytest.raises(FaultError, match="unschedulable already"):
        await disturbed(api, Disturbance.CORDON)

    assert await undone(api, undo(Disturbance.CORDON)) == "worker is not cordoned by this run"
    assert worker.node["spec"]["unschedulable"]


@pytest.mark.parametrize(
    ("how", "act", "back"),
    [
        (Disturbance.STOP_NODE, "kill worker", "start worker"),
        (Disturbance.STOP_KUBELET, f"exec worker sh -c {nodes.STOP}", f"exec worker sh -c {nodes.GO_ON}"),
    ],
)
async def test_a_stopped_node_has_to_be_not_ready_and_ready_again(
    api: Api, server: Server, program: Callable[[str, str], None], tmp_path: Path, how: Disturbance, act: str, back: str
) -> None:
    program("docker", f'echo "$@" >> {tmp_path}/docker')
    worker = Worker(server)
    unproved = (await disturbed(api, how))[1]
    assert unproved.confirmed_ns is None
    assert "it was not seen that worker became NodeNotReady" in unproved.evidence

    states = iter([True, False])
    worker.status = lambda: {  # type: ignore[method-assign]
        "conditions": [{"type": "Ready", "status": "True" if next(states, False) else "Unknown"}]
    }
    held, effect = await disturbed(api, how)
    assert effect.confirmed_ns is not None

    with pytest.raises(FaultError, match="worker is not Ready"):
        await held.heal()
    assert held.held, "it is still held"
    worker.status = lambda: {"conditions": [{"type": "Ready", "status": "True"}]}  # type: ignore[method-assign]
    assert await held.heal() == "worker is Ready"
    assert (tmp_path / "docker").read_text().splitlines() == [act, act, back, back]


async def test_the_control_plane_is_never_stopped(api: Api, server: Server) -> None:
    Worker(server, labels={nodes.CONTROL_PLANE: ""})
    with pytest.raises(FaultError, match="worker has the control plane"):
        await disturbed(api, Disturbance.STOP_NODE)


async def test_an_operator_is_scaled_away_and_back_to_as_many_as_there_were(api: Api, server: Server) -> None:
    there = pod("op-x", "ReplicaSet")
    path, gone = "/api/v1/namespaces/operators/pods/op-x", [False]
    deployment: Object = {"metadata": {"name": "op"}, "spec": {"replicas": 2}, "status": {"availableReplicas": 2}}
    replicas = {"metadata": {"ownerReferences": [{"kind": "Deployment", "name": "op", "controller": True}]}}
    there["metadata"]["namespace"] = "operators"
    server.answers["GET", path] = lambda: None if gone[0] else there
    server.answers["GET", "/apis/apps/v1/namespaces/operators/replicasets/redis"] = replicas
    server.answers["GET", f"{DEPLOYMENTS}/op"] = lambda: deployment
    server.answers["GET", DEPLOYMENTS] = lambda: {"items": [deployment]}

    def scaled() -> Object:
        change = server.asked[-1][3]
        deployment["metadata"]["annotations"] = change["metadata"]["annotations"]
        deployment["spec"] = change["spec"]
        gone[0] = change["spec"]["replicas"] == 0
        return deployment

    server.answers["PATCH", f"{DEPLOYMENTS}/op"] = scaled
    held, effect = await disturbed(api, Disturbance.SCALE_AWAY, OPERATOR)

    assert effect.confirmed_ns is not None
    assert "Deployment op was scaled to 0, and op-x is gone" in effect.evidence
    assert await undone(api, undo_of(Disturbance.SCALE_AWAY, OPERATOR, "operators", "another", REACH)) == (
        "no Deployment in operators was scaled by this run"
    )
    assert await held.heal() == "Deployment op has 2 available"
    assert deployment["spec"]["replicas"] == 2


def test_what_undoes_each_is_known_before_it_is_done() -> None:
    assert disturbance_of("partition") is None
    for how in Disturbance:
        assert disturbance_of(how.value) is how
        made = undo(how)
        assert (made.executor, made.where["run"]) == ("nodes", "run-1")
        assert "worker" in made.by_hand or "operators" in made.by_hand
    away = undo_of(Disturbance.SCALE_AWAY, replace(OPERATOR, name="operator-5d4f8-x7k2p"), "operators", "r", REACH)
    assert away.by_hand.endswith("-n operators scale deployment operator --replicas 1")
