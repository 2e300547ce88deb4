"""A fault some seconds after the operator's tick, on a system with the operator's loop, and where that loop hangs."""

from pathlib import Path

import pytest

from chaos.analysis.result import Verdict
from chaos.errors import INCONCLUSIVE
from tests.local.play import Asked, play, voids
from tests.local.small import action, experiment, probe, scenario

pytestmark = [pytest.mark.local, pytest.mark.timeout(300)]
EVERY_S, AFTER_S, POLL_S = 6.0, 3.0, 0.5
"""How often the operator passes, how long after a pass the fault is to come, and how often passes are asked for."""
SLACK_S = 0.5
"""What a crowded machine adds."""
WITH_OPERATOR = {
    "system.operator": "spotahome",
    "system.local.endpoint": {"service": "redis", "mode": "resync", "every": f"{EVERY_S}s"},
    "system.settings.redis": {"maxmemory-policy": "allkeys-lru"},
}
TIMED = action("crash", target="any-sentinel", replace=False, when=f"{AFTER_S:g} s after tick")


def test_a_fault_comes_so_long_after_the_operators_tick(tmp_path: Path) -> None:
    timed = experiment(tmp_path, "timed", "no-failover", TIMED, probe("hold", seconds=2))
    played = play(Asked(scenario(tmp_path, WITH_OPERATOR), (timed,), tmp_path / "reports"))
    trial = played.of("timed")

    assert trial.covariates["resync_seen_by"] == "commandstats", played.printed
    assert abs(trial.covariates["since_resync_s"] - AFTER_S) <= POLL_S + SLACK_S, played.printed
    assert trial.faults[0].confirmed_s is not None
    assert "tick was seen" in played.printed


def test_where_nobody_ticks_the_fault_is_not_made_and_that_is_told(tmp_path: Path) -> None:
    timed = experiment(tmp_path, "timed", "no-failover", action("pause", target="operator"), TIMED)
    small = scenario(tmp_path, WITH_OPERATOR | {"limits.recovery": "4s"})
    played = play(Asked(small, (timed,), tmp_path / "reports", inconclusive=True))
    trial = played.of("timed")

    assert trial.verdict is Verdict.INCONCLUSIVE, played.printed
    assert played.code == INCONCLUSIVE
    assert "no tick was seen" in voids(trial)["fault unproved"]
