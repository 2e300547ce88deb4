"""The clients as the host's commands move them: started, started anew with another deadline, stopped, audited."""

from pathlib import Path

from chaos.agent.spec import AgentSpec
from chaos.client.audit import audit
from chaos.client.crew import Crew
from chaos.client.sanity import sanity
from chaos.record.event_files import EventWriter
from chaos.record.events import ClientsStarted, ClientsStopped


class Clients:
    """A command that comes twice does nothing the second time. `members` are those of now, for sanity and audit."""

    def __init__(self, crew: Crew, spec: AgentSpec, directory: Path, events: EventWriter) -> None:
        self._crew = crew
        self._load = spec.load
        self._directory = directory
        self._events = events
        self._deadline_s: float | None = None
        self._audited = False
        self.members = spec.members

    async def start(self, deadline_s: float) -> None:
        """With another deadline than they run with, they are stopped and go on with that one."""
        if deadline_s == self._deadline_s:
            return
        await self.stop()
        await sanity(self.members, self._events)
        self._crew.start(deadline_s)
        self._deadline_s = deadline_s
        self._events.write(ClientsStarted(deadline_s=deadline_s))

    async def stop(self) -> None:
        if self._deadline_s is None:
            return
        await self._crew.stop()
        self._events.write(ClientsStopped(deadline_s=self._deadline_s))
        self._deadline_s = None

    async def audit(self, address: str) -> None:
        """Once only: an audit removes the keys that it has read."""
        if self._audited:
            return
        self._audited = True
        await audit(self._directory, self._load, address, self.members, self._events)
