"""Deploy a scenario's system on Kubernetes, remove it, and describe a pod that is not Ready.

Manifests are applied in an order that works; then the pods are waited for. A system whose pods are Ready need not be
healthy: `chaos.cluster.health` judges that later. Our own pods are waited for and removed here too. Everything we
create has one label, so that a later run finds what a killed run left.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from chaos.clock import mono_ns
from chaos.cluster.health import DESCRIBED_S, FINAL, last_words
from chaos.cluster.kube.api import MANAGED_BY, MANAGER, OURS, Api, ApiError, Object, carried
from chaos.errors import ScenarioError, SetupError
from chaos.progress import Message, Tell, Tells
from chaos.scenario.scenario import Scenario, System
from chaos.scenario.source import documents
from chaos.undo import run_id
from chaos.until import until

FIRST = {"Namespace": 0, "CustomResourceDefinition": 1}
"""The kinds that other objects need. They are applied first. All other objects keep the order of the files."""
ESTABLISHED_S, GONE_S, EMPTY_S = 30.0, 90.0, 60.0
PODS = "/api/v1/namespaces/{}/pods"
CLAIMS = "/api/v1/namespaces/{}/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
READY_S, POLL_S, SAY_S = 180.0, 0.5, 5.0
NAMESPACE = "failover-harness"
"""The namespace of the node helpers. It has to allow them, because they are privileged."""
KINDS = ("pods", "configmaps")
RUNNING_S, OURS_GONE_S = 60.0, 40.0
TAIL_LINES = 20


def objects(folder: Path, manifests: Iterable[str]) -> list[Object]:
    """Return every object in these files and folders, in their order. Raises ScenarioError for a wrong one."""
    found = []
    for name in manifests:
        path = folder / name
        if not path.exists():
            raise ScenarioError(f"{path}: no such file or folder, and the scenario names it in system.kube.manifests")
        for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
            for one in documents(file):
                if one is None:
                    continue
                if not isinstance(one, dict) or not {"apiVersion", "kind", "metadata"} <= one.keys():
                    raise ScenarioError(f"{file}: a document needs apiVersion, kind and metadata")
                found.append(one)
    return sorted(found, key=lambda one: FIRST.get(one["kind"], len(FIRST)))


def moved(found: list[Object], written: str, to: str) -> list[Object]:
    """Return the objects with the namespace `written` replaced by `to`.

    It is replaced where it is the name of a Namespace, a value of `namespace`, or part of a DNS name, as in the
    configuration of a proxy: `redis.written.svc`, and `redis.written` if one of the objects is a Service `redis`.
    Otherwise the second of two systems would send its clients to the first.
    """
    services = "|".join(re.escape(one["metadata"]["name"]) for one in found if one["kind"] == "Service")
    name = re.compile(rf"(?<=\.){re.escape(written)}(?=\.svc\b)")
    of_service = re.compile(rf"(?<![-\w])({services})\.{re.escape(written)}(?!\.?[-\w])") if services else None

    def move(value: Any) -> Any:  # noqa: ANN401  # a tree of anything that YAML has a word for
        match value:
            case {"kind": "Namespace", "metadata": {"name": namespace}} if namespace == written:
                return {**value, "metadata": {**value["metadata"], "name": to}}
            case dict():
                return {
                    key: to if key == "namespace" and each == written else move(each) for key, each in value.items()
                }
            case list():
                return [move(each) for each in value]
            case str():
                text = name.sub(to, value)
                return of_service.sub(rf"\1.{to}", text) if of_service else text
        return value

    return [move(one) for one in found]


def described(found: Iterable[Object]) -> str:
    """Return a description for the user: programs with their version, and custom resources with their namespace."""
    words = []
    for one in found:
        name = one["metadata"]["name"]
        if is_custom(one):
            words.append(f"{one['kind']} {one['metadata'].get('namespace', '')}/{name}")
        elif one["kind"] in {"Deployment", "StatefulSet"}:
            image = one["spec"]["template"]["spec"]["containers"][0]["image"]
            words.append(f"{name} {image.rpartition(':')[2]}")
    return ", ".join(words)


def is_custom(one: Object) -> bool:
    """Return whether a CRD defines the object's kind: its API group has a domain that is not Kubernetes's own."""
    group = one["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


class Deployment:
    """One scenario's system in one cluster. `written` is the namespace in its manifests.

    If several systems run side by side, this one is in another namespace. Objects without a namespace, or in the
    operator's, are shared. `image` must contain a shell; a pod with it empties volumes.
    """

    def __init__(self, api: Api, scenario: Scenario, folder: Path, written: str, image: str) -> None:
        self._api = api
        self._image = image
        self._kube = scenario.system.on_kube
        self._objects = moved(objects(folder, self._kube.manifests), written, self._kube.namespace)

    @property
    def text(self) -> str:
        """A short description of the deployed objects."""
        return described(self._objects)

    async def apply(self) -> None:
        """Apply every object. An object that is already as wanted does not change."""
        for one in self._objects:
            await until(partial(self._served, one), within_s=ESTABLISHED_S, because=f"{one['kind']} is not served")
            try:
                await self._api.apply(one, self._kube.namespace)
            except ApiError as error:
                name = f"{one['kind']} {one['metadata']['name']}"
                raise SetupError(f"{name} could not be applied: {error}") from error

    async def remove(self) -> None:
        """Remove the manifests' objects in the system's namespace, the system's pods, and the claims of its volumes."""
        if not self._objects:
            raise SetupError(
                "the system cannot be deployed afresh, since the scenario names no manifests: "
                "name in system.kube.manifests what deploys it, or mend it by hand"
            )
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
        """Return the path of an object, or None if its kind is not served yet, as just after its CRD was applied."""
        try:
            return await self._api.path_of(one, self._kube.namespace)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    async def _gone(self, what: str) -> None:
        for selector in (self._kube.redis.selector, self._kube.sentinel.selector):
            because = f"{what.rpartition('/')[2]} with {selector} were deleted and are still there"
            path = what.format(self._kube.namespace)
            await until(partial(_none_left, self._api, path, selector), within_s=GONE_S, because=because)

    async def _release_volumes(self) -> None:
        """Empty released volumes and make them available again.

        Otherwise a storage class without a provisioner runs out of volumes, and a new system would start with old data:
        Redis does not start on files of another user, and a new master would have old keys. A volume that is not
        retained is left to its provisioner. Another process may have taken a volume meanwhile.
        """
        for volume in await self._api.items(VOLUMES):
            claim = volume["spec"].get("claimRef", {})
            retained = volume["spec"].get("persistentVolumeReclaimPolicy") == "Retain"
            released = volume["status"].get("phase") == "Released" and claim.get("namespace") == self._kube.namespace
            if not retained or not released:
                continue
            await self._empty(volume)
            path = f"{VOLUMES}/{volume['metadata']['name']}"
            try:
                await self._api.request("MERGE", path, {"spec": {"claimRef": None}})
            except ApiError as error:
                if error.status != 404:
                    raise

    async def _empty(self, volume: Object) -> None:
        """Delete the content of a volume that is a folder of a node, with a pod there. Other volumes are left to their
        driver. Raises SetupError if that fails, because the deployed system would not be fresh.
        """
        name, spec = volume["metadata"]["name"], volume["spec"]
        folder = (spec.get("hostPath") or spec.get("local") or {}).get("path")
        if not folder:
            return
        terms = spec.get("nodeAffinity", {}).get("required", {}).get("nodeSelectorTerms")
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
        container = {
            "name": "empty",
            "image": self._image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", "find /volume -mindepth 1 -delete"],
            "securityContext": {"runAsUser": 0},
            "volumeMounts": [{"name": "volume", "mountPath": "/volume"}],
        }
        pod: Object = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"empty-{name}"[:63].rstrip("-."), "namespace": NAMESPACE, "labels": {}},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "tolerations": [{"operator": "Exists"}],
                **({"affinity": affinity} if terms else {}),
                "containers": [container],
                "volumes": [{"name": "volume", "hostPath": {"path": folder}}],
            },
        }
        path = f"{PODS.format(NAMESPACE)}/{pod['metadata']['name']}"
        seen: Object = {}

        async def over() -> bool:
            seen.update(await self._api.get(path) or {})
            return seen.get("status", {}).get("phase") in ("Succeeded", "Failed")

        await self._api.apply(namespace_object())
        await self._api.apply(carried(pod, run_id()))
        try:
            await until(over, within_s=EMPTY_S, because=lambda: f"volume {name} was not emptied: {state_of(seen)}")
            if seen["status"]["phase"] == "Failed":
                raise SetupError(f"volume {name} could not be emptied: {state_of(seen)}")
        finally:
            await self._api.delete(path, 0)


