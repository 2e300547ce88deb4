"""The harness is killed with SIGKILL at a moment by seed, and `failover cleanup` comes after it. Tests and a benchmark
use it.

Three things are drawn: the fault, the moment, and which of the harness's processes die.
"""

import asyncio
import os
import random
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chaos.analysis.trial import analyse_trial
from chaos.clock import mono_ns
from chaos.record.event_files import read_events
from chaos.record.layout import CLOSED, EVENTS, MANIFEST
from tests.fakes import HERE
from tests.kind.front import Front, children, started
from tests.local.play import Asked
from tests.local.small import action, experiment, probe, scenario
from tests.local.traces import Traces

EVENTS_BEFORE = ("clients.started", "random-wait", "fault.requested", "fault.effect", "fault.confirmed")
EVENTS_AFTER = ("fault.heal_requested", "fault.heal_confirmed", "clients.stopped", "audit")
"""Those that come in every trial while its fault is held for long, and those that come only after a short one."""
AFTER_S = 0.4
"""A kill comes at most so long after its event."""
LONGEST_S = 9.0
"""A kill by time comes at most so long after the start: on a quiet machine the fault is held by then."""
SILENT_S = 4.0
"""The last event that each writer recorded is at most so long before the kill. Each writes one a second."""
HELD_S = 60.0
CLEANED_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill: of the campaign with as many of its descendants' generations, so long after its start or an event."""

    fault: str
    event: str
    after_s: float
    generations: int

    @classmethod
    def drawn(cls, draw: random.Random) -> "Kill":
        event = draw.choice(["", *EVENTS_BEFORE, *EVENTS_AFTER])
        after_s = draw.uniform(0, AFTER_S if event else LONGEST_S)
        fault = draw.choice(["partition", "pause"])
        return cls(fault=fault, event=event, after_s=round(after_s, 3), generations=draw.choice([1, 2, 3, 4]))

    @property
    def held_s(self) -> float:
        return 1.0 if self.event in EVENTS_AFTER else HELD_S

    def asked(self, folder: Path, traces: Traces) -> Asked:
        settings = {"limits.recovery": "2s", "limits.stable": "200ms", "deadline": "1s"}
        done = (action(self.fault, target="master"), probe("hold", seconds=self.held_s), action("heal"))
        file = experiment(folder, "killed", "any", *done)
        return Asked(scenario(folder, settings), (file,), folder / "reports", traces.environment)


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a kill and a cleanup left, and what is wrong with the recording. `said` is what the cleanup said."""

    code: int
    said: str
    there: list[str]
    unread: str
    lasted_s: float


async def killed(kill: Kill, folder: Path) -> Left | None:
    """Play a trial, kill its harness, clean up, and look at what is left. None if it ended before it could be killed.

    That is where a busy machine lets no system become healthy, or lets no baseline prove a path.
    """
    begun_ns, traces = mono_ns(), Traces(folder)
    asked = kill.asked(folder, traces)
    async with started(asked.command, asked.out, asked.variables) as run:
        if kill.event:
            with suppress(AssertionError):
                await run.reached(kill.event)
        await asyncio.sleep(kill.after_s)
        if run.process.returncode is not None:
            return None
        at_ns = _kill(run, kill.generations)
        if await run.ended() != -signal.SIGKILL:  # it ended in the moment in which its descendants were looked for
            return None
        traces.there()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chaos", "cleanup"),
        cwd=HERE,
        env=asked.variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(CLEANED_S):
        said, _ = await process.communicate()
    there, code = [*traces.there(), *traces.journals()], process.returncode or 0
    unread = await asyncio.to_thread(wrong_with, asked.out, at_ns)
    return Left(code=code, said=said.decode(), there=there, unread=unread, lasted_s=(mono_ns() - begun_ns) / 1e9)


def _kill(run: Front, generations: int) -> int:
    """Kill the campaign and its descendants of some generations: worker, local system, members and agent; when it was.

    All of them are stopped first, so that none sees another one end. One that has ended by itself is passed over.
    """
    pids, youngest = [run.process.pid], [run.process.pid]
    for _ in range(generations - 1):
        youngest = [child for pid in youngest for child in children(pid)]
        pids += youngest
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
    return mono_ns()


def wrong_with(out: Path, killed_ns: int) -> str:
    """What is wrong with the recording of the trial that was killed, if it had begun; empty if it is well."""
    for trial in out.glob("*/trial-*"):
        for file in sorted((trial / EVENTS).glob("*.jsonl")):
            stamps = [event.at_ns for event in read_events(file)]
            silent_s = (killed_ns - max(stamps, default=0)) / 1e9
            if not (trial / CLOSED).exists() and silent_s > SILENT_S:
                return f"{file} ends {silent_s:.1f} s before the kill"
        if (trial / MANIFEST).exists():
            found = analyse_trial(trial)
            if not (trial / CLOSED).exists() and not found.ended.startswith("cut off in step"):
                return f"{trial} has no last word and was {found.ended}"
    return ""
