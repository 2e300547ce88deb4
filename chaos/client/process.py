"""Starts, watches and ends the process of an application client. End of file on its input tells the process to stop."""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from chaos.access import Accesses
from chaos.client.spec import ClientSpec, Load
from chaos.pipe import Child, Program
from chaos.record.event_files import EventWriter
from chaos.record.events import Gap
from chaos.record.layout import EVENTS, OPS
from chaos.record.ops_files import read_rows

STOP_S = 5.0
"""How many seconds a call may block after the stop. Then the process ends, and the row of the call stays in flight."""
READY = "ready"
"""The line that the process writes when its client is ready."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What the process is told, as one line on its standard input.

    `target` is the number of its address in the rows. `connect` is the client's address, with an IP address in it if
    the process could not resolve the name. `run` counts the starts of the clients. Each start has files of its own, and
    numbers operations from `first_seq` on.
    """

    spec: ClientSpec
    connect: str
    load: Load
    directory: str
    domain: str
    target: int
    run: int
    first_seq: int

    @property
    def rows_path(self) -> Path:
        return Path(self.directory) / OPS / f"{self._name}.rows"

    @property
    def events_path(self) -> Path:
        return Path(self.directory) / EVENTS / f"{self._name}.jsonl"

    @property
    def _name(self) -> str:
        return f"app-{self.spec.number}" + (f"-{self.run}" if self.run else "")

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Self:
        data = json.loads(text)
        return cls(**{**data, "spec": ClientSpec.from_json(data["spec"]), "load": Load.from_json(data["load"])})


class ApplicationProcess:
    """The process of one application client, from a start to a stop.

    If it ends before it is told to, that is written as a gap.
    """

    def __init__(self, job: Job, events: EventWriter) -> None:
        self._job = job
        self._events = events
        self._stopping = False
        self._ready = asyncio.Event()
        command = [sys.executable, "-m", "chaos.client.application"]
        self._child = Child(Program(command=command, out=self._said, error=self._complained), self._gone)
        self._child.tell(f"{job.dumps()}\n".encode())

    def _said(self, line: bytes) -> None:
        if line == READY.encode():
            self._ready.set()

    def _complained(self, line: bytes) -> None:
        sys.stderr.buffer.write(line + b"\n")
        sys.stderr.flush()

    def _gone(self, child: Child) -> None:
        self._ready.set()
        if not self._stopping:
            source = f"client {self._job.spec.number}, {self._job.spec.what}"
            self._events.write(Gap(source=source, text=f"its process ended by itself with {child.how}: {self._why()}"))

    def _why(self) -> str:
        """Return what the process last wrote on standard error, without passwords, which a client may write there."""
        said, accesses = self._child.said, Accesses.from_environment()
        for password in filter(None, (accesses.redis.password, accesses.sentinel.password)):
            said = said.replace(password, "…")
        return said

    async def ready(self) -> None:
        """Wait until the client is ready to call, or has ended. The process itself gives up after 45 s."""
        await self._ready.wait()

    def ask_to_stop(self) -> None:
        """Tell the process to begin no new call."""
        self._stopping = True
        self._child.hang_up()

    async def stopped(self) -> int:
        """Wait until the process has ended, or kill it. Return the number of the client's next operation."""
        await self._child.finish(STOP_S + 2)
        path = self._job.rows_path
        return self._job.first_seq + (sum(1 for _ in read_rows(path)) if path.exists() else 0)
