"""A campaign as a user starts it: by `failover run`, pytest or nox, in a process group of its own as in a shell."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.analysis import summary
from chaos.analysis.result import CampaignResult
from chaos.clock import mono_ns
from chaos.record.event_files import read_events
from chaos.record.events import Stamped
from chaos.record.layout import CLOSED, EVENTS
from chaos.until import until
from tests.fakes import HERE, read
from tests.saying import said

QUICK = {
    "limits.baseline": "4s",
    "limits.stable": "1s",
    "limits.watch": "1s",
    "system.period": "1s",
    "deadline": "500ms",
    "clients.service.count": "1",
    "clients.service.rate_each": "10/s",
    "clients.sentinel.count": "1",
    "clients.sentinel.rate_each": "10/s",
    "clients.app.count": "1",
}
"""Over the scenario: no outage is measured here, waiting is what a trial does most, and load spoils a busy machine."""
BEGIN_S, END_S = 300.0, 300.0
"""How long a trial may take on a busy machine to its fault, gate included; and to its end."""
LOOK_S = 0.05


def options(out: Path) -> list[str]:
    """Those that every front end takes."""
    settings = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]
    return ["--on", "kind", "--seed", "7", "--out", str(out), *settings]


def failover(experiment: str, out: Path) -> list[str]:
    return [sys.executable, "-m", "chaos", "run", "--experiment", experiment, *options(out)]


def pytest(experiment: str, out: Path) -> list[str]:
    return [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"experiments/{experiment}.yaml", *options(out)]


def nox(experiment: str, out: Path) -> list[str]:
    return [sys.executable, "-m", "nox", "-s", "failover", "--", "--experiment", experiment, *options(out)]


@dataclass(frozen=True)
class Front:
    """One campaign of one trial that runs. What it printed is in `log`."""

    process: asyncio.subprocess.Process
    out: Path
    log: Path

    @property
    def campaign(self) -> Path:
        [directory] = self.out.iterdir()
        return directory

    @property
    def trial(self) -> Path:
        return self.campaign / "trial-000"

    @property
    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def closed(self) -> dict[str, Any]:
        return read(self.trial / CLOSED)

    def events(self, kind: str) -> list[Stamped[Any]]:
        """What is recorded by now, of one kind, in the order of time."""
        files = self.out.glob(f"*/trial-000/{EVENTS}/*.jsonl")
        found = [event for file in files for event in read_events(file) if event.event.kind == kind]
        return sorted(found, key=lambda event: event.at_ns)

    async def reached(self, kind: str, **fields: object) -> Stamped[Any]:
        """The first event of this kind, and with these fields, as soon as it is recorded."""

        async def there() -> Stamped[Any] | None:
            assert self.process.returncode is None, self.printed
            matching = (event for event in self.events(kind) if fields.items() <= said(event).items())
            return next(matching, None)

        because = f"{kind} {fields or ''} was not reached"
        return await until(there, within_s=BEGIN_S, because=lambda: f"{because}: {self.printed}", every_s=LOOK_S)

    def interrupt(self, number: signal.Signals, *, group: bool) -> int:
        """Signal whom a shell signals for a Ctrl-C (the whole group), or the front end alone; when that was."""
        sent_ns = mono_ns()
        (os.killpg if group else os.kill)(self.process.pid, number)
        return sent_ns

    def stop(self) -> int:
        """Stop every process of it where it stands, workers too; when that was."""
        for pid in self.pids():
            os.kill(pid, signal.SIGSTOP)
        return mono_ns()

    def go_on(self) -> None:
        for pid in self.pids():
            os.kill(pid, signal.SIGCONT)

    def kill(self) -> int:
        """Stopped first, so that nobody of them sees another one die; when that was."""
        stopped_ns = self.stop()
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        return stopped_ns

    def pids(self) -> list[int]:
        """The front end and all that it started, and they."""
        found = [self.process.pid]
        for pid in found:
            found += children(pid)
        return found

    async def ended(self) -> int:
        """The exit code."""
        async with asyncio.timeout(END_S):
            return await self.process.wait()

    def summary(self) -> CampaignResult:
        return summary.load(self.campaign / "summary.json")


def children(pid: int) -> list[int]:
    """By thread: a process belongs to the thread that started it."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


@asynccontextmanager
async def started(command: list[str], out: Path, variables: Mapping[str, str] = os.environ) -> AsyncIterator[Front]:
    """Ended in order at the end, where a test has not seen to that: the next one needs the cluster."""
    log = out.with_suffix(".log")
    with log.open("wb") as printed:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=HERE,
            env=variables,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
    front = Front(process, out, log)
    try:
        yield front
    finally:
        if process.returncode is None:
            front.go_on()
            front.interrupt(signal.SIGTERM, group=False)
            await front.ended()
