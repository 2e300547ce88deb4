"""What a test asks of the system and of our helpers in it, by ways that a campaign does not use and does not renew."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from chaos.cluster.kube.api import OURS, Api, Object
from chaos.cluster.kube.deploy import KINDS, NAMESPACE
from chaos.cluster.kube.kind import Kind, checkout, name_of, ran
from chaos.cluster.kube.stream import LineStream, PodProgram
from chaos.until import until
from tests.cluster.kube.rig import container_of

SYSTEM = "saasodoo"
REDIS = "app.kubernetes.io/component=redis"
ANSWER_S, GONE_S = 5.0, 30.0
PONG_S = 2.0
"""Of a ping that is dropped, and of the program that brings it into the pod."""


@dataclass(frozen=True)
class System:
    """The scenario's namespaces on the checkout's cluster."""

    api: Api

    async def ours(self) -> list[str]:
        """Every object with our label that is there, also those that are on their way out."""
        paths = [f"/api/v1/namespaces/{namespace}/{kind}" for namespace in (NAMESPACE, SYSTEM) for kind in KINDS]
        return [one["metadata"]["name"] for path in paths for one in await self.api.items(path, labelSelector=OURS)]

    async def nothing_of_ours_stays(self) -> None:
        """What is deleted has its grace: a helper heals before it ends."""

        async def gone() -> bool:
            return not await self.ours()

        await until(gone, within_s=GONE_S, because="something of ours is still there", every_s=0.5)

    async def redis(self) -> dict[str, Object]:
        """The Redis pods that have an address, by name."""
        pods = await self.api.items(f"/api/v1/namespaces/{SYSTEM}/pods", labelSelector=REDIS)
        return {pod["metadata"]["name"]: pod for pod in pods if pod["status"].get("podIP")}

    async def pings(self, name: str) -> bool:
        """Whether a packet passes from this Redis to another one and back: a real one, sent from within its pod."""
        pods = await self.redis()
        one, peer = pods[name], next(pod for other, pod in pods.items() if other != name)
        ctr = ["ctr", "--namespace", "k8s.io", "tasks", "exec", "--exec-id", secrets.token_hex(4), container_of(one)]
        ping = ["timeout", "1", "redis-cli", "-h", peer["status"]["podIP"], "ping"]
        done = await ran("docker", "exec", one["spec"]["nodeName"], *ctr, *ping, within_s=30)
        return done.out.strip() == "PONG"

    @asynccontextmanager
    async def helpers(self) -> AsyncIterator[list[Callable[[], Awaitable[dict[str, Any]]]]]:
        """What asks each helper that is there for its status, which renews nothing."""
        pods = await self.api.items(f"/api/v1/namespaces/{NAMESPACE}/pods", labelSelector=OURS)
        talk = ["python", "-m", "chaos.agent.talk"]
        streams = [LineStream(self.api, PodProgram(NAMESPACE, pod["metadata"]["name"], "helper", talk)) for pod in pods]
        try:
            await asyncio.gather(*(stream.open() for stream in streams))
            yield [partial(stream.ask, {"do": "status"}, ANSWER_S) for stream in streams]
        finally:
            await asyncio.gather(*(stream.close() for stream in streams))


@asynccontextmanager
async def connected() -> AsyncIterator[System]:
    kind = Kind(name_of(checkout(Path(__file__))))
    with Api(kind.kubeconfig, kind.context) as api:
        yield System(api)
