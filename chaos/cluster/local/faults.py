"""What is done to the members: how one is stopped, and its network cut, each with its stamps and its proof.

A member is named by uid and container, so that a successor is never hit. One kernel, one clock: all stamps are the
host's. A pause and a cut have a longest duration, and end with the nest whatever becomes of anybody.
"""

import asyncio
import math
import os
import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from chaos.agent import reach
from chaos.agent.lease import Hold, Leases, Term
from chaos.clock import HOST, mono_ns
from chaos.cluster.base import Effect, Stop
from chaos.cluster.local.farewell import Farewell
from chaos.cluster.local.kubelet import Kubelet
from chaos.cluster.local.plan import Line
from chaos.cluster.local.pod import Pod
from chaos.cluster.local.process import Process
from chaos.errors import FaultError
from chaos.net.cut import Cut
from chaos.net.nft import Table
from chaos.record.events import Event, FaultUndone, Stamped
from chaos.until import until

PAUSE_S = 300.0
"""The longest pause, as on Kubernetes."""
SIGNAL_S, PROOF_S = 2.0, 5.0
"""How long the effect of a signal is waited for, and the first packet that a cut drops."""
WATCH_S = 0.25
"""How often it is looked at what has lasted its longest."""


class Unproved(FaultError):
    """The proof did not come in time, which is no failing of ours."""


