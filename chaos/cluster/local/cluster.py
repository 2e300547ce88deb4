"""A system of local processes, as the worker of a trial uses it. `connect` yields a `chaos.cluster.base.Cluster`.

The system runs in another process, the nest (`chaos.cluster.local.nest`), which ends when this process does.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from chaos.agent.orders import QUIT, AgentSpec
from chaos.clock import HOST, mono_ns
from chaos.cluster.base import Ability, Disturbance, Effect, Members, member_of
from chaos.cluster.executor import RENEW_S, Executor
from chaos.cluster.local.platform import Plan, planned
from chaos.errors import FaultError, HarnessError, SetupError, error_named
from chaos.linux import write_whole
from chaos.model import Member, MemberKind
from chaos.pipe import Child, Line, Lines, Program, Questions
from chaos.record.events import Event, Pod, Stamped, from_json, gap_event
from chaos.scenario import Scenario
from chaos.scenario.places import PROXY_STATS
from chaos.undo import RUN, Undo

UP_S, ASK_S, LEAVE_S = 60.0, 10.0, 60.0
"""How long the nest may take to bring the system up, to answer a request, and to end."""
END_S = 45.0
"""How long the agent may take to end after it was told to."""


class LocalCluster(Executor):
    """One local system, as the worker of its trial uses it, from one event loop. The nest runs it."""

    def __init__(self, plan: Plan, ref: Mapping[str, str]) -> None:
        super().__init__(HOST, self._fold)
        self.name = ref["name"]
        self.cannot = {Ability(one): why for one, why in json.loads(ref["cannot"]).items()}
        self._directory = plan.directory
        local = plan.system.on_local
        ports = {MemberKind.REDIS: local.port, MemberKind.SENTINEL: local.sentinel.port}
        self._ports = ports | {MemberKind.PROXY: PROXY_STATS}
        self._pods: dict[str, Member] = {}
        self._events: asyncio.Queue[Stamped[Event] | HarnessError] = asyncio.Queue()
        self._up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failure: HarnessError | None = None
        self._agent: LocalAgent | None = None
        said = Lines()
        environment = {RUN: ref["run"]} if "run" in ref else {}
        command = [sys.executable, "-m", "chaos.cluster.local.nest"]
        self._nest = Child(Program(command=command, out=said, environment=environment), said.end)
        self._questions = Questions(self._nest.tell)
        self._hearing = asyncio.create_task(self._hear(said))
        self._renewing: asyncio.Task[None] | None = None

    async def open(self, plan: Plan) -> None:
        """Have the nest bring the system up. Raises the error that the nest reports."""
        self._nest.tell(plan.line())
        try:
            async with asyncio.timeout(UP_S):
                await self._up
        except TimeoutError:
            raise SetupError(f"the local system was not there within {UP_S:g} s; see {self._log}") from None
        self._renewing = asyncio.create_task(self._renew())

    async def close(self) -> None:
        """End the nest by closing its input. Everything it runs ends too. Raises SetupError if the nest fails."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        failed = self._failure is not None
        await self._nest.finish(LEAVE_S)
        await self._hearing
        if self._nest.code != 0 and not failed:
            raise SetupError(f"the local system did not end as it should ({self._nest.how}); see {self._log}")

    async def api_server(self) -> tuple[str, ...]:
        return ()

    async def members(self) -> Members:
        return {member.name: member for member in self._pods.values()}

    async def disturb(self, member: Member, how: Disturbance) -> Effect:
        raise FaultError(f"{how.value} of {member.name}: a local system has no node and no Deployment")

    def undoing(self, fault: str, target: Member | None) -> Undo:
        """Return how to kill the nest. Every fault of a local system ends with it."""
        pid = str(self._nest.pid)
        what = f"{fault} of {target.name}" if target else fault
        return Undo(what=what, executor="nest", where={"pid": pid}, request={"do": "heal"}, by_hand=f"kill {pid}")

    async def keep(self, undos: Sequence[Undo]) -> None:
        """Do nothing. The run's journal is on this machine too."""

    async def events(self) -> AsyncIterator[Stamped[Event]]:
        while True:
            if self._failure is not None and self._events.empty():
                raise self._failure
            event = await self._events.get()
            if isinstance(event, HarnessError):
                raise event
            yield event

    async def launch(self, spec: AgentSpec) -> "LocalAgent":
        self._agent = LocalAgent(self._directory, lambda: self.ask("end"))
        self._agent.address = (await self.ask("launch", spec=asdict(spec)))["address"]
        return self._agent

    async def ask(self, do: str, **fields: object) -> Line:
        """Send one request to the nest. Raises FaultError if it is refused or not answered, SetupError if it ended."""
        if self._failure is not None:
            raise self._failure
        try:
            line = await self._questions.ask({"do": do, **fields}, ASK_S)
        except TimeoutError:
            raise FaultError(f"{do}: the local system did not answer within {ASK_S:g} s") from None
        if "error" in line:
            raise FaultError(f"{do}: {line['error']}")
        return line

    async def _renew(self) -> None:
        """Renew the leases until the nest has ended. A renewal that fails becomes a gap event."""
        while self._failure is None:
            since_ns = mono_ns()
            try:
                self.heard(await self.ask(self.renewal))
            except FaultError as error:
                self._fold(gap_event("the local system", str(error), since_ns))
            await asyncio.sleep(RENEW_S)

    async def _hear(self, said: Lines) -> None:
        """Take every line that the nest writes. Once it has ended, raise the reason in everyone who waits for it."""
        async for line in said:
            self._take(json.loads(line))
        self._failure = self._failure or SetupError(f"the local system ended ({self._nest.how}); see {self._log}")
        self._events.put_nowait(self._failure)
        self._questions.fail(self._failure)
        if not self._up.done():
            self._up.set_exception(self._failure)
            self._up.exception()  # marks it as retrieved: possibly nothing awaits it

    def _take(self, line: Line) -> None:
        if "event" in line:
            self._fold(from_json(line["event"]))
        elif "id" in line:
            self._questions.take(line)
        elif "up" in line:
            if not self._up.done():  # it is done if `open` has timed out
                self._up.set_result(None)
        elif "agent" in line and self._agent is not None:
            self._agent.ended(line["agent"])
        elif "failed" in line:
            self._failure = error_named(line["failed"]["error"])(line["failed"]["text"])

    def _fold(self, stamped: Stamped[Event]) -> None:
        """Update the pods, which are those with a container, and pass the event on."""
        pod = stamped.event
        if isinstance(pod, Pod):
            self._pods.pop(pod.uid, None)
            if pod.container and not pod.gone:
                kind = MemberKind(pod.component)
                port, numbered = self._ports.get(kind, 0), kind is MemberKind.REDIS
                self._pods[pod.uid] = member_of(pod, port=port, domain=HOST, numbered=numbered)
        self._events.put_nowait(stamped)

    @property
    def _log(self) -> Path:
        """The file with the standard error of the worker and of the nest."""
        return self._directory / "worker.log"


