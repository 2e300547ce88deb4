"""The agent runs observers and clients beside the system. Files tell it what to do, and it records into its directory.

It can do without the host: it ends by itself at its limit, and what it recorded until then is on disk. It judges
nothing.
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
"""The control files, in the order in which the agent acts on them if several are new at once."""


class Clients:
    """Starts, stops and audits the clients as the host says. A command that comes twice does nothing the second time.

    `members` are the members that are there now, which the sanity checks and the audit ask.
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
        """Start the clients with this deadline, and at most `most` meters of each path and way. Stop others first."""
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
        """Audit once only, since an audit removes the keys that it has read."""
        if self._audited:
            return
        self._audited = True
        await audit(self._directory, self._load, addresses, self.members, self._events)


class Command(NamedTuple):
    """A command of the host. `file` is one of FILES, and `data` is what it holds."""

    file: str
    data: Any


class Control:
    """Reads what the host tells a running agent, in the files of `control/`.

    A file is always replaced as a whole. It is new if its inode or its time is. A host that is not sure whether a
    command arrived may write it again, so that it must do no harm to act on a command twice.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[str, tuple[int, int]] = {}

    def new(self) -> list[Command]:
        """Return the commands that are new. Raises ValueError if a file is not JSON."""
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
    """Record until a file or a signal says to quit, or until the limit. An error is written as a gap, and raised."""
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
    """Does what the commands say, in their order. Each is done before the agent looks for the next."""

    def __init__(self, observers: Observers, clients: Clients, group: asyncio.TaskGroup) -> None:
        self._observers = observers
        self._clients = clients
        self._group = group
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def work(self, control: Control, limit_s: float) -> str:
        """Act on commands until the end, and return why it came. Whatever happens, the clients are stopped then."""
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
