"""The host's side of a node helper: its pod, its stream, and the renewal of its leases. Each node has one helper."""

import asyncio
import base64
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from chaos.access import Access, Accesses, Tls
from chaos.agent.waits import fetched
from chaos.clock import mono_ns, node_domain
from chaos.cluster.executor import LEASE_S, RENEW_S, Executor
from chaos.cluster.kube.api import MANAGED_BY, MANAGER, Api, Object
from chaos.cluster.kube.deploy import wait_running
from chaos.cluster.kube.stream import Answer, LineStream, PodProgram, StreamBroken, clock_offset
from chaos.errors import FaultError, SetupError
from chaos.model import Member, MemberKind
from chaos.record.events import ClockPair, Event, Stamped, gap_event
from chaos.scenario.places import KubeSystem

ASK_S, HEAL_S, START_S = 6.0, 5.0, 60.0
"""How long to wait for an answer (longer than the executor waits for a proof), for a heal, and for the start."""
LIFE_S = 4 * 3600
"""The pod ends after this many seconds. The helper undoes every fault before that."""
GRACE_S = 10
CONTAINER, TALK = "helper", ("python", "-m", "chaos.agent.talk")
COMPONENT, NODE_HELPER = "app.kubernetes.io/component", "node-helper"


class NodeHelper(Executor):
    """The executor of faults on one node. Use it from one event loop. Effects are on the node's clock."""

    def __init__(
        self, api: Api, pod: Object, put: Callable[[Stamped[Event]], None], login: Mapping[str, Answer] | None = None
    ) -> None:
        """`pod` is from `pod_manifest`. `login` is from `login_of`, and is how the helper logs in to servers."""
        node, namespace = pod["spec"]["nodeName"], pod["metadata"]["namespace"]
        super().__init__(node_domain(node), put)
        self.node = node
        self._api = api
        self._pod = pod
        self._login = login
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        self._program = PodProgram(namespace, pod["metadata"]["name"], CONTAINER, TALK)
        self._stream: LineStream | None = None
        self._opening = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None
        self._heard_ns, self._silent = mono_ns(), ""
        self._waits_ns = 0
        self.watched: list[Member] = []
        """The members on this node. From the next renewal on, their waits for a core are recorded."""

    async def start(self) -> None:
        """Start the pod and compare the clocks. Raises SetupError with what the pod waits for."""
        await self._api.request("POST", self._path, self._pod)
        await wait_running(self._api, self._program.namespace, self._program.pod)
        for event in await clock_offset(await self._open(), self.domain):
            self._put(event)
        self._heard_ns = mono_ns()
        self._renewing = asyncio.create_task(self._renew())

    async def ask(self, do: str, **fields: object) -> Answer:
        try:
            answer = await (await self._open()).ask({"do": do, **fields}, ASK_S)
        except StreamBroken as error:
            raise FaultError(f"{do} on {self.node}: {error}") from error
        if "error" in answer:
            raise FaultError(f"{do} on {self.node}: {answer['error']}")
        return answer

    async def processes(self, uid: str) -> list[dict[str, Any]]:
        """Return the processes of a pod on this node: {pid, name, cgroup}. The cgroup contains the container's id."""
        found: list[dict[str, Any]] = (await self.ask("processes", uid=uid))["processes"]
        return found

    async def heal(self) -> str:
        """Undo every fault on this node. May be repeated. Raises FaultError if that is not confirmed in 5 s."""
        try:
            async with asyncio.timeout(HEAL_S):
                answer = await self._healed()
        except TimeoutError:
            text = f"the helper on {self.node} did not say within {HEAL_S:g} s that it healed"
            raise FaultError(f"{text}; its leases end by themselves within {LEASE_S:g} s") from None
        if "error" in answer:
            raise FaultError(f"the helper on {self.node}: {answer['error']}")
        self.heard(answer)
        return "; ".join(answer.get("proofs", []))

    async def close(self) -> None:
        """Remove the pod. The helper undoes every fault before it ends. Safe after a failed start."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if self._stream is not None:
            await self._stream.close()
        await self._api.delete(f"{self._path}/{self._program.pod}", GRACE_S)

    async def _healed(self) -> Answer:
        """Return the helper's answer. A broken stream is opened again, because healing twice is harmless."""
        while True:
            try:
                return await (await self._open()).ask({"do": "heal"}, ASK_S)
            except StreamBroken:
                await asyncio.sleep(0.2)

    async def _open(self) -> LineStream:
        """Return the stream, or a new one if it broke. Raises StreamBroken."""
        async with self._opening:
            if self._stream is None or self._stream.broken:
                if self._stream is not None:
                    await self._stream.close()
                    self._silent = self._silent or "its stream broke and was opened again"
                self._stream = LineStream(self._api, self._program)  # set before `open`, for `close` to find it
                await self._stream.open()
                if self._login is not None:  # a restarted helper has lost it
                    await self._stream.ask({"do": "login", **self._login}, ASK_S)
            return self._stream

    async def _renew(self) -> None:
        """Renew the leases every second. A broken stream is opened again at the next renewal."""
        while True:
            try:
                watch = [  # all processes of an HAProxy count, because a child of its main process answers
                    {"name": one.name, "container": one.container, "all": one.kind is MemberKind.PROXY}
                    for one in self.watched
                ]
                request = {"do": self.renewal, "watch": watch, "seen_ns": self._waits_ns}
                self._renewed(await (await self._open()).ask(request, ASK_S))
            except StreamBroken as error:
                self._silent = str(error)
            await asyncio.sleep(RENEW_S)

    def _renewed(self, answer: Answer) -> None:
        if self._silent:
            self._put(gap_event(f"helper on {self.node}", self._silent, self._heard_ns))
        self._heard_ns, self._silent = mono_ns(), ""
        pair = ClockPair(wall_ns=answer["wall_ns"])
        self._put(Stamped(event=pair, domain=self.domain, at_ns=answer["mono_ns"]))
        for event in fetched(answer.get("waits", []), self.domain):
            self._waits_ns = event.at_ns
            self._put(event)
        self.heard(answer)


