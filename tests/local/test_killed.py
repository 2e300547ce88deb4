"""A harness that is killed in a fault, and two at once: nothing of theirs stays but what they recorded."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.analysis import summary
from chaos.cli import entry
from chaos.errors import INCONCLUSIVE, PASS, InterruptedTrial
from chaos.record.layout import CLOSED
from tests.kind.front import Front, children, started
from tests.local.play import Asked, Played
from tests.local.small import action, experiment, probe, scenario
from tests.local.traces import GONE_S, Traces
from tests.verdicts import counted

pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]
MEMBERS = 7
"""Of the system: those that are looked for are found while they are there."""


def kill_the_campaign(run: Front) -> None:
    os.kill(run.process.pid, signal.SIGKILL)


def kill_the_worker_too(run: Front) -> None:
    """Both stopped first, so that neither sees the other one end."""
    both = [run.process.pid, *children(run.process.pid)]
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in both:
            os.kill(pid, number)


@pytest.mark.parametrize("kill", [kill_the_campaign, kill_the_worker_too])
async def test_of_a_harness_that_is_killed_in_a_fault_only_the_record_stays(
    tmp_path: Path, kill: Callable[[Front], None]
) -> None:
    traces = Traces(tmp_path)
    cut = experiment(tmp_path, "cut", "failover", action("partition", target="master"), probe("hold", seconds=60))
    asked = Asked(scenario(tmp_path, {}), (cut,), tmp_path / "reports", traces.environment)
    async with started(asked.command, asked.out, asked.variables) as run:
        await run.reached("fault.confirmed")
        assert len(traces.there()) > MEMBERS
        kill(run)
        assert await run.ended() == -signal.SIGKILL
        await traces.gone()

    assert entry(["analyse", str(run.campaign)]) == INCONCLUSIVE
    trial = Played(0, "", asked.out).of("cut")
    assert "cut off" in {doubt.name for doubt in trial.doubts if doubt.voids}
    assert trial.faults[0].confirmed_s is not None
    assert all(path.operations.ok for path in trial.paths.values())
    assert (run.trial / CLOSED).exists() == (kill is kill_the_campaign)


def test_a_run_that_nobody_reads_ends_in_order(tmp_path: Path) -> None:
    """As in `failover run | head -1`."""
    control = experiment(tmp_path, "control", "nothing", action("nothing"), probe("hold", seconds=60))
    asked = Asked(scenario(tmp_path, {}), (control,), tmp_path / "reports")
    pipe = subprocess.PIPE
    with subprocess.Popen(
        asked.command, env=asked.variables, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline().startswith(b"failover ")
        run.stdout.close()
        said = run.stderr.read().decode()
        assert run.wait(GONE_S) == InterruptedTrial.exit_code, said
    assert said.startswith("error: interrupted by SIGINT")
    [campaign] = asked.out.iterdir()
    assert (campaign / "report.html").is_file()


async def test_two_at_once_know_nothing_of_each_other(tmp_path: Path) -> None:
    """Names, addresses and ports are the same in both, and so is where they report to."""
    traces = Traces(tmp_path)
    control = experiment(tmp_path, "control", "nothing", action("nothing"), probe("hold", seconds=2))
    asked = Asked(scenario(tmp_path, {}), (control,), tmp_path / "reports", traces.environment)
    logs = [asked.out.with_name(f"{name}.log") for name in ("one", "other")]
    processes = []
    for log in logs:
        with log.open("wb") as said:
            process = await asyncio.create_subprocess_exec(
                *asked.command, env=asked.variables, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said
            )
        processes.append(process)
    async with asyncio.timeout(200):
        codes = [await process.wait() for process in processes]

    assert codes == [PASS, PASS], "\n".join(log.read_text() for log in logs)
    summaries = list(asked.out.glob("*/summary.json"))
    assert len(summaries) == 2
    for file in summaries:
        counted(summary.load(file).trials)
    assert traces.there() == []
