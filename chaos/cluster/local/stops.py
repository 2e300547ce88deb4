"""Stop a member of a local system: by a signal, by a crash that removes it, or by a graceful delete.

The executor (`chaos.agent.faults`) sends signals and makes cuts. This module does what the kubelet and the API server
do on Kubernetes: it removes a member that has crashed, so that it is not restarted in place, and deletes a member
gracefully. It answers the executor's requests, whose target is named by `member`, `uid` and `container`, and these
(`do`):

crash   → before_ns, after_ns, evidence: the member is killed and removed. A new one replaces it
cut_api lease_s, longest_s → before_ns, after_ns, evidence, seen: the controller is cut off from the API server
delete  hook, sleep_s → before_ns, after_ns, evidence, seen: the delete has begun, and continues by itself. Without
        `hook` the scenario's preStop hook runs. Otherwise this hook runs, and the answer waits for its work and says
        whether it was done; the hook then sleeps for `sleep_s`
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from chaos.access import Accesses
from chaos.agent.faults import Answer, Faults, Request
from chaos.agent.lease import Hold, Term
from chaos.clock import HOST, mono_ns
from chaos.cluster.local.kubelet import Holder, Kubelet
from chaos.cluster.local.pod import LocalPod
from chaos.errors import FaultError
from chaos.model import MemberKind
from chaos.pipe import Child
from chaos.record.events import FailoverAsked, Stamped
from chaos.resp import Resp
from chaos.scenario.places import LocalSystem

ASK_S = 5.0
"""How long a hook waits for an answer of Sentinel. (A hook with redis-cli waits for the whole grace period of its
pod.)"""
GRACE_S = 2.0
"""The time from SIGTERM to SIGKILL. The kubelet still grants it after a hook has used up the pod's grace period."""
WORKED_S = 8.0
"""How long to wait for a hook's work. It is less than the host waits for an answer."""
RUNS_ON_S = 0.5
"""If a process still runs this long after its delete, it was sent no SIGTERM. Redis ends some ms after one."""
FaultHandler = Callable[[Request], Awaitable[Answer]]


