"""A signal to each front end of a campaign on a real cluster: the cut is removed first, then all else of ours."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos.cli import entry
from chaos.errors import INCONCLUSIVE
from tests.fakes import HERE
from tests.kind import front
from tests.kind.front import started
from tests.kind.system import System

pytestmark = [pytest.mark.kind, pytest.mark.timeout(1200)]
HEALED_S, INSTALL_S = 5.0, 500.0
AGAIN_S = 0.5
"""After this a second signal comes: while the first is being acted on."""


@dataclass(frozen=True)
class Way:
    """Who is signalled, how, and with what exit code it ends."""

    command: Callable[[str, Path], list[str]]
    number: signal.Signals
    group: bool
    code: int


WAYS = {
    "failover": Way(front.failover, signal.SIGTERM, False, 130),
    "pytest": Way(front.pytest, signal.SIGINT, True, pytest.ExitCode.INTERRUPTED),
    "nox": Way(front.nox, signal.SIGINT, True, 130),
    "nox alone": Way(front.nox, signal.SIGTERM, False, 130),
}


@pytest.fixture
def way(request: pytest.FixtureRequest) -> Way:
    """nox has its environment before: making it is not what is looked at, and takes minutes."""
    one = WAYS[request.param]
    if one.command is front.nox:
        install = [sys.executable, "-m", "nox", "-s", "failover", "--install-only"]
        subprocess.run(install, cwd=HERE, check=True, timeout=INSTALL_S)
    return one


async def interrupted(run: front.Front, way: Way) -> int:
    """Signal it twice and wait for its end; when the first signal was."""
    sent_ns = run.interrupt(way.number, group=way.group)
    await asyncio.sleep(AGAIN_S)
    run.interrupt(way.number, group=way.group)
    assert await run.ended() == way.code, run.printed
    return sent_ns


@pytest.mark.parametrize("way", ["failover", "pytest", "nox"], indirect=True)
async def test_a_cut_in_force_is_removed_first_and_within_5_s(system: System, tmp_path: Path, way: Way) -> None:
    out = tmp_path / "reports"
    async with started(way.command("partition-master", out), out) as run:
        await run.reached("fault.confirmed", fault="partition")
        sent_ns = await interrupted(run, way)

    [healed] = run.events("fault.heal_confirmed")
    assert (healed.at_ns - sent_ns) / 1e9 < HEALED_S
    assert all(stopped.at_ns > healed.at_ns for stopped in run.events("clients.stopped"))
    assert run.events("fault.undone") == []
    assert await system.pings(run.events("fault.requested")[0].event.target["name"])
    await ended_in_order(run, system)


@pytest.mark.parametrize("way", ["failover", "nox alone"], indirect=True)
async def test_in_the_baseline_no_fault_is_made_any_more(system: System, tmp_path: Path, way: Way) -> None:
    out = tmp_path / "reports"
    async with started(way.command("partition-master", out), out) as run:
        await run.reached("step", name="baseline", state="begun")
        await interrupted(run, way)

    assert run.events("fault.requested") == []
    assert run.closed["step"] == 4
    await ended_in_order(run, system)


async def ended_in_order(run: front.Front, system: System) -> None:
    """A sentence, no traceback, nothing of ours left, and a record that can be analysed again."""
    assert "; what was recorded is in " in run.printed
    assert "Traceback" not in run.printed
    assert run.closed["ended"] == "interrupted"
    await system.nothing_of_ours_stays()
    assert entry(["analyse", str(run.campaign)]) == INCONCLUSIVE
