"""Every doubt, by a recording that raises it. A trial with a gating doubt proves nothing."""

from typing import Any

import pytest

from chaos.analysis.result import TrialResult, Verdict
from chaos.clock import AGENT
from chaos.model import ErrorCode, Event
from tests.analysis.conftest import Analysed
from tests.recordings import Story, kill_master, no_fault
from tests.recordings.world import IDENTITY, IPS, ns

OLD = f"master mymaster {IPS[0]} 6379"


def crash(**story: object) -> Story:
    told = Story(**story).fault()  # type: ignore[arg-type]
    return told.failover(sdown_s=5.47, try_s=5.64, promoted_s=5.91).out("service", 0.0, 8.0).labelled(7.8)


def gating(trial: TrialResult) -> list[str]:
    return [doubt.name for doubt in trial.doubts if doubt.gates]


def remarks(trial: TrialResult) -> list[str]:
    return [doubt.name for doubt in trial.doubts if not doubt.gates]


def test_a_good_recording_raises_none(analysed: Analysed):
    trial = analysed(crash())
    assert trial.doubts == ()
    assert trial.verdict is Verdict.PASS


@pytest.mark.parametrize("ended", ["interrupted", "failed"])
def test_a_trial_that_did_not_end_as_it_should(analysed: Analysed, ended: str):
    trial = analysed(crash(closed={"ended": ended, "step": 6, "error": "the API server is gone"}))
    assert gating(trial) == ["cut off"]
    assert trial.verdict is Verdict.INCONCLUSIVE
    assert trial.because[0] == f"the trial ended {ended} at step 6: the API server is gone"


def test_a_trial_without_a_close_marker_says_where_it_died(analysed: Analysed):
    story = crash(closed=None).event("step", -1.0, number=5, name="wait", state="begun", text="")
    assert analysed(story).because[0] == "the trial was cut off in step 5, wait"


def test_no_fault_at_all(analysed: Analysed):
    assert "no fault" in gating(analysed(Story()))


def test_a_fault_that_was_not_proved(analysed: Analysed):
    trial = analysed(Story().fault(confirmed_s=None).out("service", 0.0, 20.0))
    assert gating(trial) == ["fault unproved"]
    assert "the process is still there" in trial.because[0]


@pytest.mark.parametrize("kind", ["fault.effect", "fault.confirmed"])
def test_a_fault_without_a_stamp_of_its_effect_or_of_its_proof(analysed: Analysed, kind: str):
    assert "fault unproved" in gating(analysed(crash().without(kind)))


def test_a_fault_that_a_helper_undid_by_itself(analysed: Analysed):
    """It was not held as the experiment says: its host was stopped, or the helper itself died."""
    trial = analysed(crash().event("fault.undone", 6.5, since_s=6.4, what="cut", because="no renewal for 30 s"))
    assert gating(trial) == ["fault undone"]
    assert trial.because[0] == "the cut was undone 6.5 s after the fault, unasked: no renewal for 30 s"


def test_a_failover_before_the_effect(analysed: Analysed):
    story = crash().sentinel(-2.0, 1, "+new-epoch", "8").sentinel(-1.9, 1, "+try-failover", OLD)
    assert "failover before effect" in gating(analysed(story))


def test_a_clock_that_cannot_be_placed(analysed: Analysed):
    other: dict[str, Any] = {"boot_id": "another", "timens": "", "mono_ns": 0, "wall_ns": 0}
    story = crash().event("clock.domain", -6.0, "node/far", **other).event("pod", 1.0, "node/far", name="x")
    assert "clock" in gating(analysed(story))


def test_a_writer_whose_clock_is_not_that_of_its_domain(analysed: Analysed):
    reading = {"mono_ns": ns(-6.0), "wall_ns": 1795425275_482000000}
    its_own: dict[str, Any] = {**IDENTITY, **reading}
    moved = its_own | {"timens": "monotonic 10 0 boottime 0 0"}
    story = crash().event("clock.domain", -6.0, AGENT, **its_own)
    assert "clock" not in gating(analysed(story))
    assert "clock" in gating(analysed(story.event("clock.domain", -5.0, AGENT, **moved)))


def test_a_wall_clock_that_jumps_is_a_remark(analysed: Analysed):
    story = crash().event("clock.pair", 3.5, wall_ns=1795425275_482000000 + 200_000_000)
    assert "clock" in remarks(analysed(story))


def test_clients_that_never_started(analysed: Analysed):
    assert "no load" in gating(analysed(crash().without("clients.started")))


def test_an_agent_that_fell_silent(analysed: Analysed):
    story = crash(length_s=30.0)
    story.events.append(Event(kind="clients.stopped", domain="agent", at_ns=ns(40.0), fields={"deadline_s": 0.1}))
    assert "agent silent" in gating(analysed(story))


def test_losses_that_are_undecided(analysed: Analysed):
    assert "losses undecided" in gating(analysed(crash(audited=False)))


def test_a_path_that_proved_nothing_before_the_fault(analysed: Analysed):
    trial = analysed(crash(baseline_s=1.2))
    assert {doubt.path for doubt in trial.doubts if doubt.name == "baseline unproved"} == set(trial.paths)
    assert trial.verdict is Verdict.INCONCLUSIVE


def test_a_path_that_was_out_before_the_fault(analysed: Analysed):
    trial = analysed(crash(baseline_s=30.0).out("sentinel", -0.9, 4.0, connection="new"))
    assert [doubt.path for doubt in trial.doubts if doubt.gates] == ["sentinel/new"]


def test_a_fault_that_should_have_an_effect_and_has_none(analysed: Analysed):
    assert gating(analysed(Story().fault())) == ["no effect"]


