"""A cut whose maker is stopped or killed is undone by the helper on its node, in time and without anybody's help."""

import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.cli import entry
from chaos.errors import INCONCLUSIVE
from chaos.record.layout import CLOSED
from chaos.until import until
from tests.kind.front import Front, failover, started
from tests.kind.system import System

pytestmark = [pytest.mark.kind, pytest.mark.timeout(900)]
LEAST_S, MOST_S = 25.0, 35.0
"""A lease of 30 s since a renewal that was at most a second old: no cut ends sooner, none lasts longer."""

Ask = Callable[[], Awaitable[dict[str, Any]]]


async def cut_in_force(run: Front, system: System) -> str:
    """The name of the master that is cut off; no packet passes between it and another Redis."""
    await run.reached("fault.confirmed", fault="partition")
    target: str = run.events("fault.requested")[0].event.target["name"]
    assert not await system.pings(target)
    return target


async def undone(helpers: list[Ask], since_ns: int) -> float:
    """How long after `since_ns` a helper has undone the cut for want of a renewal. Its clock is this machine's."""

    async def healed() -> dict[str, Any] | None:
        found = [one for ask in helpers for one in (await ask())["healed"]]
        return next((one for one in found if one["because"] == "no renewal for 30 s"), None)

    one = await until(healed, within_s=MOST_S + 10, because="no helper undid the cut", every_s=0.5)
    return float(one["after_ns"] - since_ns) / 1e9


async def test_a_run_that_is_stopped_loses_its_cut_and_says_so_when_it_goes_on(system: System, tmp_path: Path) -> None:
    async with started(failover("partition-master", tmp_path / "reports"), tmp_path / "reports") as run:
        target = await cut_in_force(run, system)
        async with system.helpers() as helpers:
            after_s = await undone(helpers, run.stop())
        assert LEAST_S < after_s < MOST_S
        assert await system.pings(target)
        run.go_on()
        run.interrupt(signal.SIGTERM, group=False)
        assert await run.ended() == 130, run.printed

    [trial] = run.summary().trials
    assert "fault undone" in {doubt.name for doubt in trial.doubts if doubt.voids}
    await system.nothing_of_ours_stays()


async def test_a_run_that_is_killed_loses_its_cut_and_the_next_one_removes_what_it_left(
    system: System, tmp_path: Path
) -> None:
    async with started(failover("partition-master", tmp_path / "killed"), tmp_path / "killed") as run:
        target = await cut_in_force(run, system)
        async with system.helpers() as helpers:
            after_s = await undone(helpers, run.kill())
        await run.ended()
    assert LEAST_S < after_s < MOST_S
    assert await system.pings(target)
    assert not (run.trial / CLOSED).exists()
    assert entry(["analyse", str(run.campaign)]) == INCONCLUSIVE
    assert await system.ours() != []

    async with started(failover("kill-master", tmp_path / "next"), tmp_path / "next") as run:
        await run.ended()
    assert run.closed["ended"] == "complete", run.printed
    await system.nothing_of_ours_stays()
