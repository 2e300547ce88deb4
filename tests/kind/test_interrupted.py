"""A signal to each front end of a campaign on a real cluster: the cut is removed first, then all else of ours."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos.cli import entry
from chaos.errors import INCONCLUSIVE
from tests.kind import front
from tests.kind.front import started
from tests.kind.system import System

pytestmark = [pytest.mark.kind, pytest.mark.timeout(600)]
HEALED_S = 5.0
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


async def interrupted(run: front.Front, way: Way) -> int:
    """Signal it twice and wait for its end; when the first signal was."""
    sent_ns = run.interrupt(way.number, group=way.group)
    await asyncio.sleep(AGAIN_S)
    run.interrupt(way.number, group=way.group)
    assert await run.ended() == way.code, run.printed
    return sent_ns


@pytest.mark.parametrize("name", ["failover", "pytest", "nox"])
async def test_a_cut_in_force_is_removed_first_and_within_5_s(system: System, tmp_path: Path, name: str) -> None:
    way, out = WAYS[name], tmp_path / "reports"
    async with started(way.command("partition-master", out), out) as run:
        await run.reached("fault.confirmed", fault="partition")
        sent_ns = await interrupted(run, way)

    [healed] = run.events("fault.heal_confirmed")
    assert (healed.at_ns - sent_ns) / 1e9 < HEALED_S
    assert all(stopped.at_ns > healed.at_ns for stopped in run.events("clients.stopped"))
    assert run.events("fault.undone") == []
    assert await system.pings(run.events("fault.requested")[0].fields["target"]["name"])
    await ended_in_order(run, system)


@pytest.mark.parametrize("name", ["failover", "nox alone"])
async def test_in_the_baseline_no_fault_is_made_any_more(system: System, tmp_path: Path, name: str) -> None:
    way, out = WAYS[name], tmp_path / "reports"
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
