"""Wait until a scenario's pods are Ready, and say of one that is not what Kubernetes says of it.

Ready pods are not a healthy system; that is the gate's to judge (`chaos.cluster.health`), once the agent can look.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chaos.clock import mono_ns
from chaos.cluster.kube.api import Api, Object
from chaos.errors import SetupError
from chaos.progress import Message, Tell, Tells
from chaos.scenario.model import System
from chaos.until import until

READY_S, POLL_S, SAY_S = 180.0, 0.5, 5.0


class Readiness:
    """The pods that a scenario's selectors name, and how many of each there have to be."""

    def __init__(self, api: Api, system: System, tell: Tells) -> None:
        self._api = api
        self._tell = tell
        kube = system.on_kube
        self._wanted = [
            (kube.namespace, kube.redis.selector, system.replicas + 1),
            (kube.namespace, kube.sentinel.selector, system.sentinels),
        ]
        if kube.proxy is not None:
            self._wanted.append((kube.namespace, kube.proxy.selector, 1))
        if kube.operator is not None:
            self._wanted.insert(0, (kube.operator.namespace, kube.operator.selector, 1))
        self._lacking = ""
        self._namespace = kube.namespace
        self._pod: Object | None = None

    async def wait(self, within_s: float = READY_S) -> None:
        """SetupError names a pod that is not Ready, what it waits for, and its last event."""
        async with self._telling():
            try:
                await until(self._ready, within_s=within_s, because=lambda: self._lacking, every_s=POLL_S)
            except SetupError as error:
                name = self._pod["metadata"]["name"] if self._pod else None
                raise SetupError(f"{error}; {await last_event(self._api, self._namespace, name)}") from error

    async def _ready(self) -> bool:
        for namespace, selector, count in self._wanted:
            pods = await self._api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
            self._namespace = namespace
            self._pod = next((pod for pod in pods if not is_ready(pod)), None)
            if self._pod is not None:
                self._lacking = f"pod {self._pod['metadata']['name']} is not Ready: {state_of(self._pod)}"
                return False
            if len(pods) < count:
                self._lacking = f"{len(pods)} of {count} pods with {selector} are there in {namespace}"
                return False
        return True

    @asynccontextmanager
    async def _telling(self) -> AsyncIterator[None]:
        """Say now and then what is waited for, and for how long."""
        begun_ns = mono_ns()

        async def tell() -> None:
            while True:
                await asyncio.sleep(SAY_S)
                waited_s = (mono_ns() - begun_ns) / 1e9
                self._tell(Message(Tell.WAITING, {"name": "deploy", "text": self._lacking, "seconds": waited_s}))

        task = asyncio.create_task(tell())
        try:
            yield
        finally:
            task.cancel()


async def last_event(api: Api, namespace: str, pod: str | None) -> str:
    """What Kubernetes said last of a pod, or of its namespace where there is no pod at all."""
    query = {"fieldSelector": f"involvedObject.name={pod}"} if pod else {}
    found = await api.items(f"/api/v1/namespaces/{namespace}/events", **query)
    if not found:
        return "no event says why"
    last = max(found, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""))
    return f"last event: {last['reason']}: {last['message']}"


def is_ready(pod: Object) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def state_of(pod: Object) -> str:
    """The most telling word of a pod that is not Ready: why a container waits, else which condition is not met."""
    status = pod.get("status", {})
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting")
        if waiting:
            return str(waiting.get("message") or waiting["reason"])
    unmet = [one for one in status.get("conditions", []) if one["status"] != "True" and one.get("message")]
    return str(unmet[0]["message"]) if unmet else str(status.get("phase", "Pending"))
