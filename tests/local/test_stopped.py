"""A harness that is stopped with SIGSTOP while it holds a fault: the lease undoes it, though nobody sends anything.

A terminal stops the process group of the command. The workers have sessions of their own and go on, so they must not
renew what nobody watches any more. Each fault is looked at by a way that the harness has no part in.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import pytest

from chaos.agent.reach import is_stopped
from chaos.clock import mono_ns
from chaos.errors import InterruptedTrial
from chaos.until import until
from tests.fakes import HERE
from tests.kind.front import Front, children, started
from tests.local.play import Asked
from tests.local.small import action, experiment, probe, scenario
from tests.local.traces import Traces

pytestmark = [pytest.mark.local, pytest.mark.slow, pytest.mark.timeout(400)]
LEAST_S, MOST_S = 25.0, 35.0
"""A lease of 30 s since a renewal that was at most a second old: no fault ends sooner, none lasts longer."""
LOOK_S = 0.05
CALM = {
    "system.settings.redis": {"appendonly": "yes"},
    "deadline": "1900ms",
    "clients.service.rate_each": "5/s",
    "clients.sentinel.rate_each": "5/s",
}
"""Three systems side by side, of which no outage is measured."""
FAULTS = ("partition", "pause", "disk")


class Victim:
    """The master that a fault holds, seen from outside: by the kernel, and from within the master's network."""

    def __init__(self, run: Front) -> None:
        [requested] = run.events("fault.requested")
        address = requested.event.target["address"]
        [self.pid] = [pid for pid in run.pids() if address in Path(f"/proc/{pid}/cmdline").read_text().split(" ")[-1]]
        others = {one.event.address for one in run.events("role")} - {address}
        self.other = min(others).rsplit(":", 1)

    async def goes_on(self) -> int:
        return await self._seen(lambda: not is_stopped(self.pid), "the master is stopped")

    async def may_write(self) -> int:
        def free() -> bool:
            return resource.prlimit(self.pid, resource.RLIMIT_FSIZE) == (resource.RLIM_INFINITY,) * 2

        return await self._seen(free, "no file of the master may grow")

    async def passes(self) -> int:
        command = [sys.executable, "-m", "tests.local.passing", str(self.pid), *self.other]
        process = await asyncio.create_subprocess_exec(*command, cwd=HERE, stdout=asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(MOST_S + 10):
                printed, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        return int(printed)

    async def _seen(self, healed: Callable[[], bool], because: str) -> int:
        async def seen() -> bool:
            return healed()

        await until(seen, within_s=MOST_S + 10, because=because, every_s=LOOK_S)
        return mono_ns()


HEALED: dict[str, Callable[[Victim], Coroutine[None, None, int]]] = {
    "partition": Victim.passes,
    "pause": Victim.goes_on,
    "disk": Victim.may_write,
}
"""How each fault is seen to be healed; when that was."""


def stop_the_command(run: Front) -> None:
    """As a terminal does it."""
    os.killpg(run.process.pid, signal.SIGSTOP)


def stop_its_workers_too(run: Front) -> None:
    for pid in [run.process.pid, *children(run.process.pid)]:
        os.kill(pid, signal.SIGSTOP)


async def go_on_and_be_interrupted(run: Front, traces: Traces) -> None:
    """It says of its trial that the fault did not last as long as it should have."""
    os.killpg(run.process.pid, signal.SIGCONT)
    await run.reached("fault.undone")
    run.interrupt(signal.SIGINT, group=True)
    assert await run.ended() == InterruptedTrial.exit_code, run.printed
    [trial] = run.summary().trials
    assert "fault undone" in {doubt.name for doubt in trial.doubts if doubt.voids}
    assert [*traces.there(), *traces.journals()] == []


async def be_killed_and_cleaned_up(run: Front, traces: Traces) -> None:
    for pid in [*children(run.process.pid), run.process.pid]:
        os.kill(pid, signal.SIGKILL)
    assert await run.ended() == -signal.SIGKILL
    assert traces.journals() != []
    cleanup = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chaos", "cleanup"),
        cwd=HERE,
        env={**os.environ, **traces.environment},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await cleanup.communicate()
    assert cleanup.returncode == 0, said.decode()
    assert [*traces.there(), *traces.journals()] == []


@pytest.mark.parametrize(
    ("stop", "end"),
    [(stop_the_command, go_on_and_be_interrupted), (stop_its_workers_too, be_killed_and_cleaned_up)],
)
async def test_what_a_stopped_harness_holds_is_undone_in_time_and_nothing_is_left(
    tmp_path: Path, stop: Callable[[Front], None], end: Callable[[Front, Traces], Awaitable[None]]
) -> None:
    async def healed_after_s(fault: str) -> float:
        folder = tmp_path / fault
        folder.mkdir()
        traces = Traces(folder)
        held = experiment(folder, "held", "any", action(fault, target="master"), probe("hold", seconds=110))
        asked = Asked(scenario(folder, CALM), (held,), folder / "reports", traces.environment)
        async with started(asked.command, asked.out, asked.variables) as run:
            await run.reached("fault.confirmed", fault=fault)
            healed = asyncio.create_task(HEALED[fault](Victim(run)))
            stop(run)
            stopped_ns = mono_ns()
            after_s = (await healed - stopped_ns) / 1e9
            await end(run, traces)
        return after_s

    after_s = dict(zip(FAULTS, await asyncio.gather(*map(healed_after_s, FAULTS)), strict=True))

    assert all(LEAST_S < each < MOST_S for each in after_s.values()), after_s
