"""`python -m chaos.cluster.local.nest`: one whole system, held by one process; it goes when that goes.

It is node, kubelet, API server and kube-proxy of one trial's system. JSON lines on its standard streams: the first one
in is the plan; then requests `{"id", "do", ...}` are answered with their id, or with `{"id", "error"}`. Unasked it says
`{"event"}` (docs/file-formats.md), once `{"up"}`, `{"agent"}` when the agent has ended, and `{"failed"}` as its last.
It ends, and all with it, at the end of its input. Beside the requests of `chaos.cluster.local.faults` it answers:

launch  spec                             → nothing; starts the agent where it reaches every Service by its name
end     → nothing; ends the agent without its leave
"""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from chaos.agent.waits import WaitsForACore
from chaos.cluster.local import assembly, private
from chaos.cluster.local.endpoints import Endpoints
from chaos.cluster.local.faults import MemberFaults
from chaos.cluster.local.kubelet import Kubelet
from chaos.cluster.local.labels import Labels
from chaos.cluster.local.launch import Launch
from chaos.cluster.local.level import NAMESPACES
from chaos.cluster.local.loopback import Loopback
from chaos.cluster.local.network import Network, isolate
from chaos.cluster.local.plan import LINE_BYTES, Plan
from chaos.cluster.local.recipes import Recipes
from chaos.errors import HarnessError
from chaos.model import MemberKind
from chaos.pipe import Handler, answered, packed, say
from chaos.record.events import Event, Stamped, to_line
from chaos.resp import PASSWORD_VARIABLE
from chaos.scenario.model import PROXY_STATS

FORWARDER_LOG = "forwarder.log"
AGENT_HOST = "4.1"
REDIS, SENTINEL = MemberKind.REDIS, MemberKind.SENTINEL


class Nest:
    """`run` it once. Keeps `chaos.cluster.local.kubelet.Nest`."""

    def __init__(self, plan: Plan, home: Path) -> None:
        self._plan = plan
        self._going_on: set[asyncio.Task[None]] = set()
        local = plan.system.on_local
        ports = (local.port, local.sentinel.port, *((PROXY_STATS,) if plan.haproxy else ()))
        network = Network() if plan.level == NAMESPACES else Loopback(ports)
        self._kubelet = Kubelet(plan, network, Recipes(plan, home), self)
        self._agent_space = network.space(f"{network.members}.{AGENT_HOST}")
        self._services = network.services(self._agent_space, plan.directory / FORWARDER_LOG, self.fail)
        self._endpoints = Endpoints(local, self._kubelet.pods, self._services, self.say)
        self._faults = MemberFaults(local, self._kubelet, self, home)
        self._waits = WaitsForACore(self._processes, self.say)
        self._launch = Launch(plan.directory, home, self._agent_space, self._endpoints.hosts)
        self._does: dict[str, Handler] = {
            **self._faults.does,
            "launch": self._launch.start,
            "end": self._launch.end,
        }

    async def run(self) -> None:
        """Until the end of the input, or SIGTERM. Whatever fails within it ends it."""
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = loop.create_future()
        loop.set_exception_handler(self._broke)
        loop.add_signal_handler(signal.SIGTERM, self._end)
        try:
            async with asyncio.TaskGroup() as self._group:
                parts = (self._bring_up(), self._serve(), self._faults.watch(), self._waits.watch())
                work = [self.spawn(one) for one in parts]
                await self._ended
                for task in [*work, *self._going_on]:
                    task.cancel()
        finally:
            await self._leave()

    def say(self, stamped: Stamped[Event]) -> None:
        say(f'{{"event":{to_line(stamped).rstrip()}}}\n'.encode())

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
        return task

    def fail(self, error: BaseException) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    def _processes(self) -> list[tuple[str, int]]:
        """What an answer to a client may wait for: the members, and what stands in for the Services."""
        return [*self._kubelet.processes(), *self._services.processes()]

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _broke(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What is raised where nobody waits for it, as in a timer."""
        loop.default_exception_handler(context)
        self.fail(context.get("exception") or RuntimeError(context["message"]))

    async def _bring_up(self) -> None:
        kubelet = self._kubelet
        kubelet.start()
        redis, sentinels = ([pod.ip_port for pod in kubelet.of(kind)] for kind in (REDIS, SENTINEL))
        await assembly.assemble(self._plan.system, redis, sentinels)
        if self._plan.system.master_label is not None:
            Labels(self._plan.system, kubelet)
            kubelet.start_controller()
        self._endpoints.announce()
        kubelet.listeners.append(self._endpoints.follow)
        kubelet.all_ready()
        say(packed({"up": True}))

    async def _serve(self) -> None:
        reader = asyncio.StreamReader(limit=LINE_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        while line := await reader.readline():
            self.spawn(self._answer(line))
        self._end()

    async def _answer(self, request: bytes) -> None:
        """At once, whatever else is under way: a heal does not wait for the proof of a cut."""
        say(await answered(self._does, request))

    async def _leave(self) -> None:
        """End every process; the kernel does the rest."""
        await asyncio.gather(self._kubelet.leave(), self._launch.end({}))
        await self._services.end()


def _first(error: BaseException) -> HarnessError | None:
    """What the user should read of what ended it; None where it is a fault of the program."""
    if isinstance(error, BaseExceptionGroup):
        return next((found for one in error.exceptions if (found := _first(one))), None)
    return error if isinstance(error, HarnessError) else None


def main() -> None:
    plan = Plan.parse(sys.stdin.buffer.readline())
    os.environ.pop(PASSWORD_VARIABLE, None)
    if plan.system.on_local.password == "generated":  # known to whoever the nest starts, and written in its own files
        os.environ[PASSWORD_VARIABLE] = secrets.token_hex(16)
    os.environ["TZ"] = "UTC"  # servers stamp their logs in the time zone of their environment
    try:
        private.sweep()
        if plan.level == NAMESPACES:
            isolate()
        with private.directory() as home:
            asyncio.run(Nest(plan, home).run())
    except (HarnessError, ExceptionGroup) as error:
        said = _first(error)
        if said is None:
            raise
        say(packed({"failed": {"error": type(said).__name__, "text": str(said)}}))
        sys.exit(said.exit_code)


if __name__ == "__main__":
    main()
