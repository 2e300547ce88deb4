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


def test_the_phase_of_the_resync_comes_from_a_witness_and_not_from_what_came_of_it(analysed: Analysed):
    """The first count of a process is no pass, because nobody knows when it was told what it counts."""
    story = kill_master()
    for at_s, run_id, calls in ((-5.0, "r1", 4), (-3.5, "r1", 8), (-1.0, "r2", 3), (4.0, "r1", 12)):
        story.event("config.set", at_s, since_s=at_s - 0.5, member=PODS[1], run_id=run_id, calls=calls)
    found = analysed(story).covariates
    assert found["since_resync_s"] == pytest.approx(3.75)
    assert found["resync_seen_by"] == "commandstats"
    assert analysed(kill_master()).covariates["resync_seen_by"] == "label"


def test_without_the_operators_log_its_phase_is_not_known(analysed: Analysed):
    assert analysed(kill_master().without("operator")).covariates["since_resync_s"] is None


def test_settings_that_differ_are_told_for_each(analysed: Analysed):
    story = kill_master()
    odd = next(iter(SENTINELS))
    story.settings["sentinel"][odd] = story.settings["sentinel"][odd] | {"quorum": "1"}
    told = analysed(story).covariates["settings"]["sentinel"]
    assert told["down-after-milliseconds"] == "5000"
    assert told["quorum"][odd] == "1"


def test_lines_of_another_system_of_the_same_operator_are_not_this_ones(analysed: Analysed):
    story = kill_master()
    story.logs = {
        name: [line.replace("saasodoo", "saasodoo-2") for line in lines] for name, lines in story.logs.items()
    }
    assert any("saasodoo-2" in line for lines in story.logs.values() for line in lines)
    assert analysed(story).covariates["since_resync_s"] is None
