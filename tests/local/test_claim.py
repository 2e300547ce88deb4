"""A claim about crashes of a real master."""

from pathlib import Path

import pytest

from chaos.analysis.result import Verdict
from tests.local.play import Asked, play
from tests.local.small import scenario

pytestmark = [pytest.mark.local, pytest.mark.timeout(800)]


def test_a_claim_that_can_no_longer_hold_ends_with_its_first_miss(tmp_path: Path) -> None:
    """down-after is 2 s, so that no failover is over within 1 s."""
    small = scenario(tmp_path, {})
    played = play(Asked(small, ("kill-master",), tmp_path / "reports", options=("--claim", "1s@50/80")))

    assert played.code == 1, played.printed
    assert "takes 3 trials of each experiment, and no miss is allowed" in played.printed
    assert len(played.result.trials) == 1
    assert "fails of kill-master: 0 of 3 trials kept it, 1 missed it, 2 not played" in played.result.rule


def test_a_claim_holds(tmp_path: Path) -> None:
    small = scenario(tmp_path, {})
    played = play(Asked(small, ("kill-master",), tmp_path / "reports", options=("--claim", "25s@50/80")))

    assert played.result.verdict is Verdict.PASS, played.printed
    assert played.code == 0
    assert "The claim 25s@50/80 holds of kill-master" in played.printed.replace("\n", " ")