class LocalAgent:
    """The agent as its host sees it: a process that writes its recording straight into the trial's directory.

    It implements `chaos.cluster.base.RunningAgent`. `kill` ends the process at once. `ended` must be called when the
    process has ended.
    """

    address = ""

    def __init__(self, directory: Path, kill: Callable[[], Awaitable[object]]) -> None:
        self._directory = directory
        self._kill = kill
        self._over = asyncio.Event()
        self._how = ""

    def ended(self, how: str) -> None:
        self._how = how
        self._over.set()

    async def put(self, path: str, text: str) -> None:
        file = self._directory / path
        file.parent.mkdir(exist_ok=True)
        write_whole(file, text)

    async def pull(self) -> None:
        """Check that the agent still runs. There is nothing to fetch, because it writes into the trial's directory."""
        if self._over.is_set():
            raise SetupError(f"the agent ended by itself: {self._how}")

    async def close(self) -> None:
        """Tell the agent to end, kill it if it does not, and remove its control files."""
        try:
            await self.put(QUIT, "{}")
            async with asyncio.timeout(END_S):
                await self._over.wait()
        except TimeoutError:
            await self._kill()
            raise SetupError(f"the agent did not end within {END_S:g} s after it was told to, and was killed") from None
        finally:
            shutil.rmtree(self._directory / Path(QUIT).parent)


@asynccontextmanager
async def connect(ref: Mapping[str, str], scenario: Scenario, directory: Path) -> AsyncIterator[LocalCluster]:
    """Yield a new system for this trial. `directory` is the trial's. The system ends with the context."""
    plan = planned(ref, scenario, directory)
    cluster = LocalCluster(plan, ref)
    try:
        await cluster.open(plan)
        yield cluster
    finally:
        await cluster.close()