async def login_of(api: Api, kube: KubeSystem) -> dict[str, Answer] | None:
    """Read the scenario's Secrets for a helper, which is in another namespace. Return None if the scenario names none.

    The content is sent over the stream and kept in the helper's memory. It is in no file, log or Kubernetes object of
    ours.
    """
    if kube.tls is None and kube.password is None and kube.sentinel.password is None:
        return None
    files = {}
    if kube.tls is not None:
        keys = {"ca": kube.tls.ca, "certificate": kube.tls.certificate, "key": kube.tls.key}
        files = {name: await secret(api, kube.namespace, kube.tls.secret, key) for name, key in keys.items() if key}
    tls = Tls(server_name=kube.tls.server_name) if kube.tls is not None else None
    logins = []
    for asks in (kube, kube.sentinel):
        key = asks.password
        password = await secret(api, kube.namespace, key.secret, key.key) if key else ""
        logins.append(Access(user=asks.user or "", password=password, tls=tls))
    return {"variables": Accesses(redis=logins[0], sentinel=logins[1]).environment(), "files": files}


async def secret(api: Api, namespace: str, name: str, key: str) -> str:
    """Return the text under a key of a Secret. Raises SetupError if the Secret or the key is missing."""
    found = await api.get(f"/api/v1/namespaces/{namespace}/secrets/{name}")
    if found is None or key not in found.get("data", {}):
        missing = f"it has no {key}" if found else "there is none"
        raise SetupError(f"the scenario names Secret {name} in {namespace}, and {missing}")
    return base64.b64decode(found["data"][key]).decode()


def pod_manifest(namespace: str, node: str, image: str) -> Object:
    """Return a privileged pod in the node's pid namespace. Its grace period gives it time to heal before it ends."""
    name = f"helper-{node[:50].rstrip('-.')}-{secrets.token_hex(2)}"
    labels = {MANAGED_BY: MANAGER, COMPONENT: NODE_HELPER}
    probe = {"exec": {"command": ["test", "-S", "/run/failover/helper.sock"]}, "periodSeconds": 1}
    container = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "chaos.agent.node"],
        "securityContext": {"privileged": True, "runAsUser": 0},
        "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "192Mi"}},
        "volumeMounts": [{"name": "held", "mountPath": "/run/failover"}],
        "startupProbe": probe | {"failureThreshold": int(START_S)},
    }
    spec = {
        "nodeName": node,
        "hostPID": True,
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": GRACE_S,
        "activeDeadlineSeconds": LIFE_S,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": "held", "emptyDir": {}}],
    }
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
