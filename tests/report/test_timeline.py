"""The time line: from a written history to lanes, runs and marks."""

import numpy as np
import pytest

from chaos.analysis.history import History
from chaos.analysis.result import State
from chaos.report.timeline import Run, curve, extent, operations, runs, timeline
from tests.recordings import Story, delete_master, kill_master, no_fault, write_trial
from tests.report.results import trial


def drawn(placed, one):
    picture = timeline(placed, one)
    assert picture
    return picture


@pytest.fixture
def placed(tmp_path):
    return lambda story: History.load(write_trial(story, tmp_path))


def lanes(picture):
    return {lane.title: lane.runs for lane in picture.states}


def test_the_label_and_the_endpoint_are_shown_where_they_were(placed):
    shown = lanes(drawn(placed(kill_master(back_s=51.9)), trial(0, 51.9, 51.99)))
    named = [run.text for run in shown["rfrm-redis-cluster →"]]
    assert named == ["rfr-redis-cluster-0", "nobody", "rfr-redis-cluster-1"]
    assert shown["rfrm-redis-cluster →"][-1].start_s == pytest.approx(51.85, abs=0.2)
    assert [run.text for run in shown["master label on"]][-1] == "rfr-redis-cluster-1"
    assert [run.text for run in shown["rfr-redis-cluster-0 is"]] == ["master", "no answer", "replica"]


def test_sentinel_is_marked_by_its_own_words(placed):
    marks = [mark.text for mark in drawn(placed(kill_master()), trial(0, 51.9, 51.99)).sentinel]
    assert marks[0] == "+sdown"
    assert "+switch-master" in marks


def test_good_answers_of_the_demoted_master_are_a_band_of_their_own(placed):
    one = trial(1, 75.9, 76.0)
    paths = {path.title: path for path in drawn(placed(delete_master(back_s=76.0)), one).operations}
    assert paths["service/new"].stray
    assert not paths["sentinel/kept"].bad["failed"]
    assert paths["service/new"].counts["failed"] > 100


def test_operations_are_told_by_kind(placed):
    paths = {path.title: path for path in drawn(placed(kill_master()), trial(0, 51.9, 51.99)).operations}
    assert paths["given/new"].good == ()
    assert paths["service/new"].good[0][1] == pytest.approx(0, abs=0.3)
    assert paths["service/new"].good[-1][0] == pytest.approx(51.9, abs=0.3)


def test_the_axis_of_a_control_is_the_whole_trial(placed):
    story = no_fault(length_s=40.0)
    one = trial(0, 6, 6, expects="nothing", paths={}, milestones={})
    assert extent(placed(story), one) == pytest.approx((-5.99, 39.99), abs=1.1)


def test_without_an_effect_there_is_no_axis(placed):
    story = Story(experiment="kill-master")
    assert timeline(placed(story), trial(0, 51.9, 51.99)) is None


def test_a_milestone_that_was_not_seen_does_not_stretch_the_axis(placed):
    one = trial(0, 51.9, 51.99)
    assert all(value.at_s is None for value in one.milestones.values() if value.state is not State.SEEN)
    assert extent(placed(kill_master()), one)[1] < 65


def test_equal_changes_are_one_run_and_an_empty_text_is_a_gap():
    changes = [(0.0, "a", "ok"), (1.0, "a", "ok"), (2.0, "", "ok"), (3.0, "b", "ok")]
    assert runs(changes, 5.0) == (Run(0.0, 2.0, "a", "ok"), Run(3.0, 5.0, "b", "ok"))


def test_a_cell_without_operations_breaks_the_curve():
    made = curve(np.array([0.1, 0.2, 9.9]), np.array([1.0, 3.0, 2.0]), (0.0, 10.0), cells=10)
    assert made.worst[0] == 3.0
    assert np.isnan(made.worst[1:9]).all()
    assert made.middle[9] == 2.0


def test_what_is_outside_the_axis_is_left_out():
    at_s = np.array([-1.0, 1.0, 99.0])
    every, none = np.ones(3, bool), np.zeros(3, bool)
    made = operations("a", at_s, {"good": every, "stray": none, "failed": none}, (0.0, 10.0))
    assert made.counts == {"good": 1, "stray": 0, "failed": 0}
