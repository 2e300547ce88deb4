"""Disturb nodes and the operator's Deployment: cordon, drain, stop a node or a kubelet, and scale to 0.

The API server does it or, where a node is a container of kind, the container engine. Nothing on the cluster ends it
when the harness falls silent, so there is no lease: the undo is in the journal (`chaos.undo`), and `failover cleanup`
carries it out. What was changed through the API server is annotated with the run's id, and only what has the annotation
is changed back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from chaos.clock import mono_ns
from chaos.cluster.base import Disturbance, Effect
from chaos.cluster.kube.api import MANAGED_BY, MANAGER, RUN_LABEL, Api, ApiError, Object
from chaos.cluster.kube.deploy import is_ready
from chaos.cluster.kube.kind import ASK_S, run
from chaos.errors import FaultError, HarnessError
from chaos.model import Member
from chaos.undo import Undo
from chaos.until import until

NODES = "/api/v1/nodes"
REPLICAS = "failover-harness/replicas"
"""The annotation on a Deployment that stores its former number of replicas."""
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
"""The taint that the node lifecycle controller adds to an unschedulable node."""
AGAIN_S = 5.0
"""How long `kubectl drain` waits before it repeats an eviction that a PodDisruptionBudget has refused."""
LOOK_S = 0.2
Shown = Callable[[], Awaitable[bool]]
STOP = "kill -STOP $(pidof kubelet)"
GO_ON = "kill -CONT $(pidof kubelet)"


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeLimits:
    """How many seconds each step may take."""

    taint: float = 15.0
    evict: float = 60.0
    leave: float = 240.0
    not_ready: float = 110.0
    ready: float = 50.0
    scaled: float = 45.0


def disturbance_of(fault: str) -> Disturbance | None:
    """Return the disturbance of this name, or None if the fault is one that the node helpers make."""
    return next((one for one in Disturbance if one.value == fault), None)


def undo_of(how: Disturbance, target: Member, namespace: str, run_id: str, reach: Mapping[str, str]) -> Undo:
    """Return how to undo a disturbance. `namespace` is the operator's."""
    kubectl = f"kubectl --kubeconfig {reach['kubeconfig']} --context {reach['context']}"
    node, deployment = target.node, target.name.rsplit("-", 2)[0]  # <deployment>-<ReplicaSet's hash>-<pod's own>
    do, by_hand = {
        Disturbance.CORDON: ("uncordon", f"{kubectl} uncordon {node}"),
        Disturbance.DRAIN: ("uncordon", f"{kubectl} uncordon {node}"),
        Disturbance.STOP_NODE: ("start", f"docker start {node}"),
        Disturbance.STOP_KUBELET: ("go_on", f"docker exec {node} sh -c '{GO_ON}'"),
        Disturbance.SCALE_AWAY: ("scale_back", f"{kubectl} -n {namespace} scale deployment {deployment} --replicas 1"),
    }[how]
    return Undo(
        what=f"{how.value} of {target.name if how is Disturbance.SCALE_AWAY else node}",
        executor="nodes",
        where={**reach, "run": run_id},
        request={"do": do, "node": node, "namespace": namespace},
        by_hand=by_hand,
    )


