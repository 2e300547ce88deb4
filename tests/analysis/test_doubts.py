"""Every doubt, by a recording that raises it. A trial with a gating doubt proves nothing."""

from typing import Any

import pytest

from chaos.analysis.doubts import acknowledged_by_replicas
from chaos.analysis.result import TrialResult, Verdict
from chaos.clock import AGENT
from chaos.model import ErrorCode, Outcome
from tests.analysis.conftest import Analysed, Placed
from tests.recordings import Story, kill_master, no_fault
from tests.recordings.documents import scenario_json
from tests.recordings.load import Spell
from tests.recordings.world import IDENTITY, IPS, PODS, ns, run_id
from tests.saying import edges

OLD = f"master mymaster {IPS[0]} 6379"


def crash(**story: object) -> Story:
    told = Story(**story).fault()  # type: ignore[arg-type]
    return told.failover(sdown_s=5.47, try_s=5.64, promoted_s=5.91).out("service", 0.0, 8.0).labelled(7.8)


def voiding(trial: TrialResult) -> list[str]:
    return [doubt.name for doubt in trial.doubts if doubt.voids]


def remarks(trial: TrialResult) -> list[str]:
    return [doubt.name for doubt in trial.doubts if not doubt.voids]


def test_a_good_recording_raises_none(analysed: Analysed):
    trial = analysed(crash())
    assert trial.doubts == ()
    assert trial.verdict is Verdict.PASS


@pytest.mark.parametrize("ended", ["interrupted", "failed"])
def test_a_trial_that_did_not_end_as_it_should(analysed: Analysed, ended: str):
    trial = analysed(crash(closed={"ended": ended, "step": 6, "error": "the API server is gone"}))
    assert voiding(trial) == ["cut off"]
    assert trial.verdict is Verdict.INCONCLUSIVE
    assert trial.because[0] == f"the trial ended {ended} at step 6: the API server is gone"


def test_a_trial_without_a_close_marker_says_where_it_died(analysed: Analysed):
    story = crash(closed=None).event("step", -1.0, number=5, name="wait", state="begun", text="")
    assert analysed(story).because[0] == "the trial was cut off in step 5, wait"


def test_no_fault_at_all(analysed: Analysed):
    assert "no fault" in voiding(analysed(Story()))


def test_a_fault_that_was_not_proved(analysed: Analysed):
    trial = analysed(Story().fault(confirmed_s=None).out("service", 0.0, 20.0))
    assert voiding(trial) == ["fault unproved"]
    assert "the process is still there" in trial.because[0]


@pytest.mark.parametrize("kind", ["fault.effect", "fault.confirmed"])
def test_a_fault_without_a_stamp_of_its_effect_or_of_its_proof(analysed: Analysed, kind: str):
    assert "fault unproved" in voiding(analysed(crash().without(kind)))


def test_a_fault_that_a_helper_undid_by_itself(analysed: Analysed):
    """It was not held as the experiment says: its host was stopped, or the helper itself died."""
    trial = analysed(crash().event("fault.undone", 6.5, since_s=6.4, what="cut", because="no renewal for 30 s"))
    assert voiding(trial) == ["fault undone"]
    assert trial.because[0] == "the cut was undone 6.5 s after the fault, unasked: no renewal for 30 s"


def test_a_failover_before_the_effect(analysed: Analysed):
    story = crash().sentinel(-2.0, 1, "+new-epoch", "8").sentinel(-1.9, 1, "+try-failover", OLD)
    assert "failover before effect" in voiding(analysed(story))


def test_a_clock_that_cannot_be_placed(analysed: Analysed):
    other: dict[str, Any] = {"boot_id": "another", "timens": "", "mono_ns": 0, "wall_ns": 0}
    story = crash().event("clock.domain", -6.0, "node/far", **other).event("pod", 1.0, "node/far", name="x")
    assert "clock" in voiding(analysed(story))


def test_a_writer_whose_clock_is_not_that_of_its_domain(analysed: Analysed):
    reading = {"mono_ns": ns(-6.0), "wall_ns": 1795425275_482000000}
    its_own: dict[str, Any] = {**IDENTITY, **reading}
    moved = its_own | {"timens": "monotonic 10 0 boottime 0 0"}
    story = crash().event("clock.domain", -6.0, AGENT, **its_own)
    assert "clock" not in voiding(analysed(story))
    assert "clock" in voiding(analysed(story.event("clock.domain", -5.0, AGENT, **moved)))


