"""`python -m chaos.cluster.local.nest`: the nest, a process that runs the whole local system of one trial.

It plays the parts of node, kubelet, API server and kube-proxy. It speaks JSON lines. The first line of input is the
plan. Each later one is a request `{"id", "do", ...}`, answered with the same id, or with `{"id", "error"}`. Other lines
of output are `{"event"}` (docs/file-formats.md), `{"up"}` once the system is up, `{"agent"}` when the agent has ended,
and `{"failed"}` as the last. At the end of its input the nest ends, and with it the system. It answers the requests of
`chaos.cluster.local.stops`, and these:

launch  spec → address; starts the agent there. The agent can resolve the names of all Services
end     → nothing; kills the agent
"""

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from chaos.access import Access, Accesses
from chaos.agent.waits import WaitsForACore
from chaos.cluster.health import last_words, state, tail
from chaos.cluster.local import assembly
from chaos.cluster.local.config import Recipes, certificates
from chaos.cluster.local.endpoints import Labels, LocalServices
from chaos.cluster.local.kubelet import Kubelet
from chaos.cluster.local.leftovers import private_directories, private_directory, sweep
from chaos.cluster.local.level import NAMESPACES
from chaos.cluster.local.loopback import Loopback
from chaos.cluster.local.network import Network, isolate
from chaos.cluster.local.platform import LINE_BYTES, Plan
from chaos.cluster.local.pod import Log, Space
from chaos.cluster.local.stops import MemberFaults
from chaos.errors import HarnessError, SetupError, in_time
from chaos.model import MemberKind
from chaos.pipe import Child, Handler, Line, Program, answered, packed, say
from chaos.record.events import Event, Stamped, to_line
from chaos.scenario.places import PROXY_STATS, LocalSentinel, LocalSystem

FORWARDER_LOG, AGENT_LOG, AGENT_SPEC = "forwarder.log", "agent.log", "agent.json"
AGENT_HOST = "4.1"
REDIS, SENTINEL = MemberKind.REDIS, MemberKind.SENTINEL


