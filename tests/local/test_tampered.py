"""A harness that does wrong finds itself out: one table, one clock is changed, and the trial proves nothing."""

from pathlib import Path

import pytest

from chaos.analysis.result import TrialResult, Verdict
from chaos.errors import INCONCLUSIVE
from tests.local.play import Asked, Played, play, voids
from tests.local.small import action, experiment, probe, scenario
from tests.local.tampered import environment

pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]


def played(folder: Path, module: str, path: str, client: dict[str, object]) -> Played:
    """A control of one second with one more path, played by a harness in which `module` does wrong."""
    control = experiment(folder, "control", "nothing", action("nothing"), probe("hold", seconds=1))
    small = scenario(folder, {f"clients.{path}": client, "limits.recovery": "8s"})
    return play(Asked(small, (control,), folder / "reports", environment(folder, module), inconclusive=True))


def test_a_refusal_that_counts_as_written_is_found_out(tmp_path: Path) -> None:
    """What only a replica can have answered was no acknowledgement; and none of these keys is there."""
    replica = {"address": "10.93.1.2:6379", "count": 1, "rate_each": "20/s"}
    run = played(tmp_path, "wrong_outcomes", "replica", replica)
    trial = inconclusive(run)

    assert trial.paths["replica/new"].state == "works"
    assert "only a replica can have answered" in voids(trial)["outcomes"]
    assert trial.losses.lost


def test_a_client_whose_clock_was_moved_is_found_out(tmp_path: Path) -> None:
    app = {"address": "redis:6379", "library": "redis-py-pool", "count": 1, "rate_each": "20/s"}
    run = played(tmp_path, "wrong_clock", "app", app)
    trial = inconclusive(run)

    assert "clock" in voids(trial)
    assert "cannot be placed" in voids(trial)["clock"] or "one of them was moved" in voids(trial)["clock"]


def inconclusive(run: Played) -> TrialResult:
    trial = run.of("control")
    assert trial.verdict is Verdict.INCONCLUSIVE, run.printed
    assert run.code == INCONCLUSIVE
    return trial
