"""The agent in its pod: the pod's manifests, and the host's side of the agent.

The pod has two containers of one image that share a directory: the agent, and a keeper that serves its files. The agent
needs nothing from the host but its spec. It ends by itself at its time limit, and the pod a little later. The host
controls the agent by files, and copies its recording into the trial's directory. If the stream between them breaks it
is opened again, and the gap becomes an event; the agent keeps recording meanwhile.
"""

import asyncio
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

from chaos.access import REDIS, SENTINEL, Access, Tls
from chaos.agent.keeper import Mirror
from chaos.agent.orders import QUIT, AgentSpec
from chaos.clock import AGENT as AGENT_DOMAIN
from chaos.clock import mono_ns
from chaos.cluster.kube.api import MANAGED_BY, MANAGER, Api, ApiError, Object
from chaos.cluster.kube.deploy import wait_running
from chaos.cluster.kube.stream import Answer, LineStream, PodProgram, StreamBroken, clock_offset
from chaos.errors import HarnessError, SetupError
from chaos.model import MemberKind
from chaos.record.events import Event, Stamped, gap_event
from chaos.scenario.places import KubeSystem, SentinelPods
from chaos.until import until

RECORD, SPEC, TLS = "/record", "/spec", "/tls"
AGENT, KEEPER = "agent", "keeper"
AGENT_CPU, KEEPER_CPU = "500m", "50m"
"""The CPU requests of the containers. If they were less than the control plane's, the agent's timer would be late on a
busy node."""
PORTS = {"name": "net.ipv4.ip_local_port_range", "value": "1024 65535"}
"""The local ports that clients use in turn (chaos.client.link). A port must not be reused while connection tracking
still knows it, which is for 120 s. The usual range is too small for 200 connections a second and as many retries in an
outage."""
USER = 1000
_NOBODY = {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER, "runAsNonRoot": True}
BEYOND_S = 60
"""How many seconds longer than the agent its pod may live, so that the recording can still be fetched."""
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
PULL_S = 0.5
"""How often new data is fetched. A recording may lag 1 s behind, so one slow round is no problem."""
STATUS_S = 2.0
ANSWER_S, BACK_S, END_S = 10.0, 30.0, 15.0
"""How long one answer may take, how long the stream may be broken, and how long the agent may take to end."""
KEEPER_COMMAND = ("python", "-m", "chaos.agent.keeper", RECORD)
LOG = "agent.log"
Put = Callable[[Stamped[Event]], None]


def agent_configuration(name: str, spec: AgentSpec, namespace: str) -> Object:
    """Return a ConfigMap with the spec. It contains no password. The agent reads it once."""
    data = {"spec.json": spec.dumps()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(name, namespace), "data": data}


def agent_pod(name: str, spec: AgentSpec, kube: KubeSystem, image: str) -> Object:
    """Return the agent's pod. `placed` chooses its node."""
    record: Object = {"name": "record", "mountPath": RECORD}
    command = ["python", "-m", "chaos.agent", f"{SPEC}/spec.json", RECORD]
    mounts = [record, {"name": "spec", "mountPath": SPEC, "readOnly": True}]
    agent = _container(AGENT, image, command, mounts, AGENT_CPU)
    keep = _container(KEEPER, image, ["python", "-m", "chaos.agent.keeper", "--idle", RECORD], [record], KEEPER_CPU)
    agent["env"] = [*_access(REDIS, kube, kube), *_access(SENTINEL, kube.sentinel, kube)]
    volumes: list[Object] = [{"name": "record", "emptyDir": {}}, {"name": "spec", "configMap": {"name": name}}]
    if kube.tls is not None:
        mounts.append({"name": "tls", "mountPath": TLS, "readOnly": True})
        volumes.append({"name": "tls", "secret": {"secretName": kube.tls.secret}})
    body: Object = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": math.ceil(spec.limit_s) + BEYOND_S,
        "terminationGracePeriodSeconds": 5,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {**_NOBODY, "sysctls": [PORTS]},
        "containers": [agent, keep],
        "volumes": volumes,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(name, kube.namespace), "spec": body}