def test_a_wall_clock_that_jumps_is_a_remark(analysed: Analysed):
    story = crash().event("clock.pair", 3.5, wall_ns=1795425275_482000000 + 200_000_000)
    assert "clock" in remarks(analysed(story))


def test_clients_that_never_started(analysed: Analysed):
    assert "no load" in voiding(analysed(crash().without("clients.started")))


def test_an_agent_that_fell_silent(analysed: Analysed):
    story = crash(length_s=30.0)
    story.event("clients.stopped", 40.0, "agent", deadline_s=0.1)
    assert "agent silent" in voiding(analysed(story))


def test_losses_that_are_undecided_void_nothing_but_their_own_gate(analysed: Analysed):
    trial = analysed(crash(audited=False))
    assert voiding(trial) == []
    assert trial.targets["lost_before"].verdict == "undecided"
    assert trial.verdict is Verdict.PASS
    scenario = scenario_json()
    scenario["targets"]["lost_before"]["gate"] = True
    assert analysed(crash(audited=False, scenario=scenario)).because == (
        "lost writes that everybody had: there was no audit",
    )


def test_a_path_that_proved_nothing_before_the_fault(analysed: Analysed):
    trial = analysed(crash(baseline_s=1.2))
    assert {doubt.path for doubt in trial.doubts if doubt.name == "baseline unproved"} == {*trial.paths, ""}
    assert trial.verdict is Verdict.INCONCLUSIVE


def test_a_doubt_about_one_path_leaves_the_gates_of_the_others(analysed: Analysed):
    """The client of one path sent too little before the fault; the other path was late all the same."""
    story = crash(length_s=60.0).out("service", 0.0, 40.0).out("sentinel", -6.0, 0.0, connection="new")
    trial = analysed(story)
    assert trial.paths["sentinel/new"].state == "never worked"
    assert trial.verdict is Verdict.FAIL


def test_a_path_that_was_out_before_the_fault_is_cut_at_the_effect(analysed: Analysed):
    trial = analysed(crash(baseline_s=30.0).out("sentinel", -0.9, 4.0, connection="new"))
    assert voiding(trial) == []
    assert [(doubt.name, doubt.path) for doubt in trial.doubts] == [("out before", "sentinel/new")]
    path = trial.paths["sentinel/new"]
    assert path.head is not None
    assert path.head.onset_s.least == 0.0
    assert edges(path.recovered_s) == pytest.approx((3.98, 4.0), abs=0.04)
    assert edges(path.downtime_s) == pytest.approx((3.98, 4.0), abs=0.04)


def test_a_fault_of_which_no_source_saw_a_consequence(analysed: Analysed):
    assert voiding(analysed(Story().fault())) == ["no effect"]


@pytest.mark.parametrize(("confirmed_s", "doubts"), [(0.31, []), (None, ["no effect"])])
def test_a_link_that_was_slow_and_that_nobody_minded_is_no_doubt(
    analysed: Analysed, confirmed_s: float | None, doubts: list[str]
):
    """That a PING over it was answered late is a consequence, and the only one where clients wait long enough."""
    found = voiding(analysed(Story().fault("link", confirmed_s=confirmed_s).healed(60.0, "link")))
    assert [name for name in found if name == "no effect"] == doubts


@pytest.mark.parametrize("kind", ["role.lost", "sdown"])
def test_one_consequence_is_enough(analysed: Analysed, kind: str):
    story = Story().fault()
    if kind == "sdown":
        story.sentinel(5.0, 0, "+sdown", OLD)
    else:
        story.event("role.lost", 0.1, AGENT, member=PODS[0])
    assert voiding(analysed(story)) == []


def test_what_kind_of_failover_came_is_a_result(analysed: Analysed):
    """A forced delete may run preStop, which asks Sentinel: that is the system's doing."""
    story = Story().fault().failover(sdown_s=None, try_s=0.2, promoted_s=0.4).out("service", 0.0, 3.0)
    trial = analysed(story)
    assert voiding(trial) == []
    assert trial.verdict is Verdict.PASS


def test_an_outage_without_any_failover_is_the_systems_doing(analysed: Analysed):
    trial = analysed(Story(length_s=30.0).fault().out("service", 0.0, 99.0))
    assert voiding(trial) == []
    assert trial.verdict is Verdict.FAIL