class MemberFaults:
    """Answers requests for faults. They name a member by uid and container, so that its successor is never hit."""

    def __init__(self, local: LocalSystem, kubelet: Kubelet, nest: Holder, home: Path) -> None:
        self._local = local
        self._kubelet = kubelet
        self._nest = nest
        self._executor = Faults(home, self._named)
        ends = (self._executor.kill, self._executor.oom, self._executor.keep_down)
        own = {
            "crash": self._crash,
            "delete": self._delete,
            "cut_api": self._cut_api,
            **{do.__name__: self._expected(do) for do in ends},
        }
        self.does: dict[str, FaultHandler] = {**self._executor.does, **own}

    async def watch(self) -> None:
        await self._executor.watch()

    def _expected(self, do: FaultHandler) -> FaultHandler:
        """Wrap a request that ends a member's process, so that the nest does not fail because of that."""

        async def done(request: Request) -> Answer:
            self._named(request).killed = True
            return await do(request)

        return done

    async def _crash(self, request: Request) -> Answer:
        pod = self._named(request)
        pod.processes()  # raises FaultError if nothing runs
        process, pod.leaving = pod.process, True
        answer = await self._executor.kill(request)
        if not answer["seen"]:
            pod.leaving = False
            return answer
        if process is not None:
            await process.over.wait()
        self._kubelet.take_away(pod)
        gone_ms = (mono_ns() - answer["after_ns"]) / 1e6
        said = f"{answer['evidence']}, the member gone {gone_ms:.0f} ms later, and not started again"
        return answer | {"evidence": said}

    async def _cut_api(self, request: Request) -> Answer:
        """Cut the controller off from the API server, with a lease as for every cut."""
        pod, kubelet = self._named(request), self._kubelet
        if pod.kind is not MemberKind.OPERATOR:
            raise FaultError(f"{pod.name} has no connection to the API server: only the operator has")
        term = Term(float(request["lease_s"]), float(request["longest_s"]))
        self._executor.leases.take(Hold(pod.id, None, "cut_api"), term, kubelet.join_controller)
        before_ns = mono_ns()
        kubelet.cut_controller_off()
        said = f"{kubelet.held_back} messages between {pod.name} and the API server were held back"
        return {"before_ns": before_ns, "after_ns": mono_ns(), "evidence": said, "seen": kubelet.held_back > 0}

    async def _delete(self, request: Request) -> Answer:
        before_ns, pod, hook = mono_ns(), self._named(request), request.get("hook", "")
        answer = {"before_ns": before_ns, "after_ns": mono_ns(), "evidence": "the member is being deleted"}
        if not pod.deleting:
            pod.deleting = pod.leaving = True
            self._kubelet.changed(pod)
            answer["after_ns"] = mono_ns()
            worked: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
            self._nest.spawn(self._leave(pod, hook, float(request.get("sleep_s", self._local.terminate)), worked))
            if hook:
                await asyncio.wait([worked], timeout=WORKED_S)
                seen, said = worked.result() if worked.done() else (False, f"its hook still runs {WORKED_S:g} s later")
                answer |= {"seen": seen, "evidence": f"the member is being deleted, and {said}"}
        return answer

    async def _leave(
        self, pod: LocalPod, hook: str, sleep_s: float, worked: "asyncio.Future[tuple[bool, str]]"
    ) -> None:
        """End a pod as Kubernetes does: its preStop hook first, then SIGTERM, then SIGKILL."""
        process = pod.process
        if process is None or not process.lives:
            worked.set_result((False, "nothing ran in it"))
        else:
            await self._run_hook(pod, process, hook, sleep_s, worked)
            process.send(signal.SIGTERM)
            await _over(process, GRACE_S)
            process.send(signal.SIGKILL)
            await process.over.wait()
        if not pod.gone:
            self._kubelet.take_away(pod)

    async def _run_hook(
        self, pod: LocalPod, process: Child, hook: str, sleep_s: float, worked: "asyncio.Future[tuple[bool, str]]"
    ) -> None:
        """Do the work of a preStop hook, set `worked` to whether it was done and what was seen, and sleep.

        Without `hook` the scenario's hook runs: a Redis asks for a failover if the scenario `hands_over`; otherwise
        there is none. A hook that had nothing to do, as on a replica, does not sleep. (The operator's own hook also
        sends SAVE after its sleep. That is left out, because the pod's grace period is over by then.)
        """
        hands_over = self._local.hands_over and pod.kind is MemberKind.REDIS
        match hook or ("failover" if hands_over else "none"):
            case "none":
                worked.set_result((True, "it has no hook"))
                return
            case "failover":
                reply = await self._handed_over(pod)
                done = reply == "OK" if hook else bool(reply)
                said = f"its hook was answered {reply or 'nothing'} by Sentinel"
            case "sleep":
                await _over(process, RUNS_ON_S)
                done = process.lives
                said = f"{RUNS_ON_S:g} s later it {'runs on' if done else 'was gone'}"
            case command:
                reply = "nothing"
                with suppress(OSError):  # SHUTDOWN closes the connection
                    async with Resp.connect(*pod.ip_port, ASK_S, Accesses.from_environment().redis) as connection:
                        reply = str(await connection.call(command.upper()))
                done, said = reply == "OK", f"it answered {reply} to {command.upper()}"
                if command == "shutdown":
                    await _over(process, GRACE_S)
                    done = not process.lives
                    said += f" and {'was gone' if done else 'runs on'}"
        worked.set_result((done, said))
        if done:
            await _over(process, sleep_s)

    async def _handed_over(self, pod: LocalPod) -> str:
        """Ask the first Sentinel that answers for the master and, if it is this pod, for a failover. Return the reply,
        or an empty string if no failover was asked for.
        """
        name = self._local.sentinel.master
        for sentinel in self._kubelet.of(MemberKind.SENTINEL):
            with suppress(OSError):  # the next may answer
                async with Resp.connect(*sentinel.ip_port, ASK_S, Accesses.from_environment().sentinel) as connection:
                    master = await connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
                    if master != [pod.space.address, str(pod.port)]:
                        return ""
                    reply = await connection.call("SENTINEL", "FAILOVER", name)
                    asked = FailoverAsked(member=pod.name, sentinel=sentinel.name, reply=str(reply))
                    self._nest.say(Stamped(event=asked, domain=HOST, at_ns=mono_ns()))
                    return str(reply)
        return ""

    def _named(self, request: Request) -> LocalPod:
        """Return the pod that a request names. Raises FaultError if it or its process was replaced meanwhile."""
        pod = self._kubelet.pods.get(request["member"])
        if pod is None or (pod.uid, pod.container) != (request["uid"], request["container"]):
            raise FaultError(f"{request['member']} is no longer the one that was aimed at: it was started again")
        return pod


async def _over(process: Child, within_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await process.over.wait()
