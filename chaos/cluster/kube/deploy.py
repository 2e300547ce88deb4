"""Apply a scenario's manifests to a cluster, or take away what they brought. Whether it works is not its concern."""

from contextlib import suppress
from functools import partial
from pathlib import Path

from chaos.cluster.kube.api import Api, ApiError, Object
from chaos.cluster.kube.manifests import described, objects
from chaos.errors import SetupError
from chaos.scenario.model import Scenario
from chaos.until import until

ESTABLISHED_S, GONE_S = 30.0, 90.0
PODS = "/api/v1/namespaces/{}/pods"
CLAIMS = "/api/v1/namespaces/{}/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"


class Deployment:
    """One scenario's system in one cluster."""

    def __init__(self, api: Api, scenario: Scenario, folder: Path) -> None:
        self._api = api
        self._kube = scenario.system.on_kube
        self._objects = objects(folder, self._kube.manifests)

    @property
    def text(self) -> str:
        """What is deployed, as a user would call it."""
        return described(self._objects)

    async def apply(self) -> None:
        """Idempotent: what is there as wanted stays as it is."""
        for one in self._objects:
            await until(partial(self._served, one), within_s=ESTABLISHED_S, because=f"{one['kind']} is not served")
            try:
                await self._api.apply(one, self._kube.namespace)
            except ApiError as error:
                name = f"{one['kind']} {one['metadata']['name']}"
                raise SetupError(f"{name} could not be applied: {error}") from error

    async def remove(self) -> None:
        """Take away what the manifests put into the system's namespace, its pods and the volumes' claims."""
        namespace = self._kube.namespace
        for one in reversed(self._objects):
            if one["metadata"].get("namespace", namespace) == namespace and one["kind"] != "Namespace":
                with suppress(ApiError):  # its kind is not served: there is none
                    await self._api.delete(await self._api.path_of(one, namespace))
        await self._gone(PODS)
        for claim in await self._api.items(CLAIMS.format(namespace), labelSelector=self._kube.redis.selector):
            await self._api.delete(f"{CLAIMS.format(namespace)}/{claim['metadata']['name']}")
        await self._gone(CLAIMS)
        await self._release_volumes()

    async def _served(self, one: Object) -> str | None:
        """A CRD is served a moment after it was applied."""
        try:
            return await self._api.path_of(one, self._kube.namespace)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    async def _gone(self, what: str) -> None:
        for selector in (self._kube.redis.selector, self._kube.sentinel.selector):
            because = f"{what.rpartition('/')[2]} with {selector} were deleted and are still there"
            await until(partial(self._none, what, selector), within_s=GONE_S, because=because)

    async def _none(self, what: str, selector: str) -> bool:
        return not await self._api.items(what.format(self._kube.namespace), labelSelector=selector)

    async def _release_volumes(self) -> None:
        """Make volumes that nobody will reclaim available again: a static class would run out of them."""
        for volume in await self._api.items(VOLUMES):
            claim = volume["spec"].get("claimRef", {})
            if volume["status"].get("phase") == "Released" and claim.get("namespace") == self._kube.namespace:
                name, body = volume["metadata"]["name"], {"spec": {"claimRef": None}}
                await self._api.run(partial(self._api.core.patch_persistent_volume, name, body))
