"""The node helper: one process on a node that signals containers and cuts their network, each fault on a lease.

It is the pod's own process and owns the leases. The host talks to its socket by running `chaos.agent.talk` through
exec; when the host or that stream is gone, the leases are still here.
It decides nothing about experiments: it is told a container, what to do, and for how long.

One JSON object a line, answered in order, with the request's `id`; a failure is `{"id", "error"}`. Beside the requests
of `chaos.agent.faults`, which name their target by `container`, it answers (`do`):

clock      → boot_id, timens, mono_ns, wall_ns
processes  uid → processes: [{pid, name, cgroup}] of a pod
renew      watch: [{name, container, all}], seen_ns → waits, too: what these members waited for a core since then
"""

import argparse
import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from chaos.agent import reach
from chaos.agent.faults import Answer, Faults, Request
from chaos.agent.talk import DIRECTORY, SOCKET
from chaos.agent.waits import NodeWaits
from chaos.clock import identity, reading
from chaos.pipe import Handler, answered
from chaos.until import until

PRIORITY = -10
"""Its stamps are wanted within milliseconds on a node that may be busy, and it hardly ever runs."""
LEAVE_S = 2.0
"""How long an answer under way is waited for at the end."""


class Container:
    """Keeps `chaos.agent.faults.Target`."""

    def __init__(self, request: Request) -> None:
        self.id: str = request["container"]

    def processes(self) -> list[int]:
        own = reach.main_process(self.id)
        return [own, *(pid for pid in reach.processes(self.id) if pid != own)]

    def network(self) -> int:
        return reach.network_namespace(reach.main_process(self.id))


class Helper:
    """`does` is all that it answers."""

    def __init__(self, directory: Path) -> None:
        self.faults = Faults(directory, Container)
        self.waits = NodeWaits()
        own: dict[str, Handler] = {"clock": self._clock, "processes": self._processes, "renew": self._renew}
        self.does = {**self.faults.does, **own}

    async def _clock(self, _: Request) -> Answer:
        return {**identity(), **reading()}

    async def _renew(self, request: Request) -> Answer:
        waits = self.waits.asked(request.get("watch", []), request.get("seen_ns", 0))
        return {**await self.faults.renew(request), "waits": waits}

    async def _processes(self, request: Request) -> Answer:
        return {"processes": reach.of_pod(request["uid"]), **reading()}


async def serve(directory: Path) -> None:
    """Answer until SIGTERM, then heal. The socket is there once what was left behind is undone."""
    helper = Helper(directory)
    helper.faults.take_over()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    (directory / SOCKET).unlink(missing_ok=True)
    watching = [asyncio.create_task(work) for work in (helper.faults.watch(), helper.waits.watch())]
    hosts = Hosts(helper)
    server = await asyncio.start_unix_server(hosts.converse, directory / SOCKET)
    await ended.wait()
    helper.faults.leases.heal("the helper was told to end")
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
                writer.write(await answered(self._helper.does, line))
                await writer.drain()
        self._open.discard(writer)
        writer.close()

    async def leave(self) -> None:
        for writer in self._open:
            writer.close()

        async def all_left() -> bool:
            return not self._open

        await until(all_left, within_s=LEAVE_S, because="a conversation does not end", every_s=0.01)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m chaos.agent.node", description="Faults on a node, on leases.")
    parser.add_argument("directory", type=Path, nargs="?", default=DIRECTORY)
    options = parser.parse_args()
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    asyncio.run(serve(options.directory))


if __name__ == "__main__":
    main()
