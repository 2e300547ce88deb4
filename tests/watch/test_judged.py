"""What an entry was is said by a process of its own, which does not outlive its time."""

from pathlib import Path

import pytest

from chaos.errors import HarnessError
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


async def test_an_analysis_that_fails_is_told_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "trial-000").mkdir()
    (tmp_path / "trial-000" / "manifest.json").write_text("{")
    with pytest.raises(HarnessError, match=r"(?s)trial-000 cannot be analysed: .*is not JSON"):
        await judged_apart(tmp_path / "trial-000", within_s=50.0)
