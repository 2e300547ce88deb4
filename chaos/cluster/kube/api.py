"""The Kubernetes API as the harness uses it: one cluster, named explicitly, and a timeout for every request.

Only this module makes Kubernetes clients. It reads the kubeconfig that it is given, and never ~/.kube or the
environment, so that no command can reach a cluster that the user did not name.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import urllib3.exceptions
from kubernetes import client
from kubernetes.client import rest
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, new_client_from_config

from chaos.errors import SetupError
from chaos.undo import RUN

CONNECT_S, REQUEST_S = 5.0, 30.0
CONNECTIONS = 32
"""How many connections a client keeps open. Each watch and each followed log takes one."""
MANAGER = "failover-harness"
"""Our field manager, and the value of the label that marks all our objects."""
MANAGED_BY = "app.kubernetes.io/managed-by"
OURS = f"{MANAGED_BY}={MANAGER}"
RUN_LABEL = "failover-harness/run"
"""The label with the id of the run that made an object."""
SYSTEM_LABEL = "failover-harness/system"
"""The label, on our objects in the node helpers' namespace, with the namespace of the system that they are for."""
Object = dict[str, Any]
T = TypeVar("T")


def carried(manifest: Object, run: str, **annotations: str) -> Object:
    """Return a manifest that names the run: in a label and, for a pod, in the environment of its containers."""
    metadata = manifest["metadata"]
    labels = metadata.get("labels", {}) | {MANAGED_BY: MANAGER, RUN_LABEL: run}
    made = {**manifest, "metadata": {**metadata, "labels": labels}}
    if annotations:
        made["metadata"]["annotations"] = annotations
    if manifest["kind"] == "Pod":
        variable = {"name": RUN, "value": run}
        each = [{**one, "env": [*one.get("env", []), variable]} for one in manifest["spec"]["containers"]]
        made["spec"] = {**manifest["spec"], "containers": each}
    return made


class ApiError(SetupError):
    """The API server refused or did not answer. `status` is the HTTP status, or 0 if there was no answer."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class _TimedClient(client.ApiClient):
    """A client with a timeout for every request. The library's default has none."""

    request_s = REQUEST_S

    def call_api(
        self,
        method: object,
        url: object,
        header_params: object = None,
        body: object = None,
        post_params: object = None,
        _request_timeout: object = None,
    ) -> rest.RESTResponse:
        within = _request_timeout or (CONNECT_S, self.request_s)
        return super().call_api(method, url, header_params, body, post_params, within)


class Api:
    """One cluster. Blocking calls run in threads, so that a slow server does not delay unrelated work."""

    def __init__(self, kubeconfig: Path, context: str | None = None, request_s: float = REQUEST_S) -> None:
        self.kubeconfig = kubeconfig
        self.context = context
        self._request_s = request_s
        self.client = self.new_client()
        self.core = client.CoreV1Api(self.client)
        self._threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="kube-api")
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    def new_client(self) -> client.ApiClient:
        """Return a separate client. An exec stream needs its own, because it alters its client while it opens."""
        settings = client.Configuration()
        settings.retries = False
        settings.connection_pool_maxsize = CONNECTIONS
        settings.proxy = None  # ignores a proxy of the environment; one that the kubeconfig names is used
        try:
            new_client_from_config(str(self.kubeconfig), self.context, False, settings)  # type: ignore[no-untyped-call]
        except (ConfigException, OSError) as error:
            raise SetupError(f"cannot use context {self.context} of kubeconfig {self.kubeconfig}: {error}") from error
        timed = _TimedClient(settings)
        timed.request_s = self._request_s
        return timed

    async def run(self, call: Callable[[], T]) -> T:
        """Run a blocking call in a thread. Raises ApiError for the library's errors."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except ApiException as error:
            raise ApiError(f"the API server answered {_reason(error)}", error.status or 0) from error
        except urllib3.exceptions.HTTPError as error:
            host = self.client.configuration.host
            raise ApiError(f"the API server at {host} did not answer: {error}") from error

    async def request(self, method: str, path: str, body: Object | None = None, **query: str) -> Object:
        """Send a request and return its JSON. PATCH is a server-side apply, and MERGE a JSON merge patch.

        If the caller is cancelled, a request that changes something is still waited for. Otherwise its undo might reach
        the server first.
        """
        request = asyncio.create_task(self.run(lambda: dict(json.loads(self._request(method, path, body, query)))))
        try:
            return await asyncio.shield(request)
        except asyncio.CancelledError:
            if method == "GET":
                request.cancel()
            await asyncio.gather(request, return_exceptions=True)
            raise

    async def text(self, path: str, **query: str) -> str:
        """Return the answer to a GET that is not JSON, such as a log."""
        data = await self.run(lambda: self._request("GET", path, None, query))
        return data.decode("utf-8", "replace")

    def _request(self, method: str, path: str, body: Object | None, query: Mapping[str, str]) -> bytes:
        patches = {"PATCH": "application/apply-patch+yaml", "MERGE": "application/merge-patch+json"}
        content = patches.get(method, "application/json")
        url = self.client.param_serialize(
            "PATCH" if method in patches else method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content},
            body=body,
            auth_settings=["BearerToken"],
        )
        answer = self.client.call_api(*url)
        data: bytes = answer.read()  # type: ignore[no-untyped-call]
        if not 200 <= answer.status < 300:
            raise ApiException(status=answer.status, reason=data.decode(errors="replace"))
        return data

    async def items(self, path: str, **query: str) -> list[Object]:
        return list((await self.request("GET", path, None, **query))["items"])

    async def get(self, path: str) -> Object | None:
        """Return the object, or None if there is none."""
        try:
            return await self.request("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def apply(self, manifest: Object, namespace: str | None = None) -> Object:
        """Apply an object on the server's side. `namespace` is used if the object names none."""
        path = await self.path_of(manifest, namespace)
        return await self.request("PATCH", path, manifest, fieldManager=MANAGER, force="true")

    async def delete(self, path: str, grace_s: int | None = None) -> bool:
        """Request deletion; dependents follow in the background. Return False if there was nothing to delete."""
        options: Object = {"propagationPolicy": "Background"}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            await self.request("DELETE", path, options)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    async def path_of(self, manifest: Object, namespace: str | None = None) -> str:
        """Return the path of an object. Raises ApiError with status 404 if the server does not serve its kind."""
        version, kind, meta = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        plural, namespaced = await self._resource(root, kind)
        within = f"/namespaces/{meta.get('namespace') or namespace}" if namespaced else ""
        return f"{root}{within}/{plural}/{meta['name']}"

    async def _resource(self, root: str, kind: str) -> tuple[str, bool]:
        if kind not in self._kinds.get(root, {}):
            found = (await self.request("GET", root))["resources"]
            names = [item for item in found if "/" not in item["name"]]
            self._kinds[root] = {item["kind"]: (item["name"], item["namespaced"]) for item in names}
        if kind not in self._kinds[root]:
            raise ApiError(f"the API server serves no {kind} in {root}", 404)
        return self._kinds[root][kind]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.client.rest_client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reason(error: ApiException) -> str:
    """Return the message in the body of the error, if there is one."""
    text = str(error.body or error.reason)
    try:
        return f"{error.status}: {json.loads(text)['message']}"
    except (ValueError, KeyError, TypeError):
        return f"{error.status}: {text.strip() or error.reason}"
