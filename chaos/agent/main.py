"""The agent process: it runs observers and clients beside the system, and records what they see into its directory.

The host controls the agent by writing files. The agent needs the host for nothing else: it ends by itself at its time
limit, and everything recorded until then is on disk. It judges nothing.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, NamedTuple

from chaos.access import Accesses
from chaos.agent.orders import AUDIT, MEMBERS, QUIT, START, STOP, AgentSpec
from chaos.client.audit import audit, sanity
from chaos.client.crew import Crew
from chaos.client.names import Names
from chaos.clock import AGENT
from chaos.model import Member
from chaos.observe.itself import HiccupMeter, pulse
from chaos.observe.observers import Observers
from chaos.observe.watch import Pace
from chaos.record.event_files import EventWriter, RollingEvents
from chaos.record.events import ClientsStarted, ClientsStopped, Gap, Note
from chaos.record.layout import EVENTS

LOOK_S = 0.05
"""How often the agent looks for new control files, so that it acts on a command within 100 ms."""
FILES = (MEMBERS, START, STOP, AUDIT, QUIT)
"""The control files. If several are new at once, the agent acts on them in this order."""


class Clients:
    """Starts, stops and audits the clients when the host says so. Repeating a command has no effect.

    `members` are the present members of the system. The sanity checks and the audit query them.
    """

    def __init__(self, crew: Crew, spec: AgentSpec, directory: Path, events: EventWriter) -> None:
        self._crew = crew
        self._load = spec.load
        self._directory = directory
        self._events = events
        self._deadline_s: float | None = None
        self._most: int | None = None
        self._audited = False
        self.members = spec.members

    async def start(self, deadline_s: float, most: int | None) -> None:
        """Start the clients, and stop the ones that run with other arguments first.

        `deadline_s` is the deadline of an operation. At most `most` meters are started per path and way (all if None).
        """
        if (deadline_s, most) == (self._deadline_s, self._most):
            return
        await self.stop()
        await sanity(self.members, self._events)
        left_out = self._crew.start(deadline_s, most)
        await self._crew.ready()
        self._deadline_s, self._most = deadline_s, most
        self._events.write(ClientsStarted(deadline_s=deadline_s, left_out=left_out))

    async def stop(self) -> None:
        if self._deadline_s is None:
            return
        await self._crew.stop()
        self._events.write(ClientsStopped(deadline_s=self._deadline_s))
        self._deadline_s = None

    async def audit(self, addresses: list[str]) -> None:
        """Audit the keys once. Later calls do nothing, because an audit removes the keys that it has read."""
        if self._audited:
            return
        self._audited = True
        await audit(self._directory, self._load, addresses, self.members, self._events)


class Command(NamedTuple):
    """A command of the host. `file` is one of FILES, and `data` is the file's content."""

    file: str
    data: Any


class Control:
    """Reads the commands that the host writes as files into `control/`.

    The host always replaces a whole file, so the agent tells a new command by the file's inode or time. A host that is
    not sure whether a command arrived writes it again; acting on a command twice must therefore do no harm.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[str, tuple[int, int]] = {}

    def new(self) -> list[Command]:
        """Return the new commands. Raises ValueError if a file is not JSON."""
        return [
            Command(file, json.loads((self._directory / file).read_text())) for file in FILES if self._is_news(file)
        ]

    async def commands(self) -> AsyncGenerator[Command, None]:
        pace = Pace(LOOK_S)
        while True:
            for command in self.new():
                yield command
            await pace.beat()

    def _is_news(self, file: str) -> bool:
        try:
            status = os.stat(f"{self._directory}/{file}")  # noqa: PTH116  twenty times a second, pathlib costs more
        except FileNotFoundError:
            return False
        identity = status.st_ino, status.st_mtime_ns
        seen = self._seen.get(file)
        self._seen[file] = identity
        return identity != seen


async def run(spec: AgentSpec, directory: Path) -> None:
    """Run the agent until the QUIT file, a signal or its time limit. An error is recorded as a gap and raised."""
    path = directory / EVENTS / f"{AGENT}.jsonl"
    events = RollingEvents(path, AGENT, spec.roll_s) if spec.roll_s else EventWriter(path, AGENT)
    try:
        names = Names(spec.names, events, hosts=spec.hosts, maps=spec.maps)
        async with names, asyncio.TaskGroup() as group:
            observers = Observers(group, spec.load.master, events, Accesses.from_environment(), spec.settings)
            clients = Clients(Crew(spec.clients, spec.load, directory, events, names), spec, directory, events)
            tasks = [group.create_task(HiccupMeter(events).run()), group.create_task(pulse(events))]
            why = await Agent(observers, clients, group).work(Control(directory), spec.limit_s)
            for task in tasks:
                task.cancel()
            events.write(Note(text=f"the agent ends: {why}"))
    except BaseException as error:
        events.write(Gap(source="agent", text=f"the agent failed: {described(error)}"))
        raise
    finally:
        events.close()


def described(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(described(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"


class Agent:
    """Carries out commands one after the other, in their order."""

    def __init__(self, observers: Observers, clients: Clients, group: asyncio.TaskGroup) -> None:
        self._observers = observers
        self._clients = clients
        self._group = group
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work(self, control: Control, limit_s: float) -> str:
        """Act on commands until the agent has to end, and return the reason. The clients are stopped in every case."""
        self._observers.follow(self._clients.members)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._because, number.name)
        loop.call_later(limit_s, self._because, f"its limit of {limit_s:g} s")
        obeying = self._group.create_task(self._obey(control))
        try:
            return await self._end
        finally:
            obeying.cancel()
            await asyncio.wait([obeying])
            await self._clients.stop()
            self._observers.stop()

    def _because(self, why: str) -> None:
        if not self._end.done():
            self._end.set_result(why)

    async def _obey(self, control: Control) -> None:
        async for command in control.commands():
            if command.file == MEMBERS:
                self._clients.members = tuple(Member.from_json(item) for item in command.data)
                self._observers.follow(self._clients.members)
            elif command.file == START:
                await self._clients.start(command.data["deadline_s"], command.data.get("most"))
            elif command.file == STOP:
                await self._clients.stop()
            elif command.file == AUDIT:
                await self._clients.audit(command.data["addresses"])
            elif command.file == QUIT:
                self._because("told to quit")
