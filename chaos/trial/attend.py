"""What goes on beside a trial's steps: platform events are recorded, members followed, clocks and load noted."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, Self

from chaos.agent.spec import MEMBERS
from chaos.cluster.base import Cluster, Members, RunningAgent
from chaos.record.events import MembersKnown, Pod
from chaos.trial.record import Record

BEAT_S = 1.0


class Attendant:
    """An async context. `failed` is called with whatever ends one of its tasks early: a trial unattended is no trial.

    `agent` is told who is there once it is set, and whenever that changes.
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
            self._tasks.append(self._begin(work))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def follow_members(self) -> None:
        """Write down who is there where that changed, and tell the agent."""
        members = await self._cluster.members()
        if members != self.members:
            self.members = members
            known = [member.as_json() for member in members.values()]
            self._record.host.write(MembersKnown(members=known))
            if self.agent is not None:
                await self.agent.put(MEMBERS, json.dumps(known))

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

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
