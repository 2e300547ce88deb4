"""The node helper: one process per node that signals containers and cuts their network. Every fault has a lease.

The helper is the main process of its pod. The host reaches its socket by running `chaos.agent.talk` in the pod through
exec. The helper holds the leases itself, so they run on even if the host or the exec stream is gone. The helper knows
nothing of experiments: a request names a container, a fault, and for how long.

A request is a JSON object on one line. Requests are answered in order, and each answer has the `id` of its request; the
answer to a request that failed is `{"id", "error"}`. The requests of `chaos.agent.faults` name their target by
`container`. The other requests are (`do`):

clock      → boot_id, timens, mono_ns, wall_ns
login      variables, files → mono_ns, wall_ns; from now on the helper logs in to servers as `variables` say
           (chaos.access). `files` holds PEM texts (ca, certificate, key), which are written to files in memory
processes  uid → processes: [{pid, name, cgroup}] of a pod
renew      watch: [{name, container, all}], seen_ns → renews every lease, as in `chaos.agent.faults`. The answer has
           `waits` too: how long these members have waited for a core since `seen_ns`
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
"""The nice value that the helper gives itself, so that its time stamps are right to milliseconds even on a busy
node."""
MEMORY = "/dev/shm"
"""A directory whose files are in memory and not on a disk."""
LEAVE_S = 2.0
"""How long the helper waits at its end for answers that it is still writing."""


class Container:
    """A container as the target of a fault, found through /proc of the node."""

    def __init__(self, request: Request) -> None:
        self.id: str = request["container"]
        self._uid: str = request.get("uid", "")
        running = reach.processes(self.id)[:1] if self.id and self._uid else []
        self._name = reach.name_of(reach.main_process(self.id)) if running else ""

    def processes(self) -> list[int]:
        own = reach.main_process(self.id)
        return [own, *(pid for pid in reach.processes(self.id) if pid != own)]

    def successors(self) -> list[int]:
        """Return the processes of the pod that have the same name as the target's main process."""
        return [int(one["pid"]) for one in reach.of_pod(self._uid) if one["name"] == self._name]

    def memory(self) -> Path | None:
        return reach.memory_cgroup(self.id)

    def network(self) -> int:
        return reach.network_namespace(reach.main_process(self.id))


class Helper:
    """The requests that the node helper answers: `does` maps each request's word to its function."""

    def __init__(self, directory: Path) -> None:
        self.faults = Faults(directory, Container)
        self.waits = NodeWaits()
        own: dict[str, Handler] = {"clock": self._clock, "processes": self._processes, "renew": self._renew}
        own["login"] = self._login
        self.does = {**self.faults.does, **own}

    async def _clock(self, _: Request) -> Answer:
        return {**identity(), **reading()}

    async def _login(self, request: Request) -> Answer:
        """Store the logins and certificates from the host. This pod may not read the system's Secrets itself."""
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
    """Undo what a crashed helper left behind, answer requests until SIGTERM, and undo every fault."""
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
    """The open connections of hosts, kept so that they can be closed before the event loop ends."""

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