class Nest:
    """One local system. Call `run` once. It implements `chaos.cluster.local.kubelet.Holder`."""

    def __init__(self, plan: Plan, home: Path) -> None:
        self._plan = plan
        self._going_on: set[asyncio.Task[None]] = set()
        local = plan.system.on_local
        ports = (local.port, local.sentinel.port, *((PROXY_STATS,) if plan.haproxy else ()))
        network = Network() if plan.level == NAMESPACES else Loopback(ports)
        self._kubelet = Kubelet(plan, network, Recipes(plan, home), self)
        self._agent_space = network.space(f"{network.members}.{AGENT_HOST}")
        self._services = network.services(self._agent_space, plan.directory / FORWARDER_LOG, self.fail)
        self._endpoints = LocalServices(local, self._kubelet.pods, self._services, self.say)
        self._faults = MemberFaults(local, self._kubelet, self, home)
        self._waits = WaitsForACore(self._processes, self.say)
        self._launch = Launch(plan.directory, home, self._agent_space, self._endpoints.hosts)
        self._does: dict[str, Handler] = {
            **self._faults.does,
            "launch": self._launch.start,
            "end": self._launch.end,
        }

    async def run(self) -> None:
        """Run the system until the end of the input, until SIGTERM, or until a part of it fails."""
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
            await asyncio.gather(self._kubelet.leave(), self._launch.end({}))
            await self._services.end()  # the kernel removes the namespaces

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
        """Return every process that a client may wait for: the members, and the forwarder of the Services."""
        return [*self._kubelet.processes(), *self._services.processes()]

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _broke(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Fail with an error that was raised outside any awaited task, for example in a timer."""
        loop.default_exception_handler(context)
        self.fail(context.get("exception") or RuntimeError(context["message"]))

    async def _bring_up(self) -> None:
        kubelet = self._kubelet
        kubelet.start()
        redis, sentinels = ([pod.ip_port for pod in kubelet.of(kind)] for kind in (REDIS, SENTINEL))
        await assembly.assemble(self._plan.system, redis, sentinels, described=self._described)
        if self._plan.system.master_label is not None:
            Labels(self._plan.system, kubelet)
            kubelet.start_controller()
        self._endpoints.announce()
        kubelet.listeners.append(self._endpoints.follow)
        kubelet.all_ready()
        say(packed({"up": True}))

    def _described(self, at: tuple[str, int]) -> str:
        """Return a description of the member at that address: its process, and the last lines of its log."""
        pod = next(pod for pod in self._kubelet.pods.values() if pod.ip_port == at)
        return f"{pod.name}: {state(pod.event())}; {last_words(tail(self._kubelet.log_of(pod)))}"

    async def _serve(self) -> None:
        reader = asyncio.StreamReader(limit=LINE_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        while line := await reader.readline():
            self.spawn(self._answer(line))
        self._end()

    async def _answer(self, request: bytes) -> None:
        """Answer one request in a task of its own, so that a heal does not wait for the proof of a cut."""
        say(await answered(self._does, request))


class Launch:
    """Starts and ends the agent. The agent's standard error goes to `agent.log`."""

    def __init__(self, directory: Path, home: Path, space: Space, hosts: dict[str, str]) -> None:
        self._directory = directory
        self._spec = home / AGENT_SPEC
        self._space = space
        self._hosts = hosts
        self._log = Log(directory / AGENT_LOG, stamped=False)
        self._process: Child | None = None

    async def start(self, request: Line) -> Line:
        """Start the agent. It knows the names of the Services and no other names."""
        if self._process is not None:
            raise SetupError("there is an agent already; a trial has one")
        self._spec.write_text(json.dumps(request["spec"] | {"hosts": self._hosts}))
        command = [sys.executable, "-m", "chaos.agent", str(self._spec), str(self._directory)]
        program = Program(
            command=command, directory=self._directory, error=self._log.write, before=self._space.entering()
        )
        self._process = Child(program, self._ended)
        return {"address": self._space.address}

    async def end(self, _: Line) -> Line:
        """Kill the agent. Do nothing if there is none."""
        if self._process is not None:
            self._process.send(signal.SIGKILL)
            await self._process.over.wait()
        return {}

    def _ended(self, process: Child) -> None:
        say(packed({"agent": f"{process.how}; {process.said}"}))
        self._log.close()


def accesses(local: LocalSystem, home: Path) -> Accesses:
    """Return the logins and certificates of this system. Those that are declared as `generated` are made here."""
    given = Accesses.from_environment()
    names = [local.sentinel.service, *([local.endpoint.service] if local.endpoint else [])]
    tls = certificates(home / "tls", names) if local.tls == "generated" else None

    def access(asks: LocalSystem | LocalSentinel, known: Access) -> Access:
        password = {"generated": secrets.token_hex(16), "environment": known.password}.get(asks.password or "", "")
        return Access(user=asks.user or "", password=password, tls=tls)

    return Accesses(redis=access(local, given.redis), sentinel=access(local.sentinel, given.sentinel))


def main() -> None:
    plan = Plan.parse(sys.stdin.buffer.readline())
    os.environ["TZ"] = "UTC"  # servers write the times of their logs in this zone
    try:
        sweep(private_directories())
        if plan.level == NAMESPACES:
            isolate()
        with private_directory() as home:
            accesses(plan.system.on_local, home).become_environment()  # children of the nest inherit it
            asyncio.run(Nest(plan, home).run())
    except (HarnessError, ExceptionGroup) as error:
        if not (found := in_time(error)):
            raise
        said = found[0]
        say(packed({"failed": {"error": type(said).__name__, "text": str(said)}}))
        sys.exit(said.exit_code)


if __name__ == "__main__":
    main()