def placed(agent: Object, node: str | None) -> Object:
    """Bind the pod to a node, whatever taints the node has."""
    if node is None:
        return agent
    where = {"nodeSelector": {"kubernetes.io/hostname": node}, "tolerations": [{"operator": "Exists"}]}
    return {**agent, "spec": {**agent["spec"], **where}}


def free_node(nodes: list[Object], busy: dict[str, set[MemberKind]]) -> str | None:
    """Return a node without a Redis, so that the agent is on no side of a fault, or None if there is none.

    A control plane is preferred, and then the node with the fewest kinds of members. `busy` maps nodes to these kinds.
    Without such a node the scheduler chooses.
    """
    free = [one for one in nodes if MemberKind.REDIS not in busy.get(one["metadata"]["name"], set())]
    free.sort(
        key=lambda one: (CONTROL_PLANE not in one["metadata"]["labels"], len(busy.get(one["metadata"]["name"], ())))
    )
    return str(free[0]["metadata"]["labels"]["kubernetes.io/hostname"]) if free else None


def _metadata(name: str, namespace: str) -> Object:
    return {"name": name, "namespace": namespace, "labels": {MANAGED_BY: MANAGER}}


def _container(name: str, image: str, command: list[str], mounts: list[Object], cpu: str) -> Object:
    """Return one container. It has no CPU limit, because throttling would look like a slow system."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "volumeMounts": mounts,
        "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def _access(prefix: str, asks: KubeSystem | SentinelPods, kube: KubeSystem) -> list[Object]:
    """Return the variables that say how to connect to Redis or Sentinel. A password is referenced, not copied."""
    tls = None
    if kube.tls is not None:
        files = {"ca": kube.tls.ca, "certificate": kube.tls.certificate, "key": kube.tls.key}
        paths = {name: f"{TLS}/{key}" for name, key in files.items() if key}
        tls = Tls(**paths, server_name=kube.tls.server_name)
    plain = Access(user=asks.user or "", tls=tls).variables(prefix)
    env: list[Object] = [{"name": name, "value": value} for name, value in plain.items()]
    if asks.password is not None:
        reference = {"name": asks.password.secret, "key": asks.password.key}
        env.append({"name": f"{prefix}PASSWORD", "valueFrom": {"secretKeyRef": reference}})
    return env


class KubeAgent:
    """The `chaos.cluster.base.RunningAgent` in a pod. `put` takes the events that the host writes about it."""

    address = ""

    def __init__(self, api: Api, pod: Object, directory: Path, put: Put) -> None:
        self._api = api
        self._name = pod["metadata"]["name"]
        self._namespace = pod["metadata"]["namespace"]
        self._directory = directory
        self._put = put
        self._mirror = Mirror(directory)
        self._stream: LineStream | None = None
        self._turn = asyncio.Lock()
        self._answered_ns = mono_ns()
        self._failure: HarnessError | None = None
        self._following: asyncio.Task[None] | None = None
        self._removed = False

    async def start(self) -> None:
        """Compare the clocks and begin to copy the recording. Call it once the pod runs."""
        await self._compare_clocks()
        self._following = asyncio.create_task(self._follow())

    async def put(self, path: str, text: str) -> None:
        """Write a control file. If the stream breaks meanwhile, the file is written again, which is harmless."""
        async with self._turn:
            answer = await self._exchange({"do": "put", "path": path, "data": text})
        if "error" in answer:
            raise SetupError(f"the agent did not take {path}: {answer['error']}")

    async def pull(self) -> None:
        if self._failure is not None:
            raise self._failure
        await self._pull()

    async def close(self) -> None:
        """Let the agent end, fetch the rest, and remove the pod even if one of these fails."""
        if self._following is not None:
            self._following.cancel()
        try:
            if self._failure is None:
                await self.put(QUIT, "{}")
                await until(self._terminated, within_s=END_S, because="the agent does not end", every_s=0.2)
                await self._pull()
                await self._compare_clocks()
        finally:
            await self.remove()

    async def remove(self) -> None:
        """Save the agent's log and remove the pod at once. Do nothing if that was done already."""
        if self._removed:
            return
        await self._close_stream()
        try:
            await self._keep_log()
        finally:
            await self._api.delete(self._path, grace_s=0)
            await self._api.delete(f"/api/v1/namespaces/{self._namespace}/configmaps/{self._name}")
            self._removed = True

    async def _follow(self) -> None:
        """Pull until closed. An error is recorded as a gap, and raised by the next call of `pull`."""
        looked_ns = mono_ns()
        try:
            while True:
                await asyncio.sleep(PULL_S)
                await self._pull()
                if mono_ns() - looked_ns > STATUS_S * 1e9:
                    await self._look()
                    looked_ns = mono_ns()
        except HarnessError as error:
            self._failure = error
            self._put(gap_event(AGENT_DOMAIN, str(error), self._answered_ns))

    async def _pull(self) -> None:
        """Fetch everything new. This may take many exchanges, and no other request may come between them."""
        async with self._turn:
            while True:
                self._mirror.accept(await self._exchange(self._mirror.request()))
                if self._mirror.complete:
                    return

    async def _exchange(self, request: Answer) -> Answer:
        """Send one request. If the stream breaks, open it again and repeat the request, for at most `BACK_S`."""
        broke: list[StreamBroken] = []

        async def answered() -> Answer | None:
            try:
                if self._stream is None:
                    self._stream = await self._opened()
                return await self._stream.ask(request, ANSWER_S)
            except StreamBroken as error:
                broke.append(error)
                await self._close_stream()
                return None

        answer = await until(answered, within_s=BACK_S, because=lambda: str(broke[-1]), every_s=0.2)
        if broke:
            text = f"{broke[0]}; it was opened again, and nothing is missing"
            self._put(gap_event("the stream to the agent", text, self._answered_ns))
        self._answered_ns = mono_ns()
        return answer

    async def _opened(self) -> LineStream:
        stream = LineStream(self._api, PodProgram(self._namespace, self._name, KEEPER, KEEPER_COMMAND))
        await stream.open()
        return stream

    async def _close_stream(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            await stream.close()

    async def _compare_clocks(self) -> None:
        """Measure the clock offset. This is done at both ends of a trial, because clocks drift."""
        async with self._turn:
            if self._stream is None:
                self._stream = await self._opened()
            for event in await clock_offset(self._stream, AGENT_DOMAIN):
                self._put(event)

    async def _look(self) -> None:
        """Raise SetupError if the agent's process or pod is gone, as far as the API server answers."""
        try:
            ended = await self._terminated()
        except ApiError:
            return
        if ended is not None:
            await self._pull()
            words = [str(ended.get("reason", "")), f"exit code {ended['exitCode']}" if "exitCode" in ended else ""]
            raise SetupError(f"the agent ended by itself: {', '.join(filter(None, words)) or 'nobody says why'}")

    async def _terminated(self) -> Object | None:
        """Return how the agent's container ended, or None while it runs."""
        found = await self._api.get(self._path)
        if found is None:
            return {"reason": "its pod is gone"}
        states = {one["name"]: one["state"] for one in found["status"].get("containerStatuses", [])}
        ended: Object | None = states.get(AGENT, {}).get("terminated")
        return ended

    async def _keep_log(self) -> None:
        """Save the standard error of the agent, which is empty unless something went wrong."""
        read = partial(self._api.core.read_namespaced_pod_log, self._name, self._namespace, container=AGENT)
        try:
            said = await self._api.run(read)
        except ApiError as error:
            said = f"its log could not be read: {error}\n"
        if said:
            (self._directory / LOG).write_text(said)

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self._namespace}/pods/{self._name}"


async def launch(api: Api, manifests: tuple[Object, Object], directory: Path, put: Put) -> KubeAgent:
    """Start the agent that `manifests` describe: its ConfigMap and its pod. If that fails, both are removed."""
    configuration, pod = manifests
    agent = KubeAgent(api, pod, directory, put)
    try:
        await api.apply(configuration)
        await api.apply(pod)
        runs = await wait_running(api, pod["metadata"]["namespace"], pod["metadata"]["name"])
        agent.address = runs["status"]["podIP"]
        await agent.start()
    except BaseException:
        await agent.remove()
        raise
    return agent