class Readiness:
    """The pods that a scenario's selectors name, and how many of each must be Ready."""

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

    async def wait(self, within_s: float = READY_S, *, say_s: float = SAY_S, described_s: float = DESCRIBED_S) -> None:
        """Wait until all pods are Ready.

        Tell what is waited for every `say_s` seconds, and describe it once after `described_s`.

        Raises SetupError with the pod that is not Ready, what it waits for, its last log lines and its last event. If a
        pod cannot start because its manifest is wrong, the wait ends at once.
        """
        async with self._telling(say_s, described_s):
            try:
                await until(self._ready, within_s=within_s, because=lambda: self._lacking, every_s=POLL_S)
            except SetupError as error:
                raise SetupError(f"{error}; {await self._described()}") from error

    async def _described(self) -> str:
        """Return the last log lines and the last event of the pod that is not Ready."""
        if self._pod is None:
            return await last_event(self._api, self._namespace, None)
        name = self._pod["metadata"]["name"]
        lines = await log_tail(self._api, self._namespace, self._pod)
        return f"{last_words(lines)}; {await last_event(self._api, self._namespace, name)}"

    async def _ready(self) -> bool:
        for namespace, selector, count in self._wanted:
            pods = await self._api.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
            self._namespace = namespace
            self._pod = next((pod for pod in pods if not is_ready(pod)), None)
            if self._pod is not None:
                self._lacking = f"pod {self._pod['metadata']['name']} is not Ready: {state_of(self._pod)}"
                if FINAL & set(waiting_reasons(self._pod)):
                    raise SetupError(self._lacking)
                return False
            if len(pods) < count:
                self._lacking = f"{len(pods)} of {count} pods with {selector} are there in {namespace}"
                return False
        return True

    @asynccontextmanager
    async def _telling(self, say_s: float, described_s: float) -> AsyncIterator[None]:
        """While in the context, tell every `say_s` seconds what is waited for, and for how long."""
        begun_ns = mono_ns()

        async def tell() -> None:
            described = False
            while True:
                await asyncio.sleep(say_s)
                waited_s = (mono_ns() - begun_ns) / 1e9
                if waited_s >= described_s and not described:
                    described = True
                    self._tell(Message(Tell.NOTE, {"text": f"{self._lacking}; {await self._described()}"}))
                self._tell(Message(Tell.WAITING, {"name": "deploy", "text": self._lacking, "seconds": waited_s}))

        task = asyncio.create_task(tell())
        try:
            yield
        finally:
            task.cancel()


