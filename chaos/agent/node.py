"""The node helper: one process on a node that signals containers and cuts their network, each fault on a lease.

It is the main process of its pod. The host talks to its socket by running `chaos.agent.talk` through exec. The leases
are the helper's, so that they go on when the host or that stream is gone. It decides nothing about experiments: it is
told a container, what to do, and for how long.

A request is a JSON object on a line. Requests are answered in order, each with its `id`; the answer to one that failed
is `{"id", "error"}`. The requests of `chaos.agent.faults` name their target by `container`. The others are (`do`):

clock      → boot_id, timens, mono_ns, wall_ns
login      variables, files → nothing; from now on servers are connected to as `variables` say (chaos.access), with the
           PEM texts of `files` (ca, certificate, key) in files in memory
processes  uid → processes: [{pid, name, cgroup}] of a pod
renew      watch: [{name, container, all}], seen_ns → also waits: how long these members waited for a core since then
"""

import argparse
import asyncio
import os
import signal
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from chaos.access import Accesses
from chaos.agent import reach
from chaos.agent.faults import Answer, Faults, Request
from chaos.agent.talk import DIRECTORY, SOCKET
from chaos.agent.waits import NodeWaits
from chaos.clock import identity, reading
from chaos.pipe import Handler, answered
from chaos.until import until

PRIORITY = -10
"""The nice value that the helper gives itself: its stamps must be right to milliseconds on a node that may be busy."""
MEMORY = "/dev/shm"
"""Where files are that are on no disk."""
LEAVE_S = 2.0
"""How long it waits at its end for answers that are under way."""


class Container:
    """A container as `chaos.agent.faults.FaultTarget`."""

    def __init__(self, request: Request) -> None:
        self.id: str = request["container"]
        self._uid: str = request.get("uid", "")
        running = reach.processes(self.id)[:1] if self.id and self._uid else []
        self._name = reach.name_of(reach.main_process(self.id)) if running else ""

    def processes(self) -> list[int]:
        own = reach.main_process(self.id)
        return [own, *(pid for pid in reach.processes(self.id) if pid != own)]

    def successors(self) -> list[int]:
        """The processes of its pod that have the name that its own main process had."""
        return [int(one["pid"]) for one in reach.of_pod(self._uid) if one["name"] == self._name]

    def memory(self) -> Path | None:
        return reach.memory_cgroup(self.id)

    def network(self) -> int:
        return reach.network_namespace(reach.main_process(self.id))


class Helper:
    """What the node helper answers: `does` has a function for each request, by its word."""

    def __init__(self, directory: Path) -> None:
        self.faults = Faults(directory, Container)
        self.waits = NodeWaits()
        own: dict[str, Handler] = {"clock": self._clock, "processes": self._processes, "renew": self._renew}
        own["login"] = self._login
        self.does = {**self.faults.does, **own}

    async def _clock(self, _: Request) -> Answer:
        return {**identity(), **reading()}

    async def _login(self, request: Request) -> Answer:
        """Keep what the host has read from Secrets, which are in a namespace that this pod may not read."""
        folder = Path(tempfile.mkdtemp(dir=MEMORY))
        for name, text in request["files"].items():
            (folder / name).write_text(text)
        paths = {name: str(folder / name) for name in request["files"]}
        given = Accesses.from_environment(request["variables"])
        placed = [
            replace(one, tls=replace(one.tls, **paths) if one.tls else None) for one in (given.redis, given.sentinel)
        ]
        Accesses(redis=placed[0], sentinel=placed[1]).become_environment()
        return reading()

    async def _renew(self, request: Request) -> Answer:
        waits = self.waits.asked(request.get("watch", []), request.get("seen_ns", 0))
        return {**await self.faults.renew(request), "waits": waits}

    async def _processes(self, request: Request) -> Answer:
        return {"processes": reach.of_pod(request["uid"]), **reading()}


async def serve(directory: Path) -> None:
    """Answer until SIGTERM, then undo everything. The socket appears once the faults of a helper before are undone."""
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
    """The connections of hosts that are open, so that they can be closed before the loop ends."""

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