class Faults:
    """Answers requests that name a member. One event loop owns it."""

    def __init__(self, kubelet: Kubelet, farewell: Farewell, home: Path, say: Callable[[Stamped[Event]], None]) -> None:
        self._kubelet = kubelet
        self._farewell = farewell
        self._say = say
        self._leases = Leases(home)
        self._tables: dict[int, Table] = {}
        self._told = 0

    async def stop(self, request: Line) -> Line:
        how = {Stop.KILL: self._kill, Stop.CRASH: self._crash, Stop.DELETE: self._delete, Stop.PAUSE: self._pause}
        return asdict(await how[Stop(request["how"])](self._named(request)))

    async def resume(self, request: Line) -> Line:
        pod = self._named(request)
        await reach.stop_or_continue(_processes(pod), signal.SIGCONT, SIGNAL_S)
        self._leases.release(Hold(pod.container, None))
        return {}

    async def cut(self, request: Line) -> Line:
        """Replaces the present cut."""
        pod, peers = self._named(request), tuple(request["peers"])
        if not peers:
            raise FaultError("a cut from nobody is no cut")
        if pod.space.file is None:
            raise FaultError(f"{pod.name} has no network of its own that could be cut")
        namespace = os.fstat(pod.space.file).st_ino
        self._uncut_others(namespace)
        if namespace not in self._tables:
            self._tables[namespace] = Table.within(pod.space.file)
        term = Term(math.inf, float(request["longest_s"]))
        self._leases.take(Hold(pod.container, namespace), term, partial(self._uncut, namespace))
        return asdict(await self._proved(self._tables[namespace], Cut(peers)))

    async def heal(self, _: Line) -> Line:
        """Undo every cut and pause; idempotent."""
        self._leases.heal("asked")
        self._tell()
        return {}

    async def watch(self) -> None:
        """Undo what has lasted its longest, for ever."""
        while True:
            await asyncio.sleep(WATCH_S)
            self._leases.expire()
            self._tell()

    async def _kill(self, pod: Pod) -> Effect:
        process = _running(pod)
        pod.killed = True
        before_ns = mono_ns()
        process.send(signal.SIGKILL)
        try:
            async with asyncio.timeout(SIGNAL_S):
                await process.over.wait()
        except TimeoutError:
            raise FaultError(f"process {process.pid} is still there {SIGNAL_S:g} s after SIGKILL") from None
        effect = _effect(before_ns, f"process {process.pid} seen gone")
        return replace(effect, latest_ns=process.ended_ns)

    async def _crash(self, pod: Pod) -> Effect:
        """Its end, and the member taken away: nothing can start it again in between."""
        pod.leaving = True
        effect = await self._kill(pod)
        self._kubelet.take_away(pod)
        gone_ms = (mono_ns() - effect.latest_ns) / 1e6
        said = f"{effect.evidence}, the member gone {gone_ms:.0f} ms later, and not started again"
        return replace(effect, confirmed_ns=mono_ns(), evidence=said)

    async def _delete(self, pod: Pod) -> Effect:
        before_ns = mono_ns()
        self._farewell.begin(pod)
        return _effect(before_ns, "the member is being deleted")

    async def _pause(self, pod: Pod) -> Effect:
        _running(pod)
        self._leases.take(Hold(pod.container, None), Term(math.inf, PAUSE_S), partial(_proceed, pod))
        before_ns = mono_ns()
        found = _processes(pod)
        await reach.stop_or_continue(found, signal.SIGSTOP, SIGNAL_S)
        return _effect(before_ns, f"process {found[0]} seen stopped")

    async def _proved(self, table: Table, cut: Cut) -> Effect:
        """In effect with the commit, confirmed once a packet was dropped; never, where it was undone before that."""
        commit = table.apply(cut)
        accepted_ns, confirmed_ns = mono_ns(), None
        between = f"between it and {len(cut.peers)} peers"
        because = f"no packet {between} was dropped"
        look = partial(self._dropped, table)
        try:
            count = await until(look, within_s=PROOF_S, because=because, every_s=0.05, error=Unproved)
            evidence = f"{count} packets {between} were dropped"
            confirmed_ns = mono_ns()
        except Unproved as error:
            evidence = str(error)
        return Effect(
            domain=HOST,
            earliest_ns=commit.before_ns,
            latest_ns=commit.after_ns,
            accepted_ns=accepted_ns,
            confirmed_ns=confirmed_ns,
            evidence=evidence,
        )

    async def _dropped(self, table: Table) -> int:
        if table not in self._tables.values():
            raise Unproved("the cut was undone before it had dropped a packet")
        return table.dropped() or 0

    def _uncut_others(self, namespace: int) -> None:
        for hold in self._leases.holds():
            if hold.namespace not in (None, namespace):
                self._uncut(hold.namespace)
                self._leases.release(hold)

    def _uncut(self, namespace: int) -> None:
        self._tables[namespace].clear()
        self._tables.pop(namespace).close()

    def _named(self, request: Line) -> Pod:
        """The member as it was known to whoever asks; raises FaultError where it is another by now."""
        pod = self._kubelet.pods.get(request["member"])
        if pod is None or (pod.uid, pod.container) != (request["uid"], request["container"]):
            raise FaultError(f"{request['member']} is no longer the one that was aimed at: it was started again")
        return pod

    def _tell(self) -> None:
        """What was undone without being asked, once, in the record."""
        for one in self._leases.healed[self._told :]:
            if one.because != "asked":
                undone = FaultUndone(what=one.what, because=one.because)
                stamps = {"at_ns": one.after_ns, "since_ns": one.before_ns}
                self._say(Stamped(event=undone, domain=HOST, **stamps))
        self._told = len(self._leases.healed)


def _running(pod: Pod) -> Process:
    if pod.process is None or not pod.process.lives:
        raise FaultError(f"{pod.name} has no process that runs")
    return pod.process


def _processes(pod: Pod) -> list[int]:
    """Its own and what that has forked; none where it has ended: its number may be another's by now."""
    return reach.with_children(pod.process.pid) if pod.process is not None and pod.process.lives else []


def _proceed(pod: Pod) -> None:
    reach.continue_all(_processes(pod))


def _effect(before_ns: int, evidence: str) -> Effect:
    """From before until now, when it was seen."""
    now_ns = mono_ns()
    return Effect(
        domain=HOST,
        earliest_ns=before_ns,
        latest_ns=now_ns,
        accepted_ns=now_ns,
        confirmed_ns=now_ns,
        evidence=evidence,
    )
