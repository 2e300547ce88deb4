"""A namespace of a test's own on the checkout's kind cluster, with a small Redis or two. Needs the cluster to be up."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.cluster.kube.api import Api, Object
from chaos.cluster.kube.image import agent_image
from chaos.cluster.kube.kind import Kind, checkout, name_of
from chaos.model import Member, MemberKind
from chaos.until import until

REDIS = "redis:7.0.15-alpine"


@dataclass(frozen=True)
class Room:
    """A namespace. `node` is where its pods run, `image` the agent's, loaded there."""

    api: Api
    namespace: str
    node: str
    image: str

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    async def redis(self, name: str, labels: dict[str, str] | None = None) -> Object:
        """A Redis pod, once it is Running: without persistence, restarted in place when it is killed."""
        container = {"name": "redis", "image": REDIS, "imagePullPolicy": "IfNotPresent"}
        spec = {"nodeName": self.node, "terminationGracePeriodSeconds": 1, "containers": [container]}
        metadata = {"name": name, "labels": {"app": "redis", **(labels or {})}}
        await self.api.request("POST", self.pods, {"metadata": metadata, "spec": spec})
        return await self.running(name)

    async def running(self, name: str, restarts: int = 0) -> Object:
        async def up() -> Object | None:
            pod = await self.api.get(f"{self.pods}/{name}") or {}
            containers = pod.get("status", {}).get("containerStatuses", [])
            fine = containers and all(one["ready"] and one["restartCount"] >= restarts for one in containers)
            return pod if fine else None

        return await until(up, within_s=60, because=f"pod {name} runs", every_s=0.2)


def container_of(pod: Object) -> str:
    identity: str = pod["status"]["containerStatuses"][0]["containerID"]
    return identity.rpartition("/")[2]


def aimed_at(container: str, name: str = "one") -> Member:
    """A member as a helper needs it, which finds it by its container alone."""
    where: dict[str, Any] = {"address": "", "node": "", "domain": "", "uid": ""}
    return Member(name=name, kind=MemberKind.REDIS, port=6379, container=container, **where)


@asynccontextmanager
async def room() -> AsyncIterator[Room]:
    kind = Kind(name_of(checkout(Path(__file__))))
    image = await agent_image()
    workers = [node for node in await kind.nodes() if "control-plane" not in node]
    await kind.load([image], workers[:1])
    namespace = f"test-{secrets.token_hex(3)}"
    with Api(kind.kubeconfig, kind.context) as api:
        labels: dict[str, Any] = {"pod-security.kubernetes.io/enforce": "privileged"}
        await api.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace, "labels": labels}})
        try:
            yield Room(api, namespace, workers[0], image)
        finally:
            await asyncio.shield(api.delete(f"/api/v1/namespaces/{namespace}"))
