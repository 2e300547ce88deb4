"""Where the seconds went."""

import pytest

from chaos.analysis.result import PathResult, Window
from chaos.model import ErrorCode
from tests.analysis.conftest import Analysed
from tests.recordings import Story, delete_master, kill_master


def head(path: PathResult) -> Window:
    window = path.head
    assert window is not None
    return window


def seconds(path: PathResult) -> dict[str, float]:
    return {phase.name: phase.seconds for phase in head(path).phases}


def attributed(path: PathResult) -> float:
    total = sum(seconds(path).values()) + head(path).unattributed_s
    return sum(seconds(path).values()) / total


def test_a_crash_through_the_service_is_mostly_endpoint(analysed: Analysed):
    path = analysed(kill_master()).paths["service/new"]
    assert (
        list(seconds(path))
        == ["detection", "quorum", "election", "promotion", "endpoint", "routing", "reconnection"][: len(seconds(path))]
    )
    assert seconds(path)["endpoint"] == pytest.approx(45.87, abs=0.02)
    assert seconds(path)["detection"] == pytest.approx(5.46, abs=0.03)


def test_phases_sum_to_the_window(analysed: Analysed):
    for path in analysed(kill_master()).paths.values():
        if path.application or path.outage_s is None or path.outage_s.is_open:
            continue
        total = sum(seconds(path).values()) + head(path).unattributed_s
        assert path.outage_s.least <= total <= path.outage_s.most
        assert attributed(path) >= 0.95


def test_sentinel_has_no_routable(analysed: Analysed):
    path = analysed(kill_master()).paths["sentinel/new"]
    assert "routing" not in seconds(path)
    assert seconds(path)["endpoint"] == pytest.approx(0.55, abs=0.05)


def test_every_phase_lies_between_its_least_and_most(analysed: Analysed):
    for path in analysed(kill_master()).paths.values():
        for phase in head(path).phases if path.head else ():
            assert phase.least <= phase.seconds + 1e-9
            assert phase.seconds <= phase.most + 1e-9


def test_a_requested_failover_has_a_trigger(analysed: Analysed):
    story = Story(expects="failover").fault("delete").failover(sdown_s=None, try_s=2.0, promoted_s=2.3)
    path = analysed(story.out("service", 0.0, 4.0)).paths["service/new"]
    assert next(iter(seconds(path))) == "trigger"
    assert "detection" not in seconds(path)


def test_phases_are_clipped_to_the_window(analysed: Analysed):
    """A graceful delete is out only from the promotion on: nothing before that is part of the outage."""
    path = analysed(delete_master()).paths["service/new"]
    assert next(iter(seconds(path))) == "endpoint"
    assert head(path).phases[0].start_s == pytest.approx(0.37, abs=0.02)


def test_without_slices_and_operator_log_the_span_is_unattributed(analysed: Analysed):
    path = analysed(kill_master().without("endpoints", "operator")).paths["service/new"]
    assert "endpoint" not in seconds(path)
    assert head(path).unattributed_s == pytest.approx(45.9, abs=0.2)
    assert attributed(path) < 0.95


def test_two_unseen_neighbours_leave_one_unattributed_span(analysed: Analysed):
    path = analysed(kill_master().without("redis", "role", "endpoints")).paths["service/new"]
    assert list(seconds(path))[:3] == ["detection", "quorum", "election"]
    assert head(path).unattributed_s > 45


def test_reconnection_is_attributed_no_further_than_period_and_time_out_explain(analysed: Analysed):
    """The kept connections of a broken client stay out for 9 s after new ones are fine."""
    story = kill_master().out("service", 51.8, 61.0, connection="kept")
    path = analysed(story).paths["service/kept"]
    assert seconds(path)["reconnection"] == pytest.approx(0.12)
    assert head(path).unattributed_s == pytest.approx(9.0, abs=0.1)


def test_a_window_without_an_end_has_no_phases(analysed: Analysed):
    assert head(analysed(Story().fault().out("service", 0.0, 99.0)).paths["service/new"]).phases == ()


def test_a_later_window_has_no_phases(analysed: Analysed):
    story = kill_master().out("service", 60.0, 60.5)
    windows = [window for window in analysed(story).paths["service/new"].windows if window.kind == "durable"]
    assert [bool(window.phases) for window in windows] == [True, False]


def test_sentinels_that_disagree_hold_the_pointer_until_the_last_one_asked(analysed: Analysed):
    """One operation in between was sent to the new master; the next Sentinel still named the old one."""
    story = kill_master()
    old = {"error": ErrorCode.CONNECT_TIMEOUT, "takes_s": 0.1, "target": 0, "connection": "new"}
    story.out("sentinel", 6.4, 6.42, connection="new", target=1).out("sentinel", 6.42, 7.4, **old)
    pointer = analysed(story).paths["sentinel/new"].pointer
    assert pointer is not None
    assert pointer.at_s is not None
    assert pointer.at_s.most == pytest.approx(7.41, abs=0.02)


def test_a_connection_kept_to_a_demoted_master_is_no_slowness_of_sentinel(analysed: Analysed):
    """Sentinel would have told at once; nobody asked it, and no observation explains that time."""
    story = delete_master().acknowledged_then_lost("sentinel", 0.4, 10.9, connection="kept")
    window = analysed(story).paths["sentinel/kept"].windows[0]
    assert sum(phase.seconds for phase in window.phases if phase.name == "endpoint") < 2.0
    assert window.unattributed_s > 8.0