class TestControl:
    """Nothing is done: the proof is that nothing changed."""

    def test_nothing_changed(self, analysed: Analysed):
        trial = analysed(no_fault())
        assert trial.doubts == ()
        assert trial.verdict is Verdict.PASS

    def test_a_label_that_changed(self, analysed: Analysed):
        trial = analysed(no_fault().pod(3.0, 1, role="master"))
        assert voiding(trial) == ["not the control"]
        assert trial.verdict is Verdict.INCONCLUSIVE

    def test_a_process_that_was_restarted(self, analysed: Analysed):
        assert "not the control" in voiding(analysed(no_fault().pod(3.0, 1, restarts=1)))

    def test_a_role_that_changed(self, analysed: Analysed):
        assert "not the control" in voiding(analysed(no_fault().role(3.0, 1, "master", IPS[1])))

    def test_an_endpoint_that_changed(self, analysed: Analysed):
        assert "not the control" in voiding(analysed(no_fault().endpoints(3.0, 2)))

    def test_a_fact_that_is_only_told_again(self, analysed: Analysed):
        told = no_fault().endpoints(3.0, 0).pod(3.0, 1)
        assert analysed(told.role(3.0, 2, "slave", IPS[2], master=f"{IPS[0]}:6379")).doubts == ()

    def test_an_outage_fails(self, analysed: Analysed):
        trial = analysed(no_fault().out("service", 3.0, 3.5))
        assert trial.verdict is Verdict.FAIL
        assert "though nothing was done" in trial.because[0]

    def test_a_failover_is_a_result_and_a_failure(self, analysed: Analysed):
        trial = analysed(no_fault().failover(sdown_s=5.0, try_s=5.2, promoted_s=5.5))
        assert trial.targets["failovers"].verdict == "fail"
        assert voiding(trial) == []
        assert trial.verdict is Verdict.FAIL

    def test_a_failover_that_waits_for_a_core_may_explain_is_undecided(self, analysed: Analysed):
        story = no_fault().failover(sdown_s=5.0, try_s=5.2, promoted_s=5.5).event("waits", -5.0, counted=True)
        story.event("waited", 5.0, since_s=0.0, member=PODS[0], waited_ns=5_000_000_000)
        assert analysed(story).verdict is Verdict.INCONCLUSIVE


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
        story.event("clients.stopped", 33.8, "agent", deadline_s=0.1)
        assert voiding(analysed(story)) == ["agent silent"]
        assert remarks(analysed(story.event("hiccup", 33.0, "agent", late_ns=2_500_000_000))) == ["lag"]

    def test_they_come_after_what_gates(self, analysed: Analysed):
        story = kill_master(closed=None).event("hiccup", 3.0, "agent", late_ns=80_000_000)
        assert [doubt.voids for doubt in analysed(story).doubts] == [True, False]


def stalled(back_s: float, at_s: float, late_s: float) -> Story:
    """The path is back after `back_s`, and the agent stalled until `at_s`."""
    story = Story(length_s=40.0).fault().failover(sdown_s=5.4, try_s=5.6, promoted_s=5.9)
    story.out("service", 0.0, back_s, outcome=Outcome.UNKNOWN, error=ErrorCode.REPLY_TIMEOUT, takes_s=0.1)
    return story.event("hiccup", at_s, "agent", late_ns=round(late_s * 1e9))


def test_a_stall_at_the_end_of_an_outage_makes_its_interval_wider_and_decides_nothing(analysed: Analysed):
    """30 s is not 15 s, whatever the agent did."""
    path = analysed(stalled(30.0, 30.0, 0.15)).paths["service/new"]
    assert path.head is not None
    assert path.head.widened == ("end",)
    assert path.recovered_s is not None
    assert path.recovered_s.least == pytest.approx(29.74, abs=0.04)
    assert path.recovered_s.most == pytest.approx(30.02, abs=0.04)
    assert path.targets["recovery"].verdict == "fail"


def test_only_a_limit_inside_the_widened_interval_is_undecided(analysed: Analysed):
    assert analysed(stalled(15.1, 15.1, 0.3)).paths["service/new"].targets["recovery"].verdict == "undecided"
    assert analysed(stalled(14.5, 14.5, 0.3)).paths["service/new"].targets["recovery"].verdict == "pass"


