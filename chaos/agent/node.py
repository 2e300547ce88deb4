"""The node helper: one process on a node that signals containers and cuts their network, each fault on a lease.

It is the pod's own process and owns the leases. The host talks to its socket by running `chaos.agent.talk` through
exec; when the host or that stream is gone, the leases are still here.
It decides nothing about experiments: it is told a container, what to do, and for how long.

One JSON object a line, answered in order, with the request's `id`; a failure is `{"id", "error"}`. Requests (`do`):

clock      → boot_id, timens, mono_ns, wall_ns
processes  uid → processes: [{pid, name, cgroup}] of a pod
signal     container, signal (KILL, STOP, CONT); STOP with lease_s, longest_s → pid, before_ns, after_ns, seen
cut        container, peers, lease_s, longest_s → before_ns, after_ns; replaces a cut of the same namespace
dropped    container → packets that its cut has dropped so far, or null where there is no cut
renew      watch: [{name, container, all}], seen_ns → held, healed, mono_ns, wall_ns, waits: what these members waited
heal       → held, healed, mono_ns, wall_ns; idempotent
status     → held, healed, mono_ns, wall_ns
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from chaos.agent import reach
from chaos.agent.lease import Hold, Leases, Term
from chaos.agent.talk import DIRECTORY, SOCKET
from chaos.agent.waits import NodeWaits
from chaos.clock import identity, reading
from chaos.errors import FaultError, HarnessError
from chaos.net.cut import Cut
from chaos.net.nft import Table
from chaos.until import until

SIGNAL_S = 2.0
"""How long the effect of a signal is waited for."""
WATCH_S = 0.25
"""How often leases are looked at."""
PRIORITY = -10
"""Its stamps are wanted within milliseconds on a node that may be busy, and it hardly ever runs."""
LEAVE_S = 2.0
"""How long an answer under way is waited for at the end."""

Request = dict[str, Any]
Answer = dict[str, Any]


class Helper:
    """Answers requests. One event loop owns it, so that no two requests change a lease at once."""

    def __init__(self, directory: Path) -> None:
        self.leases = Leases(directory)
        self.waits = NodeWaits()
        self._tables: dict[int, Table] = {}
        self._does: dict[str, Callable[[Request], Awaitable[Answer]]] = {
            "clock": self._clock,
            "processes": self._processes,
            "signal": self._signal,
            "cut": self._cut,
            "dropped": self._dropped,
            "renew": self._renew,
            "heal": self._heal,
            "status": self._status,
        }

    async def answer(self, request: Request) -> Answer:
        does = self._does.get(request.get("do", ""))
        if does is None:
            return {"error": f"{request.get('do')!r} is not one of {', '.join(self._does)}"}
        try:
            return await does(request)
        except KeyError as error:
            return {"error": f"{request['do']} needs {error}"}
        except (HarnessError, OSError, ValueError, TypeError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def take_over(self) -> None:
        """Undo what the helper before this one left: it may have been killed with faults in force."""
        for hold in list(self.leases.left_behind()):
            self.leases.take(hold, Term(0, 0), partial(_undo_left, hold))
        _told(partial(self.leases.heal, "the helper was started again"))

    async def _clock(self, _: Request) -> Answer:
        return {**identity(), **reading()}

    async def _processes(self, request: Request) -> Answer:
        return {"processes": reach.of_pod(request["uid"]), **reading()}

    async def _signal(self, request: Request) -> Answer:
        container, number = request["container"], signal.Signals[f"SIG{request['signal']}"]
        if number not in reach.SEEN:
            raise FaultError(f"{number.name} is not sent to containers; one of KILL, STOP, CONT is")
        reach.main_process(container)
        if number is signal.SIGSTOP:
            self.leases.take(Hold(container, None), _term(request), partial(reach.proceed, container))
        signalled = await reach.send(container, number, SIGNAL_S)
        if number is signal.SIGCONT:
            self.leases.release(Hold(container, None))
        return asdict(signalled)

    async def _cut(self, request: Request) -> Answer:
        cut = Cut(tuple(request["peers"]))
        if not cut.peers:
            raise FaultError("a cut from nobody is no cut")
        namespace = self._open_table(request["container"])
        hold = Hold(request["container"], namespace)
        self.leases.take(hold, _term(request), partial(self._uncut, namespace))
        return asdict(self._tables[namespace].apply(cut))

    async def _dropped(self, request: Request) -> Answer:
        namespaces = [hold.namespace for hold in self.leases.holds() if hold.container == request["container"]]
        tables = [self._tables[namespace] for namespace in namespaces if namespace is not None]
        return {"dropped": tables[0].dropped() if tables else None, **reading()}

    async def _renew(self, request: Request) -> Answer:
        self.leases.renew()
        waits = self.waits.asked(request.get("watch", []), request.get("seen_ns", 0))
        return {**await self._status(request), "waits": waits}

    async def _heal(self, request: Request) -> Answer:
        self.leases.heal("asked")
        return await self._status(request)

    async def _status(self, _: Request) -> Answer:
        return {**self.leases.status(), **reading()}

    def _open_table(self, container: str) -> int:
        """Open our table in a container's network namespace, and hold that open until the cut is undone.

        So a container that is restarted meanwhile is healed too. Returns the namespace's inode.
        """
        descriptor = reach.network_namespace(reach.main_process(container))
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


def _undo_left(hold: Hold) -> None:
    """A namespace that nobody is in any more is gone, and its cut with it."""
    if hold.namespace is None:
        reach.proceed(hold.container)
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


def _term(request: Request) -> Term:
    return Term(float(request["lease_s"]), float(request["longest_s"]))


def _told(undo: Callable[[], None]) -> None:
    """What could not be undone is told and stays held: the next look tries again."""
    try:
        undo()
    except FaultError as error:
        sys.stderr.write(f"{error}\n")


async def watch(leases: Leases) -> None:
    """Undo what is overdue, for ever."""
    while True:
        _told(leases.expire)
        await asyncio.sleep(WATCH_S)


async def serve(directory: Path) -> None:
    """Answer until SIGTERM, then heal. The socket is there once what was left behind is undone."""
    helper = Helper(directory)
    helper.take_over()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    (directory / SOCKET).unlink(missing_ok=True)
    watching = [asyncio.create_task(work) for work in (watch(helper.leases), helper.waits.watch())]
    hosts = Hosts(helper)
    server = await asyncio.start_unix_server(hosts.converse, directory / SOCKET)
    await ended.wait()
    helper.leases.heal("the helper was told to end")
    for task in watching:
        task.cancel()
    server.close()
    await hosts.leave()


class Hosts:
    """The conversations that are open, so that they end before the loop does."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._open: set[asyncio.StreamWriter] = set()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(await _line(self._helper, line))
                await writer.drain()
        self._open.discard(writer)
        writer.close()

    async def leave(self) -> None:
        for writer in self._open:
            writer.close()

        async def all_left() -> bool:
            return not self._open

        await until(all_left, within_s=LEAVE_S, because="a conversation does not end", every_s=0.01)


async def _line(helper: Helper, line: bytes) -> bytes:
    try:
        request = json.loads(line)
        answer = {**await helper.answer(request), "id": request.get("id")}
    except (ValueError, AttributeError) as error:
        answer = {"id": None, "error": f"not a JSON object: {error}"}
    return json.dumps(answer).encode() + b"\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m chaos.agent.node", description="Faults on a node, on leases.")
    parser.add_argument("directory", type=Path, nargs="?", default=DIRECTORY)
    options = parser.parse_args()
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    asyncio.run(serve(options.directory))


if __name__ == "__main__":
    main()
