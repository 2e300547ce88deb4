"""What a Pod, an EndpointSlice and a Service say, as the fields of our events. Pure; objects are the API's own JSON."""

import re
from collections.abc import Iterable
from typing import Any

from chaos.clock import node_domain
from chaos.cluster.kube.api import Object
from chaos.model import Member, MemberKind
from chaos.record.events import EndpointEntry, Pod, ServiceKnown

Fields = dict[str, Any]
ORDINAL = re.compile(r"-(\d+)$")
SERVICE_NAME = "kubernetes.io/service-name"


def pod_event(pod: Object, component: str, container: str, role_key: str) -> Pod:
    """What a Pod says. `container` names the one that counts; empty: the pod's first."""
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
    """A pod that has an address and a container; only a StatefulSet's pods have an ordinal."""
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
    """The Service that a slice belongs to; empty for a slice that somebody made by hand."""
    name: str = endpoint_slice["metadata"].get("labels", {}).get(SERVICE_NAME, "")
    return name


def endpoints(slices: Iterable[Object]) -> list[EndpointEntry]:
    """All endpoints of one Service, in an order that does not depend on how they are spread over slices.

    A condition that is not said counts as true for `ready` and `serving`, as the API defines it.
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