def test_a_stall_at_the_onset_leaves_the_recovery_as_it_is(analysed: Analysed):
    """A recovery counts from t = 0, so that the onset is no edge of it."""
    path = analysed(stalled(30.0, 0.1, 0.15)).paths["service/new"]
    assert path.head is not None
    assert path.head.widened == ("onset",)
    assert path.recovered_s is not None
    assert path.recovered_s.width < 0.05


def answered_by_a_replica(outcome: Outcome, *, follows: bool = True) -> Story:
    """For a second, operations of one path are answered by a process that says that it is a replica, or a master."""
    story, replica = crash(), 2
    for tenths in range(40):
        role, master = ("slave", f"{IPS[0]}:6379") if follows else ("master", None)
        story.role(-4.0 + tenths / 10, replica, role, IPS[replica], master=master)
    story.spells.append(Spell(path="service", start_s=-2.0, end_s=-1.0, outcome=outcome, node=replica))
    return story


def test_an_ok_that_only_a_replica_can_have_said_is_a_fault_of_ours(analysed: Analysed, placed: Placed):
    assert acknowledged_by_replicas(placed(answered_by_a_replica(Outcome.OK))) > 30
    assert "outcomes" in voiding(analysed(answered_by_a_replica(Outcome.OK)))


def test_a_refusal_by_a_replica_and_an_ok_of_a_master_are_as_they_should_be(placed: Placed):
    assert acknowledged_by_replicas(placed(answered_by_a_replica(Outcome.FAILED))) == 0
    assert acknowledged_by_replicas(placed(answered_by_a_replica(Outcome.OK, follows=False))) == 0


def test_meters_that_were_left_out_are_said_and_are_no_clients_that_sent_too_little(analysed: Analysed):
    story = crash()
    story.event("clients.started", 0.1 - story.baseline_s, AGENT, deadline_s=0.1, left_out=[0])
    trial = analysed(story)
    assert [doubt.text for doubt in trial.doubts if doubt.name == "fewer meters"] == [
        f"the load was too heavy for this machine: {len(story.clients) - 1} of {len(story.clients)} meters ran"
    ]
    assert voiding(trial) == []


def test_clients_that_all_started_are_no_doubt(analysed: Analysed):
    story = crash()
    story.event("clients.started", 0.1 - story.baseline_s, AGENT, deadline_s=0.1, left_out=[])
    assert "fewer meters" not in remarks(analysed(story))


class TestKnownOutage:
    """The master sleeps for 3 s by DEBUG SLEEP, and nobody replaces it."""

    def slept(self, *out: tuple[str, float, float]) -> Story:
        story = Story(expects="no-failover", length_s=30.0).fault("slow").without("fault.requested")
        target = {"name": PODS[0], "ordinal": 0, "address": f"{IPS[0]}:6379", "run_id": run_id(0)}
        story.event("fault.requested", -0.05, fault="slow", target=target, arguments={"seconds": 3.0})
        for path, begin_s, end_s in out:
            story.out(path, begin_s, end_s, error=ErrorCode.REPLY_TIMEOUT, takes_s=0.1)
        return story

    def test_it_is_silent_where_every_path_was_out_for_as_long(self, analysed: Analysed):
        assert voiding(analysed(self.slept(("service", 0.0, 2.97), ("sentinel", 0.01, 3.02)))) == []

    @pytest.mark.parametrize("end_s", [2.8, 3.2])
    def test_it_doubts_a_path_that_is_measured_shorter_or_longer(self, analysed: Analysed, end_s: float):
        trial = analysed(self.slept(("service", 0.0, 3.0), ("sentinel", 0.0, end_s)))
        assert set(voiding(trial)) == {"known outage"}
        assert all(
            "the master slept for 3 s and was not replaced, and of sentinel/" in one.text for one in trial.doubts
        )

    def test_it_doubts_a_path_that_was_not_out(self, analysed: Analysed):
        trial = analysed(self.slept(("service", 0.0, 3.0)))
        assert [one.text.rpartition("and of ")[2] for one in trial.doubts] == [
            "sentinel/new no outage was measured",
            "sentinel/kept no outage was measured",
        ]

    def test_it_is_silent_where_a_failover_came(self, analysed: Analysed):
        story = self.slept(("service", 0.0, 8.0)).failover(sdown_s=2.47, try_s=2.64, promoted_s=2.91).labelled(7.8)
        assert voiding(analysed(story)) == []
