"""Turn what Kubernetes reports of the system into events (pods, EndpointSlices, Services, logs), and list its members.

Nothing is judged here. The analysis decides what matters, and `chaos.cluster.health` whether the system is healthy.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from kubernetes import client

from chaos.clock import HOST, mono_ns, node_domain
from chaos.cluster.base import Members, member_of
from chaos.cluster.kube.api import Api, ApiError, Object
from chaos.cluster.kube.follow import Collection, Followed, ObjectChange, Silent, StreamedLines
from chaos.model import MemberKind
from chaos.record.events import (
    EndpointEntry,
    Endpoints,
    Event,
    LogClosed,
    LogOpened,
    Pod,
    ServiceKnown,
    Stamped,
    gap_event,
)
from chaos.record.layout import LOGS
from chaos.scenario.places import KubeSystem
from chaos.scenario.scenario import Scenario

SERVICE_NAME = "kubernetes.io/service-name"
SLICES_S, PODS_S = 0.25, 0.5
"""How often a list confirms that nothing changed. This bounds the error of when a Service or a label moved."""
SILENT_S = 60.0
"""After this many seconds without a line, the log is opened again where it stopped. Many logs are silent for longer."""
REST_S = 5.0
RETRY_S = 0.5
BEFORE_S = 1
"""How many seconds of the past are read from a container that ran before we came."""
NOT_THERE = frozenset({400, 404})
"""The API's status codes for a container that has not started, or whose log is gone with its pod."""


Put = Callable[[Stamped[Event]], None]


@dataclass(frozen=True, slots=True)
class Component:
    """The pods of one part of the system. An empty `container` means a pod's first one. The operator has port 0."""

    kind: MemberKind
    namespace: str
    selector: str
    container: str = ""
    port: int = 0


class PodLog:
    """Writes the log of one pod's container to a file, in a thread, over restarts and breaks, until the pod is gone.

    The kubelet's time stamp, on the node's clock, stays at the start of each line. Lines are not parsed.
    """

    def __init__(self, api: client.ApiClient, component: Component, pod: Pod, directory: Path, put: Put) -> None:
        self._api = api
        self._component = component
        self._pod = pod
        self._path = directory / f"{component.kind}-{pod.name}-{pod.uid[:8]}.log"
        self._put = put
        self._stamp = b""
        self._since: dict[str, str] = {}
        self._restarts = self._followed = 0
        self._broken, self._broken_ns = "", 0
        self._changed = threading.Event()
        self._last = self._stopped = False
        self._lines: StreamedLines | None = None
        self._thread = threading.Thread(target=self._run, name=f"log-{pod.name}", daemon=True)

    def start(self, *, restarts: int, ran_before: bool) -> None:
        self._restarts = self._followed = restarts
        if ran_before:
            self._since = {"sinceSeconds": str(BEFORE_S)}
        self._thread.start()

    def restarted(self, restarts: int) -> None:
        """Note the restart count that the watch reports. If it has grown, the pod has a new container."""
        if restarts > self._restarts:
            self._restarts = restarts
            self._changed.set()

    def gone(self) -> None:
        """Note that the pod was deleted. Its container may still be writing, so the stream is left to end by itself."""
        self._last = True
        self._changed.set()

    def stop(self) -> None:
        self._stopped = True
        self.gone()
        lines = self._lines
        if lines is not None:
            lines.end()
        self._thread.join(REST_S)

    def _run(self) -> None:
        self._say(LogOpened)
        with self._path.open("ab", buffering=0) as file:
            while self._round(file.write) or not self._last:
                self._changed.wait(RETRY_S)
                self._changed.clear()
        if self._broken:
            self._mended()
        self._say(LogClosed)

    def _round(self, write: Callable[[bytes], object]) -> bool:
        """Follow the log until the stream ends. Return whether lines may still come although the pod is gone."""
        try:
            self._follow(write)
        except Silent:
            return True
        except ApiError as error:
            if error.status not in NOT_THERE and not self._broken:
                self._broken, self._broken_ns = str(error), mono_ns()
            return False
        if self._broken:
            self._mended()
        return False

    def _follow(self, write: Callable[[bytes], object]) -> None:
        """Read the rest of the previous container's log, if the container was restarted, and then the present one's."""
        if self._followed < self._restarts:
            self._followed, self._since = self._restarts, {}
            try:
                self._copy(write, REST_S, {"previous": "true"})
            except ApiError as error:
                if error.status not in NOT_THERE:
                    raise
        self._copy(write, SILENT_S, {"follow": "true"})

    def _copy(self, write: Callable[[bytes], object], silent_s: float, how: dict[str, str]) -> None:
        """Append the lines that are later than the last one in the file."""
        component, known = self._component, self._stamp
        since = {"sinceTime": known.decode()} if known else self._since
        path = f"/api/v1/namespaces/{component.namespace}/pods/{self._pod.name}/log"
        with StreamedLines(
            self._api, path, silent_s, container=component.container, timestamps="true", **how, **since
        ) as lines:
            self._lines = lines
            if self._stopped:
                return
            for line in lines:
                stamp = line.partition(b" ")[0]
                if stamp > known:
                    write(line + b"\n")
                    self._stamp = stamp

    def _say(self, kind: type[LogOpened | LogClosed]) -> None:
        """Write an event about the log, on the clock of the log's stamps, which is the node's."""
        component, pod = self._component, self._pod
        event = kind(
            file=self._path.name,
            component=component.kind.value,
            pod=pod.name,
            uid=pod.uid,
            container=component.container,
        )
        self._put(Stamped(event=event, domain=node_domain(pod.node or ""), at_ns=mono_ns()))

    def _mended(self) -> None:
        """Write the gap that ends now. Lines written meanwhile have been read, unless the log is gone with its pod."""
        self._put(gap_event(f"log {self._path.name}", self._broken, self._broken_ns))
        self._broken = ""