def test_a_crash_that_turned_out_a_planned_failover(analysed: Analysed):
    """A forced delete runs preStop, which asks Sentinel: that is another experiment."""
    story = Story().fault().failover(sdown_s=None, try_s=0.2, promoted_s=0.4).out("service", 0.0, 3.0)
    assert gating(analysed(story)) == ["another failover"]


def test_an_outage_without_any_failover_is_the_systems_doing(analysed: Analysed):
    trial = analysed(Story(length_s=30.0).fault().out("service", 0.0, 99.0))
    assert gating(trial) == []
    assert trial.verdict is Verdict.FAIL


class TestControl:
    """Nothing is done: the proof is that nothing changed."""

    def test_nothing_changed(self, analysed: Analysed):
        trial = analysed(no_fault())
        assert trial.doubts == ()
        assert trial.verdict is Verdict.PASS

    def test_a_label_that_changed(self, analysed: Analysed):
        trial = analysed(no_fault().pod(3.0, 1, role="master"))
        assert gating(trial) == ["not the control"]
        assert trial.verdict is Verdict.INCONCLUSIVE

    def test_a_process_that_was_restarted(self, analysed: Analysed):
        assert "not the control" in gating(analysed(no_fault().pod(3.0, 1, restarts=1)))

    def test_a_role_that_changed(self, analysed: Analysed):
        assert "not the control" in gating(analysed(no_fault().role(3.0, 1, "master", IPS[1])))

    def test_an_endpoint_that_changed(self, analysed: Analysed):
        assert "not the control" in gating(analysed(no_fault().endpoints(3.0, 2)))

    def test_a_fact_that_is_only_told_again(self, analysed: Analysed):
        told = no_fault().endpoints(3.0, 0).pod(3.0, 1)
        assert analysed(told.role(3.0, 2, "slave", IPS[2], master=f"{IPS[0]}:6379")).doubts == ()

    def test_an_outage_fails(self, analysed: Analysed):
        trial = analysed(no_fault().out("service", 3.0, 3.5))
        assert trial.verdict is Verdict.FAIL
        assert "though nothing was done" in trial.because[0]

    def test_a_failover_fails_the_count_that_the_experiment_demands(self, analysed: Analysed):
        trial = analysed(no_fault().failover(sdown_s=5.0, try_s=5.2, promoted_s=5.5))
        assert trial.targets["failovers"].verdict == "fail"
        assert gating(trial)[0] == "not the control"


class TestRemarks:
    """They are said, and gate nothing."""

    def test_stalls_of_our_own(self, analysed: Analysed):
        trial = analysed(crash().event("hiccup", 3.0, "agent", late_ns=80_000_000))
        assert remarks(trial) == ["lag"]

    def test_a_busy_machine(self, analysed: Analysed):
        assert remarks(analysed(crash().event("pressure", 3.2, some10=93.0, load1=19.0))) == ["machine"]

    def test_a_source_that_was_silent(self, analysed: Analysed):
        story = crash().event("gap", 4.0, since_s=2.0, source="pods", text="410 Gone")
        trial = analysed(story)
        assert remarks(trial) == ["gap"]
        assert "pods was silent from 2.0 to 4.0 s" in trial.doubts[0].text

    def test_a_source_that_was_silent_often_is_one_remark(self, analysed: Analysed):
        story = crash()
        for end_s in (4.0, 4.5, 9.0):
            story.event("gap", end_s, since_s=3.0 if end_s < 5 else 8.0, source="watch pods", text="410 Gone")
        assert analysed(story).doubts[0].text == "watch pods was silent 2 times, longest from 3.0 to 4.5 s: 410 Gone"

    def test_a_stall_that_explains_its_silence_is_no_absence_of_the_agent(self, analysed: Analysed):
        story = crash(length_s=30.0)
        story.events.append(Event(kind="clients.stopped", domain="agent", at_ns=ns(33.8), fields={"deadline_s": 0.1}))
        assert gating(analysed(story)) == ["agent silent"]
        assert remarks(analysed(story.event("hiccup", 33.0, "agent", late_ns=2_500_000_000))) == ["lag"]

    def test_they_come_after_what_gates(self, analysed: Analysed):
        story = kill_master(audited=False).event("hiccup", 3.0, "agent", late_ns=80_000_000)
        assert [doubt.gates for doubt in analysed(story).doubts] == [True, False]


def test_what_a_stall_touches_is_undecided(analysed: Analysed):
    """The edge of the outage met our own stall: the path can not be judged, though its length is far beyond."""
    story = Story(length_s=40.0).fault().failover(sdown_s=5.4, try_s=5.6, promoted_s=5.9)
    story.out("service", 0.0, 30.0, error=ErrorCode.REPLY_TIMEOUT, takes_s=0.1)
    story.event("hiccup", 30.0, "agent", late_ns=150_000_000)
    trial = analysed(story)
    assert trial.paths["service/new"].targets["reconnect"].verdict == "undecided"
    assert trial.verdict is Verdict.INCONCLUSIVE


def test_a_stall_at_the_onset_leaves_the_recovery_decided_and_the_downtime_not(analysed: Analysed):
    """A recovery counts from t = 0, so that the onset is no edge of it."""
    story = Story(length_s=40.0).fault().failover(sdown_s=5.4, try_s=5.6, promoted_s=5.9)
    story.out("service", 0.0, 30.0, error=ErrorCode.REPLY_TIMEOUT, takes_s=0.1)
    story.event("hiccup", 0.1, "agent", late_ns=150_000_000)
    path = analysed(story).paths["service/new"]
    assert path.windows[0].suspect == ("onset",)
    assert (path.targets["reconnect"].verdict, path.targets["total"].verdict) == ("fail", "undecided")
