"""What else was so."""

import pytest

from tests.analysis.conftest import Analysed
from tests.recordings import kill_master
from tests.recordings.world import PODS, SENTINELS


def test_ordinals_and_the_phase_of_the_resync(analysed: Analysed):
    found = analysed(kill_master()).covariates
    assert (found["target"], found["target_ordinal"], found["successor_ordinal"]) == (PODS[0], 0, 1)
    assert found["since_resync_s"] == pytest.approx(8.3)
    assert found["random_wait_s"] == 3.2


def test_without_the_operators_log_its_phase_is_not_known(analysed: Analysed):
    assert analysed(kill_master().without("operator")).covariates["since_resync_s"] is None


def test_settings_that_differ_are_told_for_each(analysed: Analysed):
    story = kill_master()
    odd = next(iter(SENTINELS))
    story.settings["sentinel"][odd] = story.settings["sentinel"][odd] | {"quorum": "1"}
    told = analysed(story).covariates["settings"]["sentinel"]
    assert told["down-after-milliseconds"] == "5000"
    assert told["quorum"][odd] == "1"