@dataclass(slots=True)
class Nodes:
    """The nodes that one run disturbs. `held` are the disturbances that it has not undone yet, the latest last."""

    api: Api
    run_id: str
    limits: NodeLimits = NodeLimits()
    held: list[Undo] = field(default_factory=list)

    async def disturb(self, member: Member, how: Disturbance, undo: Undo) -> Effect:
        """Make the disturbance and wait for its proof. Raises FaultError if it is not allowed."""
        match how:
            case Disturbance.CORDON:
                return await self._cordon(member, undo)
            case Disturbance.DRAIN:
                return await self._drain(member, undo)
            case Disturbance.STOP_NODE:
                return await self._silenced(member, undo, "kill", member.node)
            case Disturbance.STOP_KUBELET:
                return await self._silenced(member, undo, "exec", member.node, "sh", "-c", STOP)
            case Disturbance.SCALE_AWAY:
                return await self._scale_away(member, undo)

    async def heal(self) -> str:
        """Undo all disturbances, the latest first. Raises FaultError if some cannot be undone; these stay held."""
        said, failed = [], []
        for undo in reversed(self.held):
            try:
                said.append(await undone(self.api, undo, self.limits))
                self.held.remove(undo)
            except HarnessError as error:
                failed.append(f"{undo.what}: {error}")
        if failed:
            raise FaultError("; ".join(failed))
        return "; ".join(said)

    async def _cordon(self, member: Member, undo: Undo) -> Effect:
        """Mark the node as unschedulable. The proof is the taint that the node lifecycle controller adds."""
        node = await _node(self.api, member.node)
        if node["spec"].get("unschedulable"):
            raise FaultError(f"{member.node} is unschedulable already, and that was not this run")
        self.held.append(undo)
        before_ns = mono_ns()
        change: Object = {"metadata": {"annotations": {RUN_LABEL: self.run_id}}, "spec": {"unschedulable": True}}
        await self.api.request("MERGE", f"{NODES}/{member.node}", change)
        return await self._proved(
            Effect.of_request(before_ns),
            lambda: _tainted(self.api, member.node),
            f"{member.node} is tainted {UNSCHEDULABLE}",
            within_s=self.limits.taint,
        )

    async def _drain(self, member: Member, undo: Undo) -> Effect:
        """Drain a node as `kubectl drain --ignore-daemonsets --delete-emptydir-data` does.

        The node is cordoned, and then every pod on it is evicted at once, except pods of DaemonSets, static pods and
        our own. The effect is the eviction of the target, which a PodDisruptionBudget may refuse for a while. The proof
        is that each of the pods is gone, or replaced by another pod of its name.
        """
        there = await self.api.items("/api/v1/pods", fieldSelector=f"spec.nodeName={member.node}")
        leaving = [pod for pod in there if pod["spec"].get("nodeName") == member.node and is_evicted(pod)]
        alone = [
            _name(pod)
            for pod in leaving
            if not _controller(pod) and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        ]
        if alone:
            raise FaultError(f"kubectl would not drain {member.node}: nothing would bring back {', '.join(alone)}")
        if member.uid not in [pod["metadata"]["uid"] for pod in leaving]:
            raise FaultError(f"{member.name} is not on {member.node} any more, or is not evicted by a drain")
        cordoned = await self._cordon(member, undo)
        if cordoned.confirmed_ns is None:
            return cordoned
        evicted = await asyncio.gather(*(self._evicted(pod) for pod in leaving), return_exceptions=True)
        broken = [one for one in evicted if isinstance(one, BaseException)]
        if broken:
            return replace(cordoned, confirmed_ns=None, evidence="; ".join(str(one) for one in broken))
        [effect] = [
            one
            for pod, one in zip(leaving, evicted, strict=True)
            if pod["metadata"]["uid"] == member.uid and isinstance(one, Effect)
        ]
        lacking: list[str] = []

        async def left() -> bool:
            lacking[:] = [_name(pod) for pod in leaving if await _is_there(self.api, pod)]
            return not lacking

        said = f"{len(leaving)} pods were evicted from {member.node} and are gone: {', '.join(map(_name, leaving))}"
        return await self._proved(effect, left, said, within_s=self.limits.leave, lacking=lacking)

    async def _evicted(self, pod: Object) -> Effect:
        """Request the eviction of this very pod until it is accepted, as kubectl does."""
        meta, before_ns, refused = pod["metadata"], mono_ns(), ""
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
            "deleteOptions": {"preconditions": {"uid": meta["uid"]}},
        }

        async def accepted() -> bool:
            nonlocal before_ns, refused
            before_ns = mono_ns()
            try:
                await self.api.request("POST", f"{_path(pod)}/eviction", body)
            except ApiError as error:
                refused = f"the eviction of {_name(pod)} is refused: {error}"
                if error.status == 404:
                    return True
                if error.status != 429:  # 429: a PodDisruptionBudget refuses the eviction for now
                    raise FaultError(refused) from error
                return False
            return True

        await until(accepted, within_s=self.limits.evict, because=lambda: refused, every_s=AGAIN_S, error=FaultError)
        return Effect.of_request(before_ns)

    async def _silenced(self, member: Member, undo: Undo, *words: str) -> Effect:
        """Run this docker command, which stops a node or its kubelet. The proof is that the node is not Ready."""
        node = await _node(self.api, member.node)
        if CONTROL_PLANE in node["metadata"].get("labels", {}):
            raise FaultError(f"{member.node} has the control plane, without which nothing is seen any more")
        if not is_ready(node):
            raise FaultError(f"{member.node} is not Ready already")
        self.held.append(undo)
        before_ns = mono_ns()
        await run("docker", *words, within_s=ASK_S)
        effect, why = Effect.of_request(before_ns), f"{member.node} became NodeNotReady"

        async def not_ready() -> bool:
            return not is_ready(await _node(self.api, member.node))

        return await self._proved(effect, not_ready, why, within_s=self.limits.not_ready)

    async def _scale_away(self, member: Member, undo: Undo) -> Effect:
        """Scale the Deployment of a pod to 0. The proof is that the pod is gone."""
        namespace = undo.request["namespace"]
        pod = await self.api.get(f"/api/v1/namespaces/{namespace}/pods/{member.name}")
        of_set = _controller(pod or {"metadata": {}})
        made = await self.api.get(f"{_apps(namespace)}/replicasets/{of_set}") if of_set else None
        name = _controller(made or {"metadata": {}})
        path = f"{_apps(namespace)}/deployments/{name}"
        deployment = await self.api.get(path) if name else None
        if pod is None or deployment is None:
            raise FaultError(f"{member.name} is not the pod of a Deployment in {namespace}, which could be scaled")
        self.held.append(undo)
        marks = {RUN_LABEL: self.run_id, REPLICAS: str(deployment["spec"]["replicas"])}
        before_ns = mono_ns()
        await self.api.request("MERGE", path, {"metadata": {"annotations": marks}, "spec": {"replicas": 0}})
        effect, said = Effect.of_request(before_ns), f"Deployment {name} was scaled to 0, and {member.name} is gone"

        async def gone() -> bool:
            return not await _is_there(self.api, pod)

        return await self._proved(effect, gone, said, within_s=self.limits.scaled)

    async def _proved(
        self, effect: Effect, shown: Shown, said: str, *, within_s: float, lacking: list[str] | None = None
    ) -> Effect:
        """Wait up to `within_s` until `shown` is true, and return the effect with `said` as its proof.

        If it does not become true, the effect has no proof. Its evidence is then that `said` was not seen, and what is
        in `lacking`, which `shown` keeps up to date.
        """

        def because() -> str:
            return f"it was not seen that {said}" + (f"; still there: {', '.join(lacking)}" if lacking else "")

        try:
            await until(shown, within_s=within_s, because=because, every_s=LOOK_S, error=FaultError)
        except FaultError as error:
            return replace(effect, confirmed_ns=None, evidence=str(error))
        after_s = ((now_ns := mono_ns()) - effect.latest_ns) / 1e9
        return replace(effect, confirmed_ns=now_ns, evidence=f"{said}, {after_s:.1f} s after the effect")


