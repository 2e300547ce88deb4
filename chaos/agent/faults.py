"""The executor of faults: it kills, pauses and cuts targets. Each fault has time stamps, a proof, a lease and an undo.

The node helper runs it in a pod (`chaos.agent.node`), and the nest runs it for a local system
(`chaos.cluster.local.nest`). The two differ only in how they find the processes and the network of a target.
`chaos.cluster.executor` is the host's side of both. The executor knows nothing of experiments: a request says what to
do, to which target, and for how long.

Requests (`do`), each beside the fields that name its target:

kill     → before_ns, after_ns, evidence, seen; answered once the process has ended. If it has not ended after SIGNAL_S,
         `seen` is false
pause    lease_s, longest_s → before_ns, after_ns, evidence, seen; answered once every thread is in state T. If that
         takes longer than SIGNAL_S, `seen` is false, and the pause stays in force
resume   → before_ns, after_ns, evidence; answered once no thread is in state T any more
probe    probes → evidence; opens a connection from the target's network to the first of `probes` that answers a PING.
         `probes` are peers, each as [address, port, kind]. The next cut is proved with this connection
cut      peers, way, reject, percent, lease_s, longest_s → before_ns, after_ns; replaces another cut of the same network
dropped  → dropped: how many packets the target's cut has dropped so far, or null if the target has no cut; took_s: how
         long a PING took over the connection of `probe`, or null if none was answered; evidence
tell     address, port, kind, command → before_ns, after_ns, reply; sends one command over a new connection
sleep    address, port, kind, seconds → before_ns, after_ns, evidence, seen; a Redis serves nobody for so many seconds.
         `seen` is false if it refused the command, or answered a PING while it should have slept
change   what, lease_s, longest_s, and the fields of that kind of change (`chaos.agent.changes`) → before_ns, after_ns,
         evidence, seen
flow     least_s → before_ns, after_ns, evidence, seen: whether a PING over the connection of `probe` takes at least
         `least_s`, or is not answered
keep_down up_s, lease_s, longest_s → before_ns, after_ns, evidence, seen; kills the process, and until it is healed
         kills every successor that has run for `up_s`
oom      most_bytes → before_ns, after_ns, evidence, seen; limits the memory of the process, so that the kernel kills it
renew    → held, healed, mono_ns, wall_ns; every lease begins again
heal     → held, healed, mono_ns, wall_ns, proofs; undoes every fault. It may be repeated
status   → held, healed, mono_ns, wall_ns
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from chaos.access import Accesses
from chaos.agent import reach
from chaos.agent.changes import CHANGES, FaultTarget, killed_for_memory
from chaos.agent.flow import Flow
from chaos.agent.lease import Hold, Leases, Term
from chaos.clock import mono_ns, reading
from chaos.errors import FaultError
from chaos.model import MemberKind
from chaos.net.cut import Cut
from chaos.net.nft import Table
from chaos.resp import Resp
from chaos.until import until

SIGNAL_S = 2.0
"""How long to wait for the effect of a signal."""
ANSWER_S = 2.0
"""How long to wait for a connection, and for the reply to a command."""
QUIET_S, HANG_S = 0.04, 1.0
"""How long to wait for an error reply to DEBUG SLEEP, and how long a PING must stay unanswered to prove the sleep."""
PROVED_S = 5.0
"""How long to wait for the proof of a change."""
AGAIN_S = 0.005
"""How often to look whether a process that is kept down was started again."""
WATCH_S = 0.25
"""How often to look for overdue leases."""

Request = dict[str, Any]
Answer = dict[str, Any]


class Faults:
    """Makes and undoes faults. Use it from one event loop, so that no two requests change a lease at the same time.

    `find` returns the target that a request names, and raises FaultError if there is no such target. `directory` must
    outlive this process: if the process crashes, the next one reads there which faults to undo.
    """

    def __init__(self, directory: Path, find: Callable[[Request], FaultTarget]) -> None:
        self.leases = Leases(directory)
        self._find = find
        self._paused: dict[str, FaultTarget] = {}
        self._tables: dict[int, Table] = {}
        self._flows: dict[int, Flow] = {}
        self._killing: set[asyncio.Task[None]] = set()
        self.does: dict[str, Callable[[Request], Awaitable[Answer]]] = {
            "kill": self.kill,
            "pause": self._pause,
            "resume": self._resume,
            "probe": self._probe,
            "cut": self._cut,
            "dropped": self._dropped,
            "tell": self._tell,
            "sleep": self._sleep,
            "change": self._change,
            "flow": self._flow,
            "keep_down": self.keep_down,
            "oom": self.oom,
            "renew": self.renew,
            "heal": self._heal,
            "status": self._status,
        }

    async def kill(self, request: Request) -> Answer:
        """Kill the target's main process. Raises FaultError if the target runs no process."""
        target = self._find(request)
        pid = target.processes()[0]
        with reach.pidfd(pid) as descriptor:
            if pid not in target.processes():  # the pid may belong to another process by now
                raise FaultError(f"process {pid} of {target.id[:12]} ended before it was signalled")
            before_ns = mono_ns()
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            try:
                async with asyncio.timeout(SIGNAL_S):
                    after_ns = await reach.ended_ns(descriptor)
            except TimeoutError:
                said = f"process {pid} is still there {SIGNAL_S:g} s after SIGKILL"
                return {"before_ns": before_ns, "after_ns": mono_ns(), "evidence": said, "seen": False}
        return {"before_ns": before_ns, "after_ns": after_ns, "evidence": f"process {pid} seen gone", "seen": True}

    async def renew(self, request: Request) -> Answer:
        self.leases.renew()
        return await self._status(request)

    def take_over(self) -> None:
        """Undo the faults that the previous executor left in force when it was killed."""
        for hold in list(self.leases.left_behind()):
            self.leases.take(hold, Term(0, 0), partial(self._undo_left, hold))
        _or_say(partial(self.leases.heal, "the helper was started again"))

    async def watch(self) -> None:
        """Undo overdue faults, without end. One that cannot be undone is tried again at the next look."""
        while True:
            _or_say(self.leases.expire)
            await asyncio.sleep(WATCH_S)

    async def _pause(self, request: Request) -> Answer:
        target = self._find(request)
        pids = target.processes()
        self._paused[target.id] = target
        self.leases.take(Hold(target.id, None), _term(request), partial(self._continue, target))
        before_ns = mono_ns()
        try:
            return await _signalled(pids, signal.SIGSTOP) | {"seen": True}
        except FaultError as error:
            return {"before_ns": before_ns, "after_ns": mono_ns(), "evidence": str(error), "seen": False}

    async def _resume(self, request: Request) -> Answer:
        target = self._find(request)
        answer = await _signalled(target.processes(), signal.SIGCONT)
        self.leases.release(Hold(target.id, None))
        return answer

    async def _probe(self, request: Request) -> Answer:
        namespace = self._open_table(self._find(request))
        self._flows.pop(namespace, Flow()).close()
        self._flows[namespace] = await Flow.opened(self._find(request).network(), request["probes"])
        return {"evidence": str(self._flows[namespace])}

    async def _cut(self, request: Request) -> Answer:
        asked = {key: request[key] for key in ("way", "reject", "percent") if key in request}
        cut = Cut(tuple(request["peers"]), **asked)
        if not cut.peers:
            raise FaultError("a cut from nobody is no cut")
        target = self._find(request)
        namespace = self._open_table(target)
        self.leases.take(Hold(target.id, namespace, "cut"), _term(request), partial(self._uncut, namespace))
        return asdict(self._tables[namespace].apply(cut))

    async def _dropped(self, request: Request) -> Answer:
        name = self._find(request).id
        cuts = [hold.namespace for hold in self.leases.holds() if hold.container == name and hold.what == "cut"]
        if not cuts or cuts[0] is None:
            return {"dropped": None, "took_s": None, "evidence": "there is no cut", **reading()}
        flow = self._flows.get(cuts[0], Flow())
        said = {"took_s": await flow.pinged(), "evidence": str(flow)}
        return {"dropped": self._tables[cuts[0]].dropped(), **said, **reading()}

    async def _tell(self, request: Request) -> Answer:
        async with self._connected(request) as connection:
            before_ns = mono_ns()
            reply = await connection.call(*request["command"])
            return {"before_ns": before_ns, "after_ns": mono_ns(), "reply": str(reply)}

    async def _sleep(self, request: Request) -> Answer:
        """Send DEBUG SLEEP over one connection, and a PING over another. A refusal comes within QUIET_S."""
        async with self._connected(request) as asking, self._connected(request) as sleeping:
            before_ns = mono_ns()
            asked = [asyncio.create_task(sleeping.call("DEBUG", "SLEEP", str(request["seconds"])))]
            try:
                await asyncio.wait(asked, timeout=QUIET_S)
                stamps = {"before_ns": before_ns, "after_ns": mono_ns()}
                asked.append(asyncio.create_task(asking.call("PING")))
                await asyncio.wait(asked[1:], timeout=min(HANG_S, request["seconds"] / 2))
                sleep, ping = asked
                if sleep.done():
                    return stamps | {"seen": False, "evidence": f"DEBUG SLEEP was answered at once: {sleep.result()}"}
                if ping.done():
                    return stamps | {"seen": False, "evidence": f"a PING was answered meanwhile: {ping.result()}"}
                hung_s = (mono_ns() - stamps["after_ns"]) / 1e9
                return stamps | {"seen": True, "evidence": f"a PING was not answered for {hung_s:.1f} s"}
            finally:
                for task in asked:
                    task.cancel()
                await asyncio.gather(*asked, return_exceptions=True)

    async def _change(self, request: Request) -> Answer:
        """Make a change and wait for its proof. The data that undoes it is saved before the change is made."""
        what, target = request["what"], self._find(request)
        kind = CHANGES[what]
        try:
            undo = await asyncio.to_thread(kind.before, target, request)
            hold = Hold(target.id, None, what, json.dumps(undo))
            self.leases.take(hold, _term(request), partial(kind.undo, undo))
            before_ns = mono_ns()
            await asyncio.to_thread(kind.make, request, undo)
            stamps = {"before_ns": before_ns, "after_ns": mono_ns()}
        except OSError as error:
            raise FaultError(f"{what} of {target.id[:12]}: {error}") from error
        seen = ""

        async def proved() -> bool:
            nonlocal seen
            try:
                shown, seen = await asyncio.to_thread(kind.proof, request, undo)
            except OSError as error:
                shown, seen = False, f"it did not answer: {error}"
            return shown

        try:
            await until(proved, within_s=PROVED_S, because=lambda: seen, every_s=WATCH_S / 5, error=FaultError)
        except FaultError as error:
            return stamps | {"seen": False, "evidence": str(error)}
        return stamps | {"seen": True, "evidence": seen}

    async def _flow(self, request: Request) -> Answer:
        flow = self._flows.get(self._open_table(self._find(request)), Flow())
        before_ns, took_s = mono_ns(), await flow.pinged(ANSWER_S)
        slow = flow.to is not None and (took_s is None or took_s >= request["least_s"])
        return {"before_ns": before_ns, "after_ns": mono_ns(), "seen": slow, "evidence": str(flow)}

    async def keep_down(self, request: Request) -> Answer:
        """Kill the target, and later also every process that its pod starts in its place."""
        target, hold = self._find(request), Hold(self._find(request).id, None, "keep_down")
        self.leases.take(hold, _term(request), lambda: None)
        answer = await self.kill(request)
        task = asyncio.create_task(self._kill_again(target, hold, float(request["up_s"])))
        self._killing.add(task)
        task.add_done_callback(self._killing.discard)
        return answer

    async def _kill_again(self, target: FaultTarget, hold: Hold, up_s: float) -> None:
        since_ns: dict[int, int] = {}
        while hold in self.leases.holds():
            for pid in target.successors():
                if mono_ns() - since_ns.setdefault(pid, mono_ns()) >= up_s * 1e9:
                    reach.signal_one(pid, signal.SIGKILL)
            await asyncio.sleep(AGAIN_S)

    async def oom(self, request: Request) -> Answer:
        target = self._find(request)
        return await killed_for_memory(target.processes()[0], await asyncio.to_thread(target.memory), request)

    @asynccontextmanager
    async def _connected(self, request: Request) -> AsyncIterator[Resp]:
        """Open a new connection to the target. Raises FaultError if the target is gone or talking to it fails."""
        name, address = self._find(request).id[:12], (request["address"], int(request["port"]))
        access = Accesses.from_environment().of(MemberKind(request["kind"]))
        try:
            async with Resp.connect(*address, ANSWER_S, access) as connection:
                yield connection
        except OSError as error:
            raise FaultError(f"{name} at {address[0]} gave no answer: {error or type(error).__name__}") from error

    async def _heal(self, request: Request) -> Answer:
        """Undo every fault, and answer once every paused process runs again."""
        paused = [self._paused[hold.container] for hold in self.leases.holds() if hold.container in self._paused]
        flows = [(namespace, flow.to) for namespace, flow in self._flows.items() if flow.to]
        self.leases.heal("asked")
        proofs = []
        for target in paused:
            pids = _running(target)
            await reach.stop_or_continue(pids, signal.SIGCONT, SIGNAL_S)
            proofs += [f"process {pid} seen running" for pid in pids[:1]]
        for number, peer in flows:
            namespace = reach.namespace_by_inode(number)
            if namespace is not None:
                again = await Flow.opened(namespace, [peer])
                where = f"{peer[0]}:{peer[1]}"
                proofs.append(f"a new connection to {where} {'passes' if again.to else 'is not answered yet'}")
                again.close()
        return {**await self._status(request), "proofs": proofs}

    async def _status(self, _: Request) -> Answer:
        return {**self.leases.status(), **reading()}

    def _open_table(self, target: FaultTarget) -> int:
        """Open our nftables table in the target's network namespace, and return the namespace's inode. The table stays
        open until the cut is undone, so the cut can be undone even if the container is restarted meanwhile.
        """
        descriptor = target.network()
        try:
            namespace = os.fstat(descriptor).st_ino
            if namespace not in self._tables:
                self._tables[namespace] = Table.within(descriptor)
            return namespace
        finally:
            os.close(descriptor)

    def _uncut(self, namespace: int) -> None:
        self._tables[namespace].clear()
        self._tables.pop(namespace).close()
        self._flows.pop(namespace, Flow()).close()

    def _continue(self, target: FaultTarget) -> None:
        """Send SIGCONT without waiting for its effect. This is harmless if the target is not paused or has ended."""
        for pid in _running(target):
            reach.signal_one(pid, signal.SIGCONT)
        self._paused.pop(target.id, None)

    def _undo_left(self, hold: Hold) -> None:
        """Undo one fault of the previous executor. A cut is gone once no process is in its network namespace."""
        if hold.what in CHANGES:
            CHANGES[hold.what].undo(json.loads(hold.undo))
            return
        if hold.what == "keep_down":  # the task that killed it again ended with the previous executor
            return
        if hold.namespace is None:
            self._continue(self._find({"container": hold.container}))
            return
        namespace = reach.namespace_by_inode(hold.namespace)
        if namespace is None:
            return
        try:
            table = Table.within(namespace)
        finally:
            os.close(namespace)
        table.clear()
        table.close()


async def _signalled(pids: list[int], number: signal.Signals) -> Answer:
    before_ns = mono_ns()
    await reach.stop_or_continue(pids, number, SIGNAL_S)
    evidence = f"process {pids[0]} seen {reach.SEEN[number]}"
    return {"before_ns": before_ns, "after_ns": mono_ns(), "evidence": evidence}


def _running(target: FaultTarget) -> list[int]:
    """Return the processes of the target, or none if it has ended."""
    try:
        return target.processes()
    except FaultError:
        return []


def _term(request: Request) -> Term:
    return Term(float(request["lease_s"]), float(request["longest_s"]))


def _or_say(undo: Callable[[], None]) -> None:
    """Call `undo`, and write to standard error which faults could not be undone."""
    try:
        undo()
    except FaultError as error:
        sys.stderr.write(f"{error}\n")
