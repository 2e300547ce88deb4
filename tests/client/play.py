"""One real Redis on loopback, and a few clients that run against it while something is done to it."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.client.crew import Crew
from chaos.client.names import Names
from chaos.client.spec import ClientSpec, Load
from chaos.model import ErrorCode, Member, MemberKind, Outcome
from chaos.record.event_files import EventWriter, read_events
from chaos.record.events import Stamped
from chaos.record.layout import Row
from chaos.record.ops_files import read_rows
from chaos.until import until
from tests.rig import LOOPBACK, call, free_port, launch, wait_for

DEADLINE_S = 0.25
"""More than the 0.1 s of a scenario, since a busy test machine may stall that long."""
BY_LATENESS = (ErrorCode.CONNECT_TIMEOUT, ErrorCode.REPLY_TIMEOUT, ErrorCode.DISCOVERY_TIMEOUT, ErrorCode.NOT_SENT)
"""What a machine that is busier than a test expects may bring. A refusal is none of it."""
RATE_HZ = 50.0


class Server:
    """A redis-server with the given options, as a process of this test."""

    def __init__(self, directory: Path, *options: str) -> None:
        directory.mkdir(parents=True)
        self.port = free_port()
        self.address = f"{LOOPBACK}:{self.port}"
        common = ["redis-server", "--port", str(self.port), "--bind", LOOPBACK, "--dir", str(directory), "--save", ""]
        self._command = [*common, *options]
        self._log = directory / "log"
        self._popen: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        self._popen = launch(self._command, self._log)
        wait_for(lambda: call(self.port, "PING") is not None, f"redis-server answers; see {self._log}")

    def call(self, *command: str | int) -> Any:
        return call(self.port, *command)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._popen.pid, number)

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait(timeout=60)

    def member(self) -> Member:
        return Member(
            name="rfr-test-0",
            kind=MemberKind.REDIS,
            address=LOOPBACK,
            port=self.port,
            node="here",
            domain="agent",
            uid="u",
            container="c",
        )


def load(**changes: Any) -> Load:
    usual: dict[str, Any] = {
        "deadline_s": DEADLINE_S,
        "keys": "failover:t:0:",
        "ttl_s": 60,
        "database": 0,
        "master": "mymaster",
    }
    return Load(**(usual | changes))


def spec(address: str, **changes: Any) -> ClientSpec:
    usual: dict[str, Any] = {"number": 0, "kind": "meter", "path": "service", "connection": "new", "rate_hz": RATE_HZ}
    return ClientSpec(**(usual | {"address": address} | changes))


def new_and_kept(address: str, **changes: Any) -> list[ClientSpec]:
    return [spec(address, number=0, **changes), spec(address, number=1, connection="kept", **changes)]


@dataclass
class Play:
    """A run of clients and, once it is over, what it recorded."""

    directory: Path
    crew: Crew
    events_file: EventWriter
    rows: list[Row] = field(default_factory=list)
    events: list[Stamped[Any]] = field(default_factory=list)

    def of(self, client: int) -> list[Row]:
        return sorted((row for row in self.rows if row.client == client), key=lambda row: row.seq)

    def kinds(self, kind: str) -> list[Stamped[Any]]:
        return [event for event in self.events if event.event.kind == kind]

    def collect(self) -> None:
        for path in sorted((self.directory / "ops").glob("*.rows")):
            self.rows.extend(read_rows(path))
        for path in sorted((self.directory / "events").glob("*.jsonl")):
            self.events.extend(read_events(path))


@asynccontextmanager
async def playing(directory: Path, clients: list[ClientSpec], the_load: Load | None = None) -> AsyncIterator[Play]:
    """Clients run while the block does; when it is left, they are stopped and their record is read."""
    events = EventWriter(directory / "events" / "agent.jsonl", "agent")
    the_load = the_load or load()
    async with Names([], events) as names:
        play = Play(directory, Crew(clients, the_load, directory, events, names), events)
        play.crew.start(the_load.deadline_s)
        try:
            yield play
        finally:
            await play.crew.stop()
            events.close()
    play.collect()


def outcomes(rows: list[Row]) -> set[tuple[int, int]]:
    return {(row.outcome, row.error) for row in rows}


def outcomes_in_time(rows: list[Row]) -> set[tuple[int, int]]:
    """Without those of operations that a busy machine was late with."""
    return {(outcome, error) for outcome, error in outcomes(rows) if error not in BY_LATENESS}


def good(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.outcome == Outcome.OK]


async def seconds(some: float) -> None:
    """Let the clients work; the only thing that these tests wait for is time itself."""
    await asyncio.sleep(some)


async def ended(record: Path, clients: Iterable[int], outcome: Outcome) -> None:
    """Wait until each of these clients has three operations that ended in this way."""

    async def there() -> bool:
        rows = [row for path in (record / "ops").glob("*.rows") for row in read_rows(path)]
        return all(sum((row.client, row.outcome) == (one, outcome) for row in rows) >= 3 for one in clients)

    await until(there, within_s=60, because=f"operations that are {outcome.name}")


@asynccontextmanager
async def peer(*answers: bytes) -> AsyncIterator[int]:
    """The port of a server that gives one of these after each read and then stays silent; an empty one closes."""
    connections: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        with suppress(ConnectionError):
            for answer in answers:
                await reader.read(1024)
                if not answer:
                    break
                writer.write(answer)
            else:
                await reader.read()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    listener = await asyncio.start_server(serve, LOOPBACK, 0)
    async with listener:
        yield listener.sockets[0].getsockname()[1]
        if connections:
            await asyncio.wait([task for task in connections if task], timeout=2)