class Watcher:
    """Watches the system in threads. They call `put`, one call at a time, from `start` until `stop` returns."""

    def __init__(self, api: Api, scenario: Scenario, directory: Path, put: Put) -> None:
        kube = scenario.system.on_kube
        self._client = api.new_client()
        self._directory = directory / LOGS
        self._sink = put
        self._lock = threading.Lock()
        self._role_key = (kube.master_label or "").partition("=")[0]
        self._pods: dict[str, tuple[Component, Object, Pod]] = {}
        self._slices: dict[str, dict[str, Object]] = {}
        self._said: dict[str, Event] = {}
        self._logs: dict[str, PodLog] = {}
        self._began = False
        self._kept = [self._pods_of(component) for component in components(kube)]
        within = f"namespaces/{kube.namespace}"
        slices = Collection("endpointslices", f"/apis/discovery.k8s.io/v1/{within}/endpointslices", relist_s=SLICES_S)
        services = Collection("services", f"/api/v1/{within}/services")
        self._kept.append(Followed(self._client, slices, self._slice, self._put))
        self._kept.append(Followed(self._client, services, self._service, self._put))

    def start(self) -> None:
        """Start watching. Returns once everything was listed. Raises ApiError if that failed."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for kept in self._kept:
            kept.start()
        self._began = True

    def stop(self) -> None:
        """Stop the watches, then the threads that copy logs. Wait for each, for a few seconds at most."""
        for kept in self._kept:
            kept.stop()
        for log in list(self._logs.values()):
            log.stop()
        self._client.rest_client.close()

    def members(self) -> Members:
        """Return the system's pods that have an address, a container and a node now."""
        with self._lock:
            pods = list(self._pods.values())
        found: Members = {}
        for component, object_, pod in pods:
            if pod.ip and pod.container and pod.node:
                numbered = "StatefulSet" in {one["kind"] for one in object_["metadata"].get("ownerReferences", [])}
                found[pod.name] = member_of(pod, port=component.port, domain=node_domain(pod.node), numbered=numbered)
        return found

    def _pods_of(self, component: Component) -> Followed:
        path = f"/api/v1/namespaces/{component.namespace}/pods"
        relist_s = PODS_S if component.kind is MemberKind.REDIS else 0.0
        source = Collection(f"{component.kind} pods", path, component.selector, relist_s)
        return Followed(self._client, source, lambda seen: self._pod(component, seen), self._put)

    def _pod(self, component: Component, seen: ObjectChange) -> None:
        pod = pod_event(seen.object, component.kind.value, component.container, self._role_key)
        uid = pod.uid
        with self._lock:
            if seen.gone:
                self._pods.pop(uid, None)
            else:
                self._pods[uid] = (component, seen.object, pod)
        self._changed(uid, replace(pod, gone=seen.gone), seen)
        self._log(component, seen, pod)

    def _log(self, component: Component, seen: ObjectChange, pod: Pod) -> None:
        """Follow a pod's log from its first container on. That of a later pod is read from its beginning."""
        log = self._logs.get(pod.uid)
        if seen.gone:
            if log is not None:
                log.gone()
        elif log is not None:
            log.restarted(pod.restarts)
        elif pod.container and pod.node:
            container = component.container or container_status(seen.object, "")["name"]
            of = replace(component, container=container)
            self._logs[pod.uid] = PodLog(self._client, of, pod, self._directory, self._put)
            self._logs[pod.uid].start(restarts=pod.restarts, ran_before=not self._began)

    def _slice(self, seen: ObjectChange) -> None:
        service = service_of(seen.object)
        if not service:
            return
        slices = self._slices.setdefault(service, {})
        if seen.gone:
            slices.pop(seen.object["metadata"]["uid"], None)
        else:
            slices[seen.object["metadata"]["uid"]] = seen.object
        self._changed(service, Endpoints(service=service, endpoints=endpoints(slices.values())), seen)

    def _service(self, seen: ObjectChange) -> None:
        if not seen.gone:
            name, spec = seen.object["metadata"]["name"], seen.object["spec"]
            known = ServiceKnown(service=name, cluster_ip=spec.get("clusterIP"), selector=spec.get("selector") or {})
            self._changed(name, known, seen)

    def _changed(self, name: str, event: Event, seen: ObjectChange) -> None:
        """Write an event unless it equals the last one: more of an object changes than what we record of it."""
        key = f"{event.kind} {name}"
        if self._said.get(key) != event:
            self._said[key] = event
            self._put(Stamped(event=event, domain=HOST, at_ns=seen.at_ns, since_ns=seen.since_ns))

    def _put(self, stamped: Stamped[Event]) -> None:
        with self._lock:
            self._sink(stamped)


