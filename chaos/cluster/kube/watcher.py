"""Turn what Kubernetes reports of the system into events (pods, EndpointSlices, Services, logs), and list its members.

Nothing is judged here. The analysis decides what matters, and `chaos.cluster.health` whether the system is healthy.
"""

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chaos.clock import HOST, node_domain
from chaos.cluster.base import Members
from chaos.cluster.kube.api import Api, Object
from chaos.cluster.kube.follow import Collection, Followed, ObjectChange
from chaos.cluster.kube.podlog import Origin, PodLog
from chaos.model import Member, MemberKind
from chaos.record.events import EndpointEntry, Endpoints, Event, Pod, ServiceKnown, Stamped
from chaos.record.layout import LOGS
from chaos.scenario.places import KubeSystem
from chaos.scenario.scenario import Scenario

ORDINAL = re.compile(r"-(\d+)$")
SERVICE_NAME = "kubernetes.io/service-name"
SLICES_S, PODS_S = 0.25, 0.5
"""How often a list confirms that nothing changed. This bounds the error of when a Service or a label moved."""


@dataclass(frozen=True, slots=True)
class Component:
    """The pods of one part of the system. An empty `container` means a pod's first one. The operator has port 0."""

    kind: MemberKind
    namespace: str
    selector: str
    container: str = ""
    port: int = 0


class Watcher:
    """Watches the system in threads. They call `put`, one call at a time, from `start` until `stop` returns."""

    def __init__(self, api: Api, scenario: Scenario, directory: Path, put: Callable[[Stamped[Event]], None]) -> None:
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
        """Stop every thread, the logs last."""
        for kept in self._kept:
            kept.stop()
        for log in list(self._logs.values()):
            log.stop()
        self._client.rest_client.close()

    def members(self) -> Members:
        """Return the system's pods that have an address, a container and a node now."""
        with self._lock:
            pods = list(self._pods.values())
        found = [
            member_of(object_, pod, component.port)
            for component, object_, pod in pods
            if pod.ip and pod.container and pod.node
        ]
        return {member.name: member for member in found}

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
        """Follow a pod's log from its first container on.

        The log of a pod that started later is read from its beginning.
        """
        log = self._logs.get(pod.uid)
        if seen.gone:
            if log is not None:
                log.gone()
        elif log is not None:
            log.restarted(pod.restarts)
        elif pod.container and pod.node:
            container = component.container or container_status(seen.object, "")["name"]
            origin = Origin(
                namespace=component.namespace,
                pod=pod.name,
                uid=pod.uid,
                component=component.kind.value,
                container=container,
                node=pod.node,
            )
            self._logs[pod.uid] = PodLog(self._client, origin, self._directory, self._put)
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
            service = service_event(seen.object)
            self._changed(service.service, service, seen)

    def _changed(self, name: str, event: Event, seen: ObjectChange) -> None:
        """Write an event unless it equals the last one.

        An object changes more often than the part of it that we record.
        """
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


Fields = dict[str, Any]


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


def member_of(pod: Object, said: Pod, port: int) -> Member:
    """Return the member that a pod is. Only pods of a StatefulSet have an ordinal."""
    owners = {owner["kind"] for owner in pod["metadata"].get("ownerReferences", [])}
    ordinal = ORDINAL.search(said.name) if "StatefulSet" in owners else None
    return Member(
        name=said.name,
        kind=MemberKind(said.component),
        address=said.ip or "",
        port=port,
        node=said.node or "",
        domain=node_domain(said.node or ""),
        uid=said.uid,
        container=said.container,
        ordinal=int(ordinal[1]) if ordinal else None,
    )


def service_of(endpoint_slice: Object) -> str:
    """Return the Service that a slice belongs to. Empty if the slice was not made for a Service."""
    name: str = endpoint_slice["metadata"].get("labels", {}).get(SERVICE_NAME, "")
    return name


def endpoints(slices: Iterable[Object]) -> list[EndpointEntry]:
    """Return all endpoints of one Service, sorted, so that their spread over slices does not matter.

    A missing `ready` or `serving` counts as true, as the API defines it.
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


def service_event(service: Object) -> ServiceKnown:
    spec = service["spec"]
    return ServiceKnown(
        service=service["metadata"]["name"], cluster_ip=spec.get("clusterIP"), selector=spec.get("selector") or {}
    )
