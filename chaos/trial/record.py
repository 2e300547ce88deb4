"""The files of a trial that the host writes: events of host, platform and faults, JSON documents, and how it ended.

While the trial runs, an Attendant records the platform's events, the members, the clocks and the load.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from chaos.agent.orders import MEMBERS
from chaos.clock import HOST, mono_ns
from chaos.cluster.base import Cluster, Members, RunningAgent
from chaos.experiment.play import Journal
from chaos.linux import write_whole
from chaos.observe.itself import pressure
from chaos.progress import Message, Tell, Tells
from chaos.record.event_files import EventWriter
from chaos.record.events import Event, MembersKnown, Note, Pod, Stamped, Step, pair_event
from chaos.record.layout import CLOSED, EVENTS, JOURNAL, MANIFEST, SETTINGS, kept
from chaos.trial.assignment import utc_now


class Record:
    """The host's files of one trial. `step` is the present step, which the file `closed` records."""

    def __init__(self, directory: Path, tell: Tells) -> None:
        self.directory = directory
        self.step = 0
        self._manifest: dict[str, Any] = {}
        self._tell = tell
        self.host, self.platform, self.faults = (
            EventWriter(directory / EVENTS / f"{name}.jsonl", HOST) for name in ("host", "platform", "faults")
        )

    def subscribe(self, take: Callable[[Stamped[Event]], None]) -> None:
        """Call `take` with every later event of these files."""
        for writer in (self.host, self.platform, self.faults):
            writer.subscribe(take)

    @contextmanager
    def at(self, number: int, name: str) -> Iterator[list[str]]:
        """Record one step of the trial while in the context.

        What is appended to the list is shown when the step ends.
        """
        self.step, begun_ns, said = number, mono_ns(), list[str]()
        self.host.write(Step(number=number, name=name, state="begun", text=""))
        state = "failed"
        try:
            yield said
            state = "ended"
        finally:
            text = " · ".join(said)
            self.host.write(Step(number=number, name=name, state=state, text=text))
        if text:
            self._tell(Message(Tell.STEP, {"name": name, "text": text, "seconds": (mono_ns() - begun_ns) / 1e9}))

    def note(self, text: str) -> None:
        self.host.write(Note(text=text))
        self._tell(Message(Tell.NOTE, {"text": text}))

    def beat(self) -> None:
        """Write a pair of clock readings into each file, and how busy this machine is. Call it once a second."""
        for writer in (self.host, self.platform, self.faults):
            writer.put(pair_event(HOST))
        self.host.write(pressure())

    def manifest(self, **content: Any) -> None:  # noqa: ANN401  # the keys of docs/file-formats.md
        """Write the manifest when the trial opens. A second call, before the fault, completes it."""
        self._manifest |= content
        write_json(self.directory / MANIFEST, self._manifest)

    def settings(self, content: dict[str, Any]) -> None:
        write_json(self.directory / SETTINGS, content)

    def journal(self, content: Journal) -> None:
        write_json(self.directory / JOURNAL, content)

    def close(self, ended: str, error: str) -> None:
        """Write how the trial ended (complete, interrupted or failed), and at which step."""
        for writer in (self.host, self.platform, self.faults):
            writer.close()
        write_json(self.directory / CLOSED, {"ended": ended, "step": self.step, "error": error, "at": utc_now()})


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically. Values that JSON does not know, as in a journal, are written as text."""
    with kept(path):
        write_whole(path, json.dumps(content, indent=1, default=str) + "\n")


BEAT_S = 1.0


class Attendant:
    """Records what happens beside the steps of a trial. It is an async context manager.

    `failed` is called if one of its tasks fails, because the trial is then worthless. `agent`, once set, is told the
    members whenever they change.
    """

    def __init__(self, cluster: Cluster, record: Record, failed: Callable[[BaseException], None]) -> None:
        self.agent: RunningAgent | None = None
        self.members: Members = {}
        self._cluster = cluster
        self._record = record
        self._failed = failed
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.follow_members()
        for work in (self._platform(), self._beat()):
            task = asyncio.create_task(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def follow_members(self) -> None:
        """If the members have changed, record them and tell the agent."""
        members = await self._cluster.members()
        if members != self.members:
            self.members = members
            known = [member.as_json() for member in members.values()]
            self._record.host.write(MembersKnown(members=known))
            if self.agent is not None:
                await self.agent.put(MEMBERS, json.dumps(known))

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (problem := task.exception()):
            self._failed(problem)

    async def _platform(self) -> None:
        async for stamped in self._cluster.events():
            self._record.platform.put(stamped)
            if isinstance(stamped.event, Pod):
                await self.follow_members()

    async def _beat(self) -> None:
        while True:
            self._record.beat()
            await asyncio.sleep(BEAT_S)
