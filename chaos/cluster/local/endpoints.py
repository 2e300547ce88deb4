"""The Services of a local system: their endpoints as events, and as forwarding rules, as kube-proxy makes them.

For the controller (`chaos.cluster.local.controller`) the nest is the API server: it sends the controller the list of
pods, and receives the labels that the controller writes.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from chaos.clock import HOST, mono_ns
from chaos.cluster.local.config import quorum, redis_login
from chaos.cluster.local.kubelet import MASTER, Kubelet
from chaos.cluster.local.pod import LocalPod
from chaos.model import MemberKind
from chaos.net.service import Service
from chaos.pipe import packed
from chaos.record.events import EndpointEntry, Endpoints, Event, ServiceKnown, Stamped
from chaos.scenario.places import CONTROLLER, MASTER_LABEL, LocalSystem
from chaos.scenario.scenario import System

MASTER_HOST, SENTINEL_HOST = 10, 11
"""The last byte of the Services' addresses."""


class Programs(Protocol):
    """Makes the addresses of Services lead to their endpoints. All these addresses begin with `addresses`."""

    @property
    def addresses(self) -> str: ...

    def apply(self, wanted: Sequence[Service], done: Callable[[], object]) -> None:
        """Replace all Services by `wanted`, and call `done` once they are in force."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A Service. `chosen` says whether a pod belongs to the Service, ready or not."""

    name: str
    address: str
    port: int
    selector: dict[str, str]
    chosen: Callable[[LocalPod], bool]


class LocalServices:
    """Keeps the Services up to date with the pods. `pods` maps names to all present pods."""

    def __init__(
        self, local: LocalSystem, pods: dict[str, LocalPod], services: Programs, say: Callable[[Stamped[Event]], None]
    ) -> None:
        self._selected = selected(local, services.addresses)
        self._pods = pods
        self._services = services
        self._say = say
        self._said: dict[str, list[EndpointEntry]] = {}

    @property
    def hosts(self) -> dict[str, str]:
        """Maps the name of each Service to its address."""
        return {one.name: one.address for one in self._selected}

    def announce(self) -> None:
        for one in self._selected:
            known = ServiceKnown(service=one.name, cluster_ip=one.address, selector=one.selector)
            self._say(Stamped(event=known, domain=HOST, at_ns=mono_ns()))

    def follow(self, _changed: LocalPod | None = None) -> None:
        """Update the Services from the pods. The event of a change is written once it is in force."""
        now = {one.name: endpoints(filter(one.chosen, self._pods.values())) for one in self._selected}
        if now == self._said:
            return
        changed = {name: found for name, found in now.items() if self._said.get(name) != found}
        self._said = now
        wanted = [self._service(one, now[one.name]) for one in self._selected]
        self._services.apply(wanted, partial(self._tell, changed))

    def _tell(self, changed: dict[str, list[EndpointEntry]]) -> None:
        for name, found in changed.items():
            self._say(Stamped(event=Endpoints(service=name, endpoints=found), domain=HOST, at_ns=mono_ns()))

    def _service(self, one: Selected, found: list[EndpointEntry]) -> Service:
        """Return a Service with its ready endpoints, or else with the serving ones, as kube-proxy does."""
        taken = [each for each in found if each["ready"]] or [each for each in found if each["serving"]]
        ports = {pod.space.address: pod.port for pod in self._pods.values()}
        to = tuple((each["ip"], ports[each["ip"]]) for each in taken)
        return Service(address=one.address, port=one.port, endpoints=to)


def selected(local: LocalSystem, addresses: str) -> tuple[Selected, ...]:
    """Return the Service of the master or of the proxy, if there is one, and the Service of Sentinel."""

    def of(kind: MemberKind) -> tuple[dict[str, str], Callable[[LocalPod], bool]]:
        return {"component": kind.value}, lambda pod: pod.kind is kind

    master, sentinels = (f"{addresses}.{host}" for host in (MASTER_HOST, SENTINEL_HOST))
    last = Selected(local.sentinel.service, sentinels, local.sentinel.port, *of(MemberKind.SENTINEL))
    if local.endpoint is None:
        return (last,)
    if local.mode == "haproxy":
        return Selected(local.endpoint.service, master, local.port, *of(MemberKind.PROXY)), last
    key, _, value = MASTER_LABEL.partition("=")
    return Selected(local.endpoint.service, master, local.port, {key: value}, lambda pod: pod.role == MASTER), last


def endpoints(pods: Iterable[LocalPod]) -> list[EndpointEntry]:
    """Return the entries of an EndpointSlice, with the same keys as those of `chaos.cluster.kube.watcher`."""
    found: list[EndpointEntry] = [
        {
            "ip": pod.space.address,
            "pod": pod.name,
            "ready": pod.ready and not pod.deleting,
            "serving": pod.ready,
            "terminating": pod.deleting,
        }
        for pod in pods
    ]
    return sorted(found, key=lambda one: str(one["pod"]))


class Labels:
    """Sends the pods to the controller, and applies the labels that it writes."""

    def __init__(self, system: System, kubelet: Kubelet) -> None:
        self._system = system
        self._kubelet = kubelet
        self._told = ""
        kubelet.hears = self._hear
        kubelet.listeners.append(self._follow)

    def _hear(self, line: bytes) -> None:
        label = json.loads(line)["label"]
        self._kubelet.label(label["pod"], label["role"])

    def _follow(self, _changed: LocalPod) -> None:
        """Send the pods to the controller. A controller that was started again is sent its task first."""
        controller = self._kubelet.pods.get(CONTROLLER)
        if controller is None or controller.process is None or not controller.lives:
            return
        if self._kubelet.cut_off:
            self._kubelet.held_back += 1
            return
        lines = []
        if controller.container != self._told:
            self._told = controller.container
            lines.append(self._task())
        lines.append({"pods": [_known(pod) for pod in self._kubelet.pods.values() if pod is not controller]})
        for line in lines:
            controller.process.tell(packed(line))

    def _task(self) -> dict[str, Any]:
        system, local = self._system, self._system.on_local
        return {
            "mode": local.mode,
            "every_s": local.endpoint.every if local.endpoint else 0.0,
            "master": local.sentinel.master,
            "replicas": system.replicas,
            "sentinels": system.sentinels,
            "quorum": quorum(system),
            "settings": system.settings.model_dump(),
            "login": redis_login(),
        }


def _known(pod: LocalPod) -> dict[str, Any]:
    said = pod.event()
    known = {key: getattr(said, key) for key in ("name", "component", "ip", "phase", "deleting", "role")}
    return known | {"port": pod.port}
