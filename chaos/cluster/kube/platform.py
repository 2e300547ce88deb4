"""`--on kind`: bring up the platform of a campaign, a kind cluster with every image on its nodes.

Slow steps run concurrently: the agent's image is built while kind makes the nodes, and is loaded while the system's
pods start.
"""

import asyncio
import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from chaos.clock import mono_ns
from chaos.cluster import here
from chaos.cluster.base import PlatformOptions, Versions
from chaos.cluster.kube.api import Api, ApiError, Object
from chaos.cluster.kube.deploy import Deployment, Readiness, is_ready
from chaos.cluster.kube.image import agent_image
from chaos.cluster.kube.kind import ASK_S, NEEDS_GIB, Kind, checkout, ensure_image, lacking, name_of, run
from chaos.cluster.kube.leftovers import refuse_held
from chaos.errors import ScenarioError
from chaos.progress import Message, Tell
from chaos.scenario.clients import not_in_pods
from chaos.scenario.scenario import Scenario
from chaos.until import until

NODES_S = 60.0


class KindPlatform:
    """The kind cluster of this checkout. Leaving removes it if this run made it, unless `keep` is set.

    `folder` is the scenario's, which the manifests' paths are relative to.
    """

    kind = "kind"

    def __init__(self, scenario: Scenario, folder: Path, options: PlatformOptions) -> None:
        for name, client in scenario.clients.items():
            if why := not_in_pods(client):
                raise ScenarioError(f"clients.{name}: {why}")
        self.cannot = lacking(scenario)
        self._scenario = scenario
        self._folder = folder
        self._keep = options.keep
        self._tell = options.tell
        self._write_made = options.made
        self._agent = options.agent_image
        self._kind = Kind(name_of(checkout(Path.cwd())))
        self._held = ExitStack()
        self._nodes: list[Object] = []
        self._versions = Versions()
        self._image = ""
        self._unready = ""
        self._made: Path | None = None

    @property
    def name(self) -> str:
        return self._kind.name

    async def __aenter__(self) -> Self:
        await here.require(self.kind)
        self._held.enter_context(self._kind.lock())
        try:
            await self._bring_up()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave()

    async def deploy(self, *, fresh: bool = False, nth: int = 0) -> None:
        """Apply the system and wait until its pods are Ready. Meanwhile the agent's image is loaded onto the nodes."""
        begun_ns = mono_ns()
        scenario = self._scenario.beside(nth)
        written = self._scenario.system.on_kube.namespace
        deployment = Deployment(self._api, scenario, self._folder, written, self._image)
        if fresh:
            await deployment.remove()
        await deployment.apply()
        self._step("deploy", deployment.text, begun_ns)
        loading = asyncio.create_task(self._kind.load([self._image], self._names))
        try:
            await asyncio.gather(loading, Readiness(self._api, scenario.system, self._tell).wait())
        finally:
            loading.cancel()

    def ref(self) -> dict[str, str]:
        return {
            "module": "chaos.cluster.kube.cluster",
            "name": self.name,
            "kubeconfig": str(self._kind.kubeconfig),
            "context": self._kind.context,
            "agent_image": self._image,
            "cannot": json.dumps(self.cannot),
        }

    def versions(self) -> Versions:
        return self._versions

    async def _bring_up(self) -> None:
        begun_ns = mono_ns()
        building = asyncio.create_task(self._agent_image())
        try:
            await self._cluster()
            self._api = self._held.enter_context(Api(self._kind.kubeconfig, self._kind.context))
            await until(self._all_ready, within_s=NODES_S, because=lambda: self._unready)
            await refuse_held(self._api)
            self.cannot |= await self._kind.missing_queues(self._names[0])
            self._step("cluster", f"{self.name}  {len(self._nodes)} nodes ready", begun_ns)
            begun_ns = mono_ns()
            brought = await self._kind.load(self._scenario.system.on_kube.images, self._names)
            self._image = await building
            self._step(
                "images", f"{len(brought)} brought to the nodes" if brought else "on the nodes already", begun_ns
            )
        finally:
            building.cancel()
        self._versions = await self._read_versions()

    async def _cluster(self) -> None:
        """Reuse the cluster, or make it. If making it fails or is interrupted, remove what was made."""
        if await self._kind.exists():
            await self._kind.refresh()
            return
        self._tell(Message(Tell.NOTE, {"text": f"kind makes a cluster: needs {NEEDS_GIB} GiB, takes about a minute"}))
        made = self._write_made(self._kind.removal())
        try:
            await self._kind.create(self._scenario.system.on_kube.node_image)
        except BaseException:
            await self._kind.delete()
            made.unlink()
            raise
        if self._keep:
            made.unlink()
        else:
            self._made = made

    async def _agent_image(self) -> str:
        """Return the agent's image: our own, or the one that the user named, which is pulled."""
        if self._agent is None:
            return await agent_image()
        await ensure_image(self._agent)
        return self._agent

    async def _all_ready(self) -> bool:
        try:
            self._nodes = await self._api.items("/api/v1/nodes")
        except ApiError as error:
            self._unready = f"{error}; {self._kind.make_room}"
            return False
        self._unready = f"not every node of {self.name} is Ready; {self._kind.make_room}"
        return bool(self._nodes) and all(is_ready(node) for node in self._nodes)

    @property
    def _names(self) -> list[str]:
        return [node["metadata"]["name"] for node in self._nodes]

    async def _read_versions(self) -> Versions:
        images = [*self._scenario.system.on_kube.images, self._image]
        ids = [await run("docker", "image", "inspect", "--format", "{{.Id}}", one, within_s=ASK_S) for one in images]
        info, image_of = self._nodes[0]["status"]["nodeInfo"], ("docker", "inspect", "--format", "{{.Config.Image}}")
        platform = {
            "kubernetes": info["kubeletVersion"],
            "kind": (await run("kind", "version", "--quiet", within_s=ASK_S)).strip(),
            "docker": (await run("docker", "version", "--format", "{{.Server.Version}}", within_s=ASK_S)).strip(),
            "node image": (await run(*image_of, self._names[0], within_s=ASK_S)).strip(),
            "kernel": info["kernelVersion"],
            "container runtime": info["containerRuntimeVersion"],
            "nodes": str(len(self._nodes)),
        }
        return Versions(platform=platform, images={name: one.strip() for name, one in zip(images, ids, strict=True)})

    async def _leave(self) -> None:
        """Remove the cluster if this run made it, and then release the lock."""
        try:
            if self._made is not None:
                await self._kind.delete()
                self._made.unlink()
        finally:
            self._held.close()

    def _step(self, name: str, text: str, begun_ns: int) -> None:
        self._tell(Message(Tell.STEP, {"name": name, "text": text, "seconds": (mono_ns() - begun_ns) / 1e9}))
