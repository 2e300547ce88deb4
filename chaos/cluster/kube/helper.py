"""The host's side of a node helper: its pod, its stream, and the renewals that keep its leases.

One helper a node that holds targets. It turns what the helper saw into effects; what a fault is, and when one is made,
is decided above. Nothing here retries a fault: after a break it is not known whether it was made.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

from chaos.agent.waits import fetched
from chaos.clock import HOST, mono_ns, node_domain
from chaos.cluster.base import Effect
from chaos.cluster.kube.api import MANAGED_BY, MANAGER, Api, Object
from chaos.cluster.kube.pods import wait_running
from chaos.cluster.kube.stream import Answer, LineStream, Program, StreamBroken, clock_offset
from chaos.errors import FaultError
from chaos.model import Member, MemberKind
from chaos.record.events import ClockPair, Event, FaultUndone, Gap, Stamped
from chaos.until import until

LEASE_S = 30.0
"""A fault outlives a silent host by this much, and no more."""
RENEW_S = 1.0
"""Every renewal also brings a clock pair, which is wanted once a second."""
ASK_S, HEAL_S, PROOF_S, START_S = 4.0, 5.0, 5.0, 60.0
LIFE_S = 4 * 3600
"""The pod ends after this long, whatever became of us; it heals before it ends."""
GRACE_S = 10
CONTAINER = "helper"


class Unproved(FaultError):
    """The proof of a fault did not come in time, which is no failing of ours."""


class NodeHelper:
    """Everything may be called from one event loop only. Effects are on the node's clock, `domain`."""

    def __init__(self, api: Api, namespace: str, node: str, image: str, put: Callable[[Stamped[Event]], None]) -> None:
        self.node = node
        self.domain = node_domain(node)
        self._api = api
        self._put = put
        self._pod = pod_manifest(namespace, node, image)
        self._path = f"/api/v1/namespaces/{namespace}/pods"
        command = ["python", "-m", "chaos.agent.talk"]
        self._program = Program(namespace, self._pod["metadata"]["name"], CONTAINER, command)
        self._stream: LineStream | None = None
        self._opening = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None
        self._heard_ns, self._silent = mono_ns(), ""
        self._told: set[int] = set()
        self._waits_ns = 0
        self.watched: list[Member] = []
        """Those on this node whose waits for a core are recorded from the next renewal on."""

    async def start(self) -> None:
        """Raises SetupError naming what its pod waits for."""
        await self._api.request("POST", self._path, self._pod)
        await wait_running(self._api, self._program.namespace, self._program.pod)
        for event in await clock_offset(await self._open(), self.domain):
            self._put(event)
        self._heard_ns = mono_ns()
        self._renewing = asyncio.create_task(self._renew())

    async def kill(self, container: str) -> Effect:
        """SIGKILL to the container's own process; confirmed because it was seen gone."""
        return self._effect(await self._do("signal", container=container, signal="KILL"))

    async def pause(self, container: str, longest_s: float) -> Effect:
        """SIGSTOP to all processes of the container, on a lease."""
        term = {"lease_s": LEASE_S, "longest_s": longest_s}
        return self._effect(await self._do("signal", container=container, signal="STOP", **term))

    async def resume(self, container: str) -> None:
        await self._do("signal", container=container, signal="CONT")

    async def cut(self, container: str, peers: tuple[str, ...], longest_s: float) -> Effect:
        """Cut the container's pod from `peers`, both ways, on a lease; confirmed once a packet was dropped."""
        term = {"lease_s": LEASE_S, "longest_s": longest_s}
        answer = await self._do("cut", container=container, peers=list(peers), **term)
        accepted_ns, confirmed_ns = mono_ns(), None
        try:
            evidence = f"{await self._dropped(container)} packets between it and {len(peers)} peers were dropped"
            confirmed_ns = mono_ns()
        except Unproved:
            evidence = f"no packet between it and {len(peers)} peers was dropped within {PROOF_S:g} s"
        return Effect(
            domain=self.domain,
            earliest_ns=answer["before_ns"],
            latest_ns=answer["after_ns"],
            accepted_ns=accepted_ns,
            confirmed_ns=confirmed_ns,
            evidence=evidence,
        )

    async def processes(self, uid: str) -> list[dict[str, Any]]:
        """The processes that a pod has on this node now: {pid, name, cgroup}; the cgroup holds the container's id."""
        found: list[dict[str, Any]] = (await self._do("processes", uid=uid))["processes"]
        return found

    async def heal(self) -> None:
        """Undo every cut and pause on this node; idempotent, within 5 s. Raises FaultError when that is not known."""
        try:
            async with asyncio.timeout(HEAL_S):
                await self._healed()
        except TimeoutError:
            text = f"the helper on {self.node} did not say within {HEAL_S:g} s that it healed"
            raise FaultError(f"{text}; its leases end by themselves within {LEASE_S:g} s") from None

    async def close(self) -> None:
        """Remove the pod, which heals before it ends. Safe after a start that failed."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if self._stream is not None:
            await self._stream.close()
        await self._api.delete(f"{self._path}/{self._program.pod}", GRACE_S)

    async def _dropped(self, container: str) -> int:
        """Packets dropped so far, as soon as there is one; raises Unproved when there was none in time."""

        async def dropped() -> int:
            return int((await self._do("dropped", container=container))["dropped"] or 0)

        return await until(dropped, within_s=PROOF_S, because="no packet was dropped", every_s=0.05, error=Unproved)

    async def _healed(self) -> None:
        """A broken stream is opened again: healing twice does no harm."""
        while True:
            try:
                answer = await (await self._open()).ask({"do": "heal"}, ASK_S)
            except StreamBroken:
                await asyncio.sleep(0.2)
                continue
            if "error" in answer:
                raise FaultError(f"the helper on {self.node}: {answer['error']}")
            self._tell(answer["healed"])
            return

    async def _do(self, do: str, **fields: object) -> Answer:
        """One request; raises FaultError for the helper's error, or when its answer never came."""
        try:
            answer = await (await self._open()).ask({"do": do, **fields}, ASK_S)
        except StreamBroken as error:
            raise FaultError(f"{do} on {self.node}: {error}") from error
        if "error" in answer:
            raise FaultError(f"{do} on {self.node}: {answer['error']}")
        return answer

    def _effect(self, answer: Answer) -> Effect:
        now_ns = mono_ns()
        return Effect(
            domain=self.domain,
            earliest_ns=answer["before_ns"],
            latest_ns=answer["after_ns"],
            accepted_ns=now_ns,
            confirmed_ns=now_ns,
            evidence=f"process {answer['pid']} seen {answer['seen']}",
        )

    async def _open(self) -> LineStream:
        """The stream; a new one where the last broke. Raises StreamBroken."""
        async with self._opening:
            if self._stream is None or self._stream.broken:
                if self._stream is not None:
                    await self._stream.close()
                    self._silent = self._silent or "its stream broke and was opened again"
                self._stream = LineStream(self._api, self._program)  # held first, so that `close` finds it half-open
                await self._stream.open()
            return self._stream

    async def _renew(self) -> None:
        """Renew the leases for as long as the host lives; a stream that broke is opened again at the next renewal."""
        while True:
            try:
                watch = [_watched(member) for member in self.watched]
                request = {"do": "renew", "watch": watch, "seen_ns": self._waits_ns}
                self._heard(await (await self._open()).ask(request, ASK_S))
            except StreamBroken as error:
                self._silent = str(error)
            await asyncio.sleep(RENEW_S)

    def _heard(self, answer: Answer) -> None:
        now_ns = mono_ns()
        if self._silent:
            gap = Gap(source=f"helper on {self.node}", text=self._silent)
            self._put(Stamped(event=gap, domain=HOST, at_ns=now_ns, since_ns=self._heard_ns))
        self._heard_ns, self._silent = now_ns, ""
        pair = ClockPair(wall_ns=answer["wall_ns"])
        self._put(Stamped(event=pair, domain=self.domain, at_ns=answer["mono_ns"]))
        for event in fetched(answer["waits"], self.domain):
            self._waits_ns = event.at_ns
            self._put(event)
        self._tell(answer["healed"])

    def _tell(self, healed: list[dict[str, Any]]) -> None:
        """What the helper undid without being asked: once, in the record. It says whether the fault was in force."""
        for one in healed:
            if one["because"] == "asked" or one["after_ns"] in self._told:
                continue
            self._told.add(one["after_ns"])
            undone = FaultUndone(what=one["what"], because=one["because"])
            stamps = {"at_ns": one["after_ns"], "since_ns": one["before_ns"]}
            self._put(Stamped(event=undone, domain=self.domain, **stamps))


def _watched(member: Member) -> dict[str, Any]:
    """An HAProxy answers in a child of its own process."""
    return {"name": member.name, "container": member.container, "all": member.kind is MemberKind.PROXY}


def pod_manifest(namespace: str, node: str, image: str) -> Object:
    """Privileged and in the node's pid namespace; its grace lets it heal before it ends."""
    name = f"helper-{node[:50].rstrip('-.')}-{secrets.token_hex(2)}"
    labels = {MANAGED_BY: MANAGER, "app.kubernetes.io/component": "node-helper"}
    probe = {"exec": {"command": ["test", "-S", "/run/failover/helper.sock"]}, "periodSeconds": 1}
    container = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", "chaos.agent.node"],
        "securityContext": {"privileged": True, "runAsUser": 0},
        "resources": {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "192Mi"}},
        "volumeMounts": [{"name": "held", "mountPath": "/run/failover"}],
        "startupProbe": probe | {"failureThreshold": int(START_S)},
    }
    spec = {
        "nodeName": node,
        "hostPID": True,
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": GRACE_S,
        "activeDeadlineSeconds": LIFE_S,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": "held", "emptyDir": {}}],
    }
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
