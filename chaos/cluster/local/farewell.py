"""A graceful delete. As the operator's pods go, the preStop hook hands a master over, and waits, before SIGTERM.

The hook's failover and its wait are a master's only. Its SAVE comes after them, later than the grace of its pod allows.
"""

import asyncio
import signal
from contextlib import suppress

from chaos.clock import HOST, mono_ns
from chaos.cluster.local.kubelet import Kubelet, Nest
from chaos.cluster.local.pod import Pod
from chaos.cluster.local.process import Process
from chaos.model import MemberKind
from chaos.record.events import FailoverAsked, Stamped
from chaos.resp import Resp
from chaos.scenario.model import LocalSystem

ASK_S = 1.0
GRACE_S = 2.0
"""From SIGTERM to SIGKILL: what the kubelet still gives a container whose hook has used up the grace of its pod."""


class Farewell:
    def __init__(self, local: LocalSystem, kubelet: Kubelet, nest: Nest) -> None:
        self._local = local
        self._kubelet = kubelet
        self._nest = nest

    def begin(self, pod: Pod) -> None:
        """The request itself: the pod is being deleted from now on. What follows goes on by itself."""
        if pod.deleting:
            return
        pod.deleting = pod.leaving = True
        self._kubelet.changed(pod)
        self._nest.spawn(self._leave(pod))

    async def _leave(self, pod: Pod) -> None:
        process = pod.process
        if process is not None and process.lives:
            if self._local.hands_over and pod.kind is MemberKind.REDIS and await self._handed_over(pod):
                await _over(process, self._local.terminate)
            process.send(signal.SIGTERM)
            await _over(process, GRACE_S)
            process.send(signal.SIGKILL)
            await process.over.wait()
        if not pod.gone:
            self._kubelet.take_away(pod)

    async def _handed_over(self, pod: Pod) -> bool:
        """Ask a Sentinel, the first that answers, who is master; and where it is this one, for a failover."""
        name = self._local.sentinel.master
        for sentinel in self._kubelet.of(MemberKind.SENTINEL):
            with suppress(OSError):  # the next may answer
                async with Resp.connect(*sentinel.ip_port, ASK_S) as connection:
                    master = await connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
                    if master != [pod.space.address, str(pod.port)]:
                        return False
                    reply = await connection.call("SENTINEL", "FAILOVER", name)
                    asked = FailoverAsked(member=pod.name, sentinel=sentinel.name, reply=str(reply))
                    self._nest.say(Stamped(event=asked, domain=HOST, at_ns=mono_ns()))
                    return True
        return False


async def _over(process: Process, within_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await process.over.wait()
