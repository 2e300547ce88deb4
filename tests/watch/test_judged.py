"""What an entry was is said by a process of its own, which does not outlive its time."""

import asyncio
import os
from pathlib import Path

import pytest

from chaos.errors import HarnessError
from chaos.until import until
from chaos.watch.processes import judged_apart
from tests.recordings import kill_master, write_trial


async def test_an_entry_is_judged_in_words(tmp_path: Path) -> None:
    directory = write_trial(kill_master(paths=("service",), back_s=9.0), tmp_path)
    found = await judged_apart(directory, within_s=50.0)
    assert found["anything"]
    assert found["failovers"] == 1
    assert any("service" in line for line in found["lines"])


async def test_an_analysis_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    directory = write_trial(kill_master(paths=("service",), back_s=9.0), tmp_path)
    with pytest.raises(TimeoutError):
        await judged_apart(directory, within_s=0.01)


async def test_ctrl_c_at_the_terminal_does_not_reach_the_analysis(tmp_path: Path) -> None:
    """A terminal sends SIGINT to every process of the session in the foreground."""
    directory = write_trial(kill_master(paths=("service",), back_s=9.0), tmp_path)
    judging = asyncio.create_task(judged_apart(directory, within_s=50.0))

    async def has_another_session() -> bool:
        return any(session != os.getsid(0) for session in _sessions_of_children())

    await until(has_another_session, within_s=20.0, because="the analysis has no session of its own", every_s=0.01)
    assert (await judging)["anything"]


def _sessions_of_children() -> list[int]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [os.getsid(int(pid)) for pid in children if Path(f"/proc/{pid}").exists()]


async def test_an_analysis_that_fails_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "trial-000").mkdir()
    (tmp_path / "trial-000" / "manifest.json").write_text("{")
    with pytest.raises(HarnessError, match=r"(?s)trial-000 cannot be analysed: .*is not JSON"):
        await judged_apart(tmp_path / "trial-000", within_s=50.0)
