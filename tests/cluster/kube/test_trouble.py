"""What becomes of a run when the API server is away, or the run itself is killed: on a real system."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from chaos.agent.orders import START
from chaos.cluster.kube.kind import run
from chaos.record.ops_files import read_rows
from chaos.until import until
from tests.cluster.kube.conftest import System
from tests.cluster.kube.test_cluster import opened, ours

pytestmark = [pytest.mark.kind, pytest.mark.timeout(400)]
AWAY_S = 12.0
"""Longer than one answer of the agent is waited for, so that the stream does break."""
SIGNAL_API = """
for p in /proc/[0-9]*; do
  read name < $p/comm 2>/dev/null || continue
  if [ "$name" = kube-apiserver ]; then kill -{signal} ${{p#/proc/}}; fi
done
"""
VICTIM = """
import asyncio, json, sys
from pathlib import Path
from chaos.cluster.base import Partition
from chaos.cluster.kube.cluster import connect
from chaos.scenario import load

async def main():
    ref, directory = json.loads(sys.argv[1]), Path(sys.argv[2])
    async with connect(ref, load("redis-operator").scenario, directory) as cluster:
        members = await cluster.members()
        target = members["rfr-redis-cluster-2"]
        peers = tuple(one.address for one in members.values() if one.name != target.name)
        effect = await cluster.cut(Partition(member=target, peers=peers, longest_s=60))
        print("cut" if effect.confirmed_ns else effect.evidence, flush=True)
        await asyncio.sleep(300)

asyncio.run(main())
"""


async def signal_api(system: System, name: str) -> None:
    script = SIGNAL_API.format(signal=name)
    await run("docker", "exec", f"{system.ref['name']}-control-plane", "sh", "-c", script, within_s=60)


async def test_an_api_server_that_is_away_for_a_while_costs_no_operation(system, tmp_path):
    """The agent goes on by itself. The stream breaks, is opened again, and everything of that time is fetched."""
    async with opened(system, tmp_path) as one:
        agent = await one.launch()
        await agent.put(START, json.dumps({"deadline_s": 0.2}))
        await asyncio.sleep(3)
        await signal_api(system, "STOP")
        try:
            await asyncio.sleep(AWAY_S)
        finally:
            await signal_api(system, "CONT")
        await agent.pull()
        rows = list(read_rows(tmp_path / "ops" / "meters.rows"))
        sources = {event.event.source for event in one.events if event.event.kind == "gap"}
        await agent.close()

    assert "the stream to the agent" in sources
    assert [row.seq for row in rows] == list(range(len(rows)))
    assert (rows[-1].intended_ns - rows[0].intended_ns) / 1e9 > AWAY_S


async def test_what_a_killed_run_left_is_removed_by_the_next(system, tmp_path):
    """It dies with a cut in force: its helpers are still there, and undo it when the next run ends them."""
    left = tmp_path / "left"
    left.mkdir()
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", VICTIM, json.dumps(system.ref), str(left), stdout=asyncio.subprocess.PIPE, cwd=Path.cwd()
    )
    assert victim.stdout is not None
    async with asyncio.timeout(90):
        assert await victim.stdout.readline() == b"cut\n"
    os.kill(victim.pid, signal.SIGKILL)
    await victim.wait()
    assert len(await ours(system)) == 3
    before = set(await ours(system))

    directory = tmp_path / "next"
    directory.mkdir()
    async with opened(system, directory) as one:
        agent = await one.launch()
        await one.healthy()
        assert not before & set(await ours(system))
        await agent.close()

    async def nothing_left() -> bool:
        return not await ours(system)

    await until(nothing_left, within_s=60, because="something of ours is still there")