async def log_tail(api: Api, namespace: str, pod: Object) -> list[str]:
    """Return the last log lines of a pod's container, or of its previous one while it waits, if there is a log."""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/log"
    before = {"previous": "true"} if waiting_reasons(pod) else {}
    try:
        return (await api.text(path, tailLines=str(TAIL_LINES), **before)).splitlines()
    except ApiError:
        return []  # a container that never ran has no log


async def last_event(api: Api, namespace: str, pod: str | None) -> str:
    """Return the last event about a pod, or about its namespace if `pod` is None."""
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


def waiting_reasons(pod: Object) -> list[str]:
    """Return Kubernetes's reasons why the pod's containers wait."""
    states = [one.get("state", {}).get("waiting") for one in pod.get("status", {}).get("containerStatuses", [])]
    return [str(one["reason"]) for one in states if one]


def state_of(pod: Object) -> str:
    """Return why a pod is not Ready: the reason why a container waits, or else the condition that is not met."""
    status = pod.get("status", {})
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting")
        if waiting:
            return str(waiting.get("message") or waiting["reason"])
    unmet = [one for one in status.get("conditions", []) if one["status"] != "True" and one.get("message")]
    return str(unmet[0]["message"]) if unmet else str(status.get("phase", "Pending"))


def namespace_object() -> Object:
    labels = {MANAGED_BY: MANAGER, "pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


async def remove_ours(api: Api, namespaces: Iterable[str], selector: str = OURS) -> int:
    """Delete our pods and ConfigMaps, wait until they are gone, and return how many there were.

    `selector` can limit this to one system, where several run side by side. Node helpers keep their grace period, in
    which they undo their faults.
    """
    paths = [f"/api/v1/namespaces/{namespace}/{kind}" for namespace in namespaces for kind in KINDS]
    count = 0
    for path in paths:
        for one in await api.items(path, labelSelector=selector):
            count += await api.delete(f"{path}/{one['metadata']['name']}")
    for path in paths:
        await until(
            partial(_none_left, api, path, selector),
            within_s=OURS_GONE_S,
            because=f"leftovers of ours in {path} do not go",
        )
    return count


async def wait_running(api: Api, namespace: str, name: str) -> Object:
    """Wait until all containers of a pod are Ready, and return the pod. Raises SetupError with the reason."""
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    seen: Object = {}

    async def ready() -> bool:
        seen.update(await api.get(path) or {})
        return "metadata" in seen and is_ready(seen)

    try:
        await until(ready, within_s=RUNNING_S, because=lambda: f"pod {name} is not Ready: {state_of(seen)}")
    except SetupError as error:
        raise SetupError(f"{error}; {await last_event(api, namespace, name)}") from error
    return seen


async def _none_left(api: Api, path: str, selector: str) -> bool:
    return not await api.items(path, labelSelector=selector)
