"""A system on Kubernetes, as the worker of a trial uses it. `connect` yields a `chaos.cluster.base.Cluster`.

Faults are made by the node helpers and the API server. A helper stamps the effect of a fault on its own node; that a
pod is being deleted or is gone is seen by the watch. Nothing is retried: a fault that fails half-way is an error.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chaos.agent.orders import AgentSpec
from chaos.clock import mono_ns
from chaos.cluster.base import Ability, Disturbance, Effect, Members, Partition, Stop
from chaos.cluster.kube import nodes
from chaos.cluster.kube.agent import KubeAgent, agent_configuration, agent_pod, free_node, launch, placed
from chaos.cluster.kube.api import OURS, SYSTEM_LABEL, Api, carried
from chaos.cluster.kube.deploy import NAMESPACE, is_ready, namespace_object, remove_ours
from chaos.cluster.kube.helper import NodeHelper, login_of, pod_manifest
from chaos.cluster.kube.leftovers import TRIAL, keep, undo_of
from chaos.cluster.kube.nodes import Nodes, disturbance_of
from chaos.cluster.kube.stops import Pods
from chaos.cluster.kube.watcher import Watcher
from chaos.errors import FaultError, HarnessError
from chaos.model import Member, MemberKind
from chaos.record.events import Event, Pod, Stamped, gap_event
from chaos.scenario.scenario import Scenario
from chaos.undo import Undo, about_of
from chaos.until import until

MEMBERS_S = 10.0


class KubeCluster:
    """One system on Kubernetes, as the worker of a trial uses it, from one event loop."""

    def __init__(self, api: Api, scenario: Scenario, directory: Path, ref: Mapping[str, str]) -> None:
        self.name = ref["name"]
        self.cannot = {Ability(one): why for one, why in json.loads(ref["cannot"]).items()}
        self._api = api
        self._kube = scenario.system.on_kube
        self._image = ref["agent_image"]
        self._run = Path(ref["run"])
        mine = f"{OURS},{SYSTEM_LABEL}={self._kube.namespace}"
        self._ours = mine if ref.get("beside") else OURS
        self._reach = {"kubeconfig": ref["kubeconfig"], "context": ref["context"]}
        self._directory = directory
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Stamped[Event]] = asyncio.Queue()
        self._seen: dict[str, Pod] = {}
        self._pods = Pods(api, self._kube.namespace, self._seen.get)
        self._helpers: dict[str, NodeHelper] = {}
        self._nodes = Nodes(api, self._run.name)
        self._silent: dict[str, int] = {}
        """Maps each node whose helper was removed, because the node or its kubelet was to be stopped, to when that
        was."""
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._opened = False
        self._agents: list[KubeAgent] = []
        self._login: dict[str, dict[str, Any]] | None = None
        self._watcher = Watcher(api, scenario, directory, self._put)

    async def open(self) -> None:
        """Remove what a killed run left, start the watches, and start a helper on every node that has a member."""
        await self._api.apply(namespace_object())
        await remove_ours(self._api, (NAMESPACE,), self._ours)
        await remove_ours(self._api, (self._kube.namespace,))
        self._login = await login_of(self._api, self._kube)
        await asyncio.to_thread(self._watcher.start)
        because = f"no pod of the system is there in namespace {self._kube.namespace}"
        members = await until(self.members, within_s=MEMBERS_S, because=because)
        await asyncio.gather(*(self._helper(node) for node in {one.node for one in members.values()}))
        self._opened = True
        self._share_out()

    async def close(self) -> None:
        """Remove everything of ours. Try every part, and raise all failures together at the end."""
        self._opened = False
        try:
            await asyncio.gather(*self._late)
        finally:
            ending: list[Awaitable[object]] = [agent.remove() for agent in self._agents]
            ending += [helper.close() for helper in self._helpers.values()]
            try:
                await _all(ending, "not everything of ours could be removed")
            finally:
                await asyncio.to_thread(self._watcher.stop)

    async def members(self) -> Members:
        return self._watcher.members()

    async def events(self) -> AsyncIterator[Stamped[Event]]:
        while True:
            yield await self._events.get()

    async def stop(self, member: Member, how: Stop) -> Effect:
        if how is Stop.DELETE:
            return await self._pods.delete(member)
        helper = await self._helper(member.node)
        return await (self._pods.crash(member, helper) if how is Stop.CRASH else helper.stop(member, how))

    async def api_server(self) -> tuple[str, ...]:
        """Return the cluster IPs of the API server's Service, as pods see them, and the addresses behind it."""
        service = await self._api.get("/api/v1/namespaces/default/services/kubernetes")
        slices = await self._api.items(
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
            labelSelector="kubernetes.io/service-name=kubernetes",
        )
        behind = [address for one in slices for end in one.get("endpoints") or [] for address in end["addresses"]]
        return tuple(dict.fromkeys([*((service or {}).get("spec", {}).get("clusterIPs") or []), *behind]))

    async def resume(self, member: Member) -> None:
        await (await self._helper(member.node)).resume(member)

    async def cut(self, cut: Partition) -> Effect:
        return await (await self._helper(cut.member.node)).cut(cut)

    async def probe(self, cut: Partition) -> None:
        await (await self._helper(cut.member.node)).probe(cut)

    async def afflict(self, member: Member, do: str, **how: object) -> Effect:
        helper = await self._helper(member.node)
        if do == "oom":
            return await self._pods.run_out_of_memory(member, helper, how)
        return await helper.afflict(member, do, **how)

    async def disturb(self, member: Member, how: Disturbance) -> Effect:
        """Disturb a node. The helper of one that will fall silent is removed first: it could not heal later."""
        if how in (Disturbance.STOP_NODE, Disturbance.STOP_KUBELET):
            helper, self._silent[member.node] = self._helpers.pop(member.node), mono_ns()
            await helper.close()
        return await self._nodes.disturb(member, how, self.undoing(how.value, member))

    async def tell(self, member: Member, *command: str) -> Effect:
        return await (await self._helper(member.node)).tell(member, *command)

    async def heal(self) -> str:
        each = [self._nodes.heal(), *(helper.heal() for helper in self._helpers.values())]
        said = await _all(each, "not everything was undone")
        self._silent, silent = {}, self._silent
        self._late |= {asyncio.create_task(self._start_late(node, since_ns)) for node, since_ns in silent.items()}
        return "; ".join(str(one) for one in said if one)

    def undoing(self, fault: str, target: Member | None) -> Undo:
        how = disturbance_of(fault)
        if how is not None and target is not None:
            operator = self._kube.operator
            return nodes.undo_of(how, target, operator.namespace if operator else "", self._run.name, self._reach)
        return undo_of(fault, target, self._run.name, self._reach)

    async def keep(self, undos: Sequence[Undo]) -> None:
        await keep(self._api, self._directory.name, about_of(self._run), undos)

    async def launch(self, spec: AgentSpec) -> KubeAgent:
        """Start the agent on a node without a Redis, if there is one."""
        name = f"failover-agent-{secrets.token_hex(3)}"
        busy: dict[str, set[MemberKind]] = {}
        for member in self._watcher.members().values():
            busy.setdefault(member.node, set()).add(member.kind)
        ready = [node for node in await self._api.items("/api/v1/nodes") if is_ready(node)]
        bare = placed(agent_pod(name, spec, self._kube, self._image), free_node(ready, busy))
        pod = carried(bare, self._run.name, **{TRIAL: str(self._directory.absolute())})
        configuration = carried(agent_configuration(name, spec, self._kube.namespace), self._run.name)
        agent = await launch(self._api, (configuration, pod), self._directory, self._put)
        self._agents.append(agent)
        return agent

    async def _helper(self, node: str) -> NodeHelper:
        """Return the helper of a node, started if there is none. Raises FaultError if this run stopped the node."""
        if node in self._silent:
            raise FaultError(f"{node} was stopped by this run, and nothing can be done there until that is healed")
        if node not in self._helpers:
            pod = carried(pod_manifest(NAMESPACE, node, self._image), self._run.name)
            pod["metadata"]["labels"][SYSTEM_LABEL] = self._kube.namespace
            self._helpers[node] = NodeHelper(self._api, pod, self._put, self._login)
            self._starting[node] = asyncio.create_task(self._helpers[node].start())
        await asyncio.shield(self._starting[node])
        return self._helpers[node]

    def _share_out(self) -> None:
        """Tell each helper the members on its node. Start a helper on a node that a member has moved to."""
        members = self._watcher.members().values()
        for node in {member.node for member in members} - self._helpers.keys() - self._silent.keys():
            self._late.add(asyncio.create_task(self._start_late(node, mono_ns())))
        for node, helper in self._helpers.items():
            helper.watched = [member for member in members if member.node == node]

    async def _start_late(self, node: str, since_ns: int) -> None:
        """Start a node's helper. That waits were not seen there since `since_ns` becomes a gap."""
        try:
            await self._helper(node)
            text = "its helper was started when a member had come to it"
        except HarnessError as error:
            text = str(error)
        self._put(gap_event(f"waits on {node}", text, since_ns))

    def _put(self, stamped: Stamped[Event]) -> None:
        """Take an event, from any thread."""
        self._loop.call_soon_threadsafe(self._take, stamped)

    def _take(self, stamped: Stamped[Event]) -> None:
        if isinstance(stamped.event, Pod):
            self._seen[stamped.event.uid] = stamped.event
            if self._opened:
                self._share_out()
        self._events.put_nowait(stamped)


async def _all(steps: Sequence[Awaitable[object]], failed: str) -> list[object]:
    """Run all steps concurrently. If some fail, raise one FaultError with all their messages."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    errors = [result for result in results if isinstance(result, Exception)]
    if errors:
        sentences = "; ".join(str(error) for error in errors)
        raise FaultError(f"{failed}: {sentences}") from ExceptionGroup(failed, errors)
    return list(results)


@asynccontextmanager
async def connect(ref: Mapping[str, str], scenario: Scenario, directory: Path) -> AsyncIterator[KubeCluster]:
    """Yield the cluster that `ref` names.

    `directory` is the trial's. On leaving, everything of ours but the system is removed.
    """
    with Api(Path(ref["kubeconfig"]), ref["context"]) as api:
        cluster = KubeCluster(api, scenario, directory, ref)
        try:
            await cluster.open()
            yield cluster
        finally:
            await cluster.close()
