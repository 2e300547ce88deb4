"""All clients of a trial. They are started and stopped together, and recorded in ops/."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from chaos.access import Accesses
from chaos.client.bench import Bench, Tables, Wire
from chaos.client.link import Links, Ports
from chaos.client.meter import Meter, phase_ns
from chaos.client.names import Names
from chaos.client.spec import READY, STOP_S, ClientSpec, Job, Load
from chaos.clock import mono_ns
from chaos.pipe import Child, Program
from chaos.record.event_files import EventWriter
from chaos.record.events import Gap
from chaos.record.layout import OPS
from chaos.record.ops_files import RollingRows, RowWriter, ops_header, read_rows
from chaos.timers import Timers, on_grid
from chaos.until import until

LEAD_NS = 50_000_000
"""The time from the start to the first period. No slot is due before all clients are set up."""


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
            said, accesses = child.said, Accesses.from_environment()
            for password in filter(None, (accesses.redis.password, accesses.sentinel.password)):
                said = said.replace(password, "…")  # a client may write it on standard error
            self._events.write(Gap(source=source, text=f"its process ended by itself with {child.how}: {said}"))

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


class Crew:
    """All clients of a trial. They may be started again after a stop.

    Each start has files of its own, and continues the numbers of operations.
    """

    def __init__(
        self, clients: Sequence[ClientSpec], load: Load, directory: Path, events: EventWriter, names: Names
    ) -> None:
        """Begin a new file of rows as often as `events` begins a new file."""
        self._all = [Meter(spec) for spec in clients if spec.kind == "meter"]
        self._meters: list[Meter] = []
        self._applications = [spec for spec in clients if spec.kind == "application"]
        self._load = load
        self._directory = directory
        self._events = events
        self._names = names
        self._tables = Tables(events)
        self._wire = Wire(load, Accesses.from_environment())
        self._next_seq: dict[int, int] = {}
        self._processes: dict[int, ApplicationProcess] = {}
        self._runs = 0
        self._deadline_s = 0.0
        self._rows: RowWriter | RollingRows | None = None
        self._timers: Timers
        self._links: Links

    def start(self, deadline_s: float, most: int | None = None) -> list[int]:
        """Start every client, or only `most` meters of each path and connection.

        Return the numbers of those left out.
        """
        assert self._rows is None, "the clients run already"
        self._deadline_s = deadline_s
        self._meters, begun = [], Counter[tuple[str, str]]()
        for meter in self._all:
            begun[way := (meter.spec.path, meter.spec.connection)] += 1
            if most is None or begun[way] <= most:
                self._meters.append(meter)
        header = ops_header(self._events.domain, [asdict(meter.spec) for meter in self._meters])
        path = self._directory / OPS / (f"meters-{self._runs}.rows" if self._runs else "meters.rows")
        every_s = self._events.every_s
        self._rows = RollingRows(path, header, every_s) if every_s else RowWriter(path, header)
        for meter in self._meters:
            for address in (meter.spec.address, *meter.spec.others):
                self._names.follow(address)
        self._start_applications()
        self._start_meters(self._rows)
        self._runs += 1
        return [meter.spec.number for meter in self._all if meter not in self._meters]

    async def ready(self) -> None:
        """Wait until every application client is ready to call, or has ended."""
        await asyncio.gather(*(process.ready() for process in self._processes.values()))

    async def stop(self) -> None:
        """Begin no more operations, wait for those that are under way, and close the files.

        Operations of meters end or time out within twice the deadline. A call of an application client that blocks has
        some seconds more. Nothing happens if no client runs.
        """
        if self._rows is None:
            return
        for meter in self._meters:
            meter.stop()
        for process in self._processes.values():
            process.ask_to_stop()
        await until(self._idle, within_s=2 * self._deadline_s + 1, because="operations still under way", every_s=0.005)
        for meter in self._meters:
            meter.close()
        self._timers.close()
        self._links.close()
        self._rows.close()
        self._rows = None
        numbers = await asyncio.gather(*(process.stopped() for process in self._processes.values()))
        self._next_seq |= dict(zip(self._processes, numbers, strict=True))
        self._processes = {}

    async def _idle(self) -> bool:
        return not any(meter.in_flight for meter in self._meters)

    def _start_meters(self, rows: RowWriter | RollingRows) -> None:
        loop = asyncio.get_running_loop()
        self._timers, self._links = Timers(loop), Links(loop, Ports.of_this_host())
        bench = Bench(
            timers=self._timers,
            links=self._links,
            rows=rows,
            events=self._events,
            names=self._names,
            tables=self._tables,
            wire=self._wire,
            deadline_ns=round(self._deadline_s * 1e9),
        )
        begin_ns = on_grid(mono_ns() + LEAD_NS)
        for index, meter in enumerate(self._meters):
            meter.start(bench, begin_ns + phase_ns(index, meter.period_ns))

    def _start_applications(self) -> None:
        for spec in self._applications:
            job = Job(
                spec=spec,
                connect=self._names.connectable(spec.address),
                load=self._load,
                directory=str(self._directory),
                domain=self._events.domain,
                target=self._tables.target(spec.address),
                run=self._runs,
                first_seq=self._next_seq.get(spec.number, 0),
            )
            self._processes[spec.number] = ApplicationProcess(job, self._events)