def components(kube: KubeSystem) -> list[Component]:
    redis, sentinel = kube.redis, kube.sentinel
    found = [
        Component(MemberKind.REDIS, kube.namespace, redis.selector, redis.container, redis.port),
        Component(MemberKind.SENTINEL, kube.namespace, sentinel.selector, sentinel.container, sentinel.port),
    ]
    if kube.proxy is not None:
        proxy = kube.proxy
        found.append(Component(MemberKind.PROXY, kube.namespace, proxy.selector, proxy.container, proxy.port))
    if kube.operator is not None:
        found.append(Component(MemberKind.OPERATOR, kube.operator.namespace, kube.operator.selector))
    return found


def pod_event(pod: Object, component: str, container: str, role_key: str) -> Pod:
    """Return a Pod as an event. `container` names the container to describe. Empty means the pod's first one."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    own = container_status(pod, container)
    conditions = {one["type"]: one for one in status.get("conditions", [])}
    scheduled = conditions.get("PodScheduled", {})
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        component=component,
        ip=status.get("podIP"),
        node=spec.get("nodeName"),
        phase=status.get("phase"),
        ready=conditions.get("Ready", {}).get("status") == "True",
        role=meta.get("labels", {}).get(role_key) if role_key else None,
        container=own.get("containerID", "").rpartition("/")[2],
        restarts=own.get("restartCount", 0),
        started_at=own.get("state", {}).get("running", {}).get("startedAt"),
        deleting="deletionTimestamp" in meta,
        gone=False,
        waiting=own.get("state", {}).get("waiting", {}).get("reason", ""),
        ended=own.get("lastState", {}).get("terminated", {}).get("reason", ""),
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
    )


def container_status(pod: Object, container: str) -> Object:
    statuses: list[Object] = pod.get("status", {}).get("containerStatuses", [])
    named = [status for status in statuses if status["name"] == container or not container]
    return named[0] if named else {}


def service_of(endpoint_slice: Object) -> str:
    """Return the Service that a slice belongs to. Empty if the slice was not made for a Service."""
    name: str = endpoint_slice["metadata"].get("labels", {}).get(SERVICE_NAME, "")
    return name


def endpoints(slices: Iterable[Object]) -> list[EndpointEntry]:
    """Return all endpoints of one Service, sorted, so that their spread over slices does not matter. A missing `ready`
    or `serving` counts as true, as the API defines it.
    """
    found = [
        _endpoint(one, address)
        for part in slices
        for one in part.get("endpoints") or []
        for address in one["addresses"]
    ]
    return sorted(found, key=lambda one: (str(one["pod"]), one["ip"]))


def _endpoint(one: Object, address: str) -> EndpointEntry:
    conditions, target = one.get("conditions", {}), one.get("targetRef", {})
    return {
        "ip": address,
        "pod": target.get("name"),
        "ready": conditions.get("ready") is not False,
        "serving": conditions.get("serving") is not False,
        "terminating": conditions.get("terminating") is True,
    }
