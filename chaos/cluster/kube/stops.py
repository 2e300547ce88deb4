"""Stop a pod by a crash, a graceful delete or an OOM kill, and prove it.

Each function names its pod by uid, so that a successor of the same name is never hit. Nothing is retried.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from chaos.clock import mono_ns
from chaos.cluster.base import Effect, Stop
from chaos.cluster.kube.api import Api, Object
from chaos.errors import FaultError, HarnessError
from chaos.model import Member
from chaos.record.events import Pod
from chaos.until import until

PROOF_S, REASON_S = 5.0, 15.0
"""How long to wait for the end of a pod, and for the kubelet to report why a container ended."""
KILLED_FOR_MEMORY = "OOMKilled"


class Killer(Protocol):
    """The methods of the node helper that are used."""

    async def stop(self, member: Member, how: Stop) -> Effect: ...

    async def afflict(self, member: Member, do: str, **how: object) -> Effect: ...

    async def processes(self, uid: str) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of a namespace. `latest` returns what the watch last reported of the pod with a uid, or None."""

    api: Api
    namespace: str
    latest: Callable[[str], Pod | None]

    async def crash(self, member: Member, helper: Killer, within_s: float = PROOF_S) -> Effect:
        """Send SIGKILL to the process, and delete the pod before the kubelet restarts the process in place. The proof
        is that the process and the pod are gone and no container of the pod was started again.
        """
        before, restarts = await _containers(helper, member), self._restarts(member)
        await self._open_connection(member)
        effect = await helper.stop(member, Stop.KILL)
        if effect.confirmed_ns is None:
            return effect
        killed_ns = mono_ns()
        await self._request_deletion(member, grace_s=0)
        said = f"{effect.evidence}, its pod deleted {(mono_ns() - killed_ns) / 1e6:.0f} ms later"
        try:
            await until(lambda: self._gone(member), within_s=within_s, because="its pod is still there", every_s=0.01)
            started = await _containers(helper, member) - before
        except HarnessError as error:
            return replace(effect, confirmed_ns=None, evidence=f"{said}; {error}")
        if started or self._restarts(member) != restarts:
            return replace(effect, confirmed_ns=None, evidence=f"{said}, but a container of it was started again")
        return replace(effect, confirmed_ns=mono_ns(), evidence=f"{said} and gone, no container of it started again")

    async def delete(self, member: Member) -> Effect:
        """Delete a pod gracefully. The effect is the request, and the proof is the answer's deletionTimestamp."""
        await self._open_connection(member)
        before_ns = mono_ns()
        answer = await self._request_deletion(member)
        effect = Effect.of_request(before_ns)
        deleting = answer.get("metadata", {}).get("deletionTimestamp")
        if not deleting:
            return replace(effect, evidence="the answer has no deletionTimestamp")
        return replace(effect, confirmed_ns=effect.latest_ns, evidence=f"deletionTimestamp {deleting}")

    async def run_out_of_memory(
        self, member: Member, helper: Killer, how: Mapping[str, object], within_s: float = REASON_S
    ) -> Effect:
        """Cause an OOM kill. The proof is the kernel's count or, if that is gone, the container's reason."""
        restarts = self._restarts(member)
        effect = await helper.afflict(member, "oom", **how)
        if effect.confirmed_ns is not None:
            return effect

        async def reason_said() -> bool:
            said = self.latest(member.uid)
            return said is not None and said.restarts != restarts and said.ended == KILLED_FOR_MEMORY

        because = f"its container is not said to have ended with {KILLED_FOR_MEMORY}"
        try:
            await until(reason_said, within_s=within_s, because=because, every_s=0.01)
        except HarnessError as error:
            return replace(effect, evidence=f"{effect.evidence}; {error}")
        evidence = f"{effect.evidence}; its container ended with {KILLED_FOR_MEMORY}"
        return replace(effect, confirmed_ns=mono_ns(), evidence=evidence)

    async def _open_connection(self, member: Member) -> None:
        """Open a connection beforehand, since a handshake would give the kubelet time to restart the process."""
        await self.api.get(self._path(member))

    async def _request_deletion(self, member: Member, grace_s: int | None = None) -> Object:
        options: Object = {"preconditions": {"uid": member.uid}}
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            return await self.api.request("DELETE", self._path(member), options)
        except HarnessError as error:
            raise FaultError(f"pod {member.name} was not deleted: {error}") from error

    async def _gone(self, member: Member) -> bool:
        said = self.latest(member.uid)
        return said is not None and said.gone

    def _restarts(self, member: Member) -> int | None:
        said = self.latest(member.uid)
        return said.restarts if said else None

    def _path(self, member: Member) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{member.name}"


async def _containers(helper: Killer, member: Member) -> set[str]:
    """Return the cgroup of every running container of the pod. A container that was started again has another one."""
    return {one["cgroup"] for one in await helper.processes(member.uid)}