async def undone(api: Api, undo: Undo, limits: NodeLimits = NodeLimits()) -> str:
    """Carry out an undo and return its proof in words. Repeating it, or undoing what was never done, is harmless."""
    asked, run_id = undo.request, undo.where["run"]
    if asked["do"] == "scale_back":
        return await _scaled_back(api, asked["namespace"], run_id, limits)
    node = asked["node"]
    if asked["do"] == "uncordon":
        return await _uncordoned(api, node, run_id, limits)
    words = ("start", node) if asked["do"] == "start" else ("exec", node, "sh", "-c", GO_ON)
    await run("docker", *words, within_s=ASK_S)

    async def ready() -> bool:
        return is_ready(await _node(api, node))

    await until(ready, within_s=limits.ready, because=f"{node} is not Ready", every_s=LOOK_S, error=FaultError)
    return f"{node} is Ready"


async def _uncordoned(api: Api, node: str, run_id: str, limits: NodeLimits) -> str:
    if (await _node(api, node))["metadata"].get("annotations", {}).get(RUN_LABEL) != run_id:
        return f"{node} is not cordoned by this run"
    change: Object = {"metadata": {"annotations": {RUN_LABEL: None}}, "spec": {"unschedulable": None}}
    await api.request("MERGE", f"{NODES}/{node}", change)

    async def schedulable() -> bool:
        return not await _tainted(api, node)

    because = f"{node} is still tainted {UNSCHEDULABLE}"
    await until(schedulable, within_s=limits.taint, because=because, every_s=LOOK_S, error=FaultError)
    return f"{node} is no longer tainted {UNSCHEDULABLE}"


async def _scaled_back(api: Api, namespace: str, run_id: str, limits: NodeLimits) -> str:
    said = []
    for one in await api.items(f"{_apps(namespace)}/deployments"):
        marks, name = one["metadata"].get("annotations", {}), one["metadata"]["name"]
        if marks.get(RUN_LABEL) != run_id:
            continue
        count, path = int(marks[REPLICAS]), f"{_apps(namespace)}/deployments/{name}"
        change = {"metadata": {"annotations": {RUN_LABEL: None, REPLICAS: None}}, "spec": {"replicas": count}}
        await api.request("MERGE", path, change)

        async def available(path: str = path, count: int = count) -> bool:
            status: Object = (await api.get(path) or {}).get("status", {})
            return int(status.get("availableReplicas", 0)) >= count

        because = f"Deployment {name} has not {count} available"
        await until(available, within_s=limits.scaled, because=because, every_s=LOOK_S, error=FaultError)
        said.append(f"Deployment {name} has {count} available")
    return "; ".join(said) or f"no Deployment in {namespace} was scaled by this run"


def is_evicted(pod: Object) -> bool:
    """Return whether a drain evicts the pod: unless a DaemonSet made it, it is a static pod, or it is ours."""
    meta = pod["metadata"]
    kinds = [one["kind"] for one in meta.get("ownerReferences", []) if one.get("controller")]
    mirrored = "kubernetes.io/config.mirror" in meta.get("annotations", {})
    return not mirrored and "DaemonSet" not in kinds and meta.get("labels", {}).get(MANAGED_BY) != MANAGER


def _controller(one: Object) -> str:
    """Return the name of the controller that would replace the object, or an empty string."""
    owners = one["metadata"].get("ownerReferences", [])
    return next((str(owner["name"]) for owner in owners if owner.get("controller")), "")


async def _is_there(api: Api, pod: Object) -> bool:
    found = await api.get(_path(pod))
    return found is not None and found["metadata"]["uid"] == pod["metadata"]["uid"]


async def _node(api: Api, name: str) -> Object:
    return await api.request("GET", f"{NODES}/{name}")


async def _tainted(api: Api, node: str) -> bool:
    return any(one["key"] == UNSCHEDULABLE for one in (await _node(api, node))["spec"].get("taints", []))


def _name(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _apps(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}"
