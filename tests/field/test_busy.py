"""A machine that does something else makes an interval wider, and what is far beyond it is judged all the same."""

from pathlib import Path

import pytest

from chaos.analysis.result import Verdict
from tests.field.cases import LOCAL, REDIS, Case
from tests.local.play import play
from tests.spinning import spinning

pytestmark = [pytest.mark.local, pytest.mark.alone, pytest.mark.timeout(300)]

SPINNERS = 4


def test_an_outage_far_beyond_its_limit_fails_on_a_busy_machine_too(tmp_path: Path) -> None:
    late = Case("kill-master", (f"{REDIS}.replica-priority=0", f"{LOCAL}.replace.after=20s", "deadline=100ms"))
    with spinning(SPINNERS, core=None):
        played = play(late.asked(tmp_path))

    trial = played.of("kill-master")
    assert trial.verdict is Verdict.FAIL, played.printed
    for path in trial.paths.values():
        assert path.targets["recovery"].verdict == "fail"
    assert "replica-priority 0" in trial.cause
