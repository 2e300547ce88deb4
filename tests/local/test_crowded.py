"""A negative control of the machine: members that get no core are slow, and that is not called an outage of theirs."""

import json
import shutil
from pathlib import Path

import pytest

from chaos.analysis.result import Verdict
from chaos.analysis.trial import analyse_trial
from tests.local.play import Asked, Played, play
from tests.local.small import action, experiment, meddle, scenario

pytestmark = [pytest.mark.local, pytest.mark.alone, pytest.mark.timeout(300)]
CROWDED_S = 5.0
SETTINGS = {"deadline": "100ms", "system.settings.sentinel.down-after-milliseconds": 60000, "limits.recovery": "10s"}
"""No failover comes of it; what is late is late for clients only."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("crowded")
    crowded = experiment(folder, "crowded", "nothing", action("nothing"), meddle("crowd", seconds=CROWDED_S))
    return play(Asked(scenario(folder, SETTINGS), (crowded,), folder / "reports"))


def test_a_crowded_system_does_not_fail(played: Played) -> None:
    assert played.of("crowded").verdict in (Verdict.PASS, Verdict.INCONCLUSIVE), played.printed


def test_it_is_in_the_record_how_long_members_waited(played: Played) -> None:
    trial = played.of("crowded")
    assert trial.covariates["cpu_waited_s"] > CROWDED_S / 2
    assert any("s for a core, added up" in doubt.text for doubt in trial.doubts)


def test_without_that_record_there_would_be_an_outage(played: Played, tmp_path: Path) -> None:
    """So it is the waits that excuse it, and nothing else does."""
    copy = shutil.copytree(played.directory("crowded"), tmp_path / "trial-000")
    for file in (copy / "events").glob("*.jsonl"):
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(line for line in lines if json.loads(line)["kind"] not in ("waits", "waited")))
    windows = [window for path in analyse_trial(copy).paths.values() for window in path.windows]
    assert any(window.length_s.least > 0 for window in windows), windows
